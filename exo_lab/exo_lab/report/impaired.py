# SPDX-License-Identifier: Apache-2.0
"""The report of `exo evaluate impaired`: the clinic, severity, what a device does for patients, cohorts."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy import stats

from exo_core.errors import UserError
from exo_lab.conditions import LEARNED, NO_DEVICE, PERSONALISED, PRACTISED, UNPOWERED
from exo_lab.evaluate.exo.figures import at
from exo_lab.evaluate.impaired.assistance import ASSISTED, COMPARED, LEAST_ASYMMETRY, SMALLEST_REDUCTION
from exo_lab.evaluate.impaired.clinical import COST, FEWEST_SHOWN, SHOWN, shows
from exo_lab.evaluate.impaired.clinical_table import LEVELS, cells, clinical_rows, falls_words, verdict
from exo_lab.evaluate.impaired.clinical_table import shown as number
from exo_lab.evaluate.impaired.cohort import COHORT_FILE, FEWEST_FOR_TREND, read_cohort, whole
from exo_lab.evaluate.impaired.command import COMMAND
from exo_lab.evaluate.impaired.deficits import Deficit, Sign, load_deficits
from exo_lab.evaluate.impaired.measure import ASYMMETRIES
from exo_lab.evaluate.impaired.patients import HEALTHY, WALKED_STRENGTHS, series_name
from exo_lab.report import draw
from exo_lab.report.page import (
    REPORT_NAME,
    Block,
    Cell,
    Section,
    figure_value,
    heading,
    lead,
    missing,
    pictures,
    table,
    text,
    title,
    write_page,
)
from exo_lab.report.study import CURVES_FILE, NOTHING, Study, again, everything, load_study, options_of
from exo_lab.report.style import (
    FAINT_INK,
    INK,
    MET,
    MISSED,
    NORM_BAND,
    NORM_LINE,
    SIDE_NAMES,
    STRIDE_LABEL,
    STUDY_COLOURS,
    STUDY_TITLES,
    counted,
    minus,
    shown,
)
from exo_sim.errors import GaitError
from exo_sim.gait.curves import PHASE_PERCENT, Curve, CurveTable
from exo_sim.measurement import Figure
from exo_sim.world.walk import strides_key

FIGURES_FOLDER = "figures"
TITLES = {**STUDY_TITLES, LEARNED: "policy for everybody"}
SHORT = {
    HEALTHY: "healthy",
    NO_DEVICE: "patient",
    UNPOWERED: "unpowered",
    PRACTISED: "practised",
    LEARNED: "everybody's",
    PERSONALISED: "personal",
}
#: Solid for the affected leg.
LEG_DASHES = {"affected": "-", "other": (0, (4, 2))}
OTHER = {"r": "l", "l": "r"}
#: Of those who are in no mean: a foot that drags in every swing makes no stride either.
OTHERS = "the others fell or made no clean stride"
ARROW = " \N{RIGHTWARDS ARROW} "
#: Options of the command by the configuration's key.
OPTIONS = {
    "human": "--human",
    "subject": "--subject",
    "side": "--side",
    "speed": "--speed",
    "seeds": "--seeds",
    "duration": "--duration",
    "seed": "--seed",
    "physics_rate": "--physics-rate",
    "device": "--device",
    "cohort": "--cohort",
    "same_human": "--same-human",
}


@dataclass(frozen=True)
class NamedPatient:
    """Somebody who was named, as the summary holds them."""

    name: str
    side: str
    deficit: str
    healthy: str
    subject: Mapping[str, Any]

    @property
    def one_sided(self) -> bool:
        """Whether the impairments are all on one leg."""
        return len({name[-1] for value in self.subject.values() if isinstance(value, dict) for name in value}) < 2

    @property
    def title(self) -> str:
        """The name for people: "drop foot, right"."""
        words = self.name.replace("_", " ")
        for side in SIDE_NAMES.values():
            if words.endswith(f" {side}"):
                return f"{words.removesuffix(f' {side}')}, {side}"
        return words


@dataclass(frozen=True)
class ImpairedStudy(Study):
    """A folder that `exo evaluate impaired` wrote; `cohort` is empty where there was none."""

    cohort: Sequence[dict[str, Any]]

    @property
    def speed(self) -> float:
        """Commanded speed (m/s)."""
        return float(self.configuration["speed"])

    @cached_property
    def patients(self) -> list[NamedPatient]:
        """Named patients, in the order of the evaluation's figures."""
        known = [
            NamedPatient(name, p["side"], p["deficit"], p["healthy"], p["subject"])
            for name, p in self.configuration["patients"].items()
        ]
        keys = (name.split(".", 2)[1].split(":")[0] for name in self.figures if name.count(".") >= 2)
        order = {key: place for place, key in enumerate(dict.fromkeys(keys))}
        return sorted(known, key=lambda p: order.get(p.name, len(order)))

    @cached_property
    def deficits(self) -> list[Deficit]:
        """Deficits whose severity series was walked."""
        return [deficit for deficit in load_deficits() if deficit.name in self.configuration["deficits"]]

    @cached_property
    def devices(self) -> list[str]:
        """Devices of the cohort, in the order of the rows."""
        return list(dict.fromkeys(str(row["device"]) for row in self.cohort))

    def worn(self, patient: str) -> list[str]:
        """Conditions that a patient walked in, of those with a device: unpowered, and under policies."""
        return [
            worn
            for worn in (UNPOWERED, *COMPARED)
            if at("walks", strides_key(patient, worn), self.speed) in self.figures
        ]

    def figure(self, name: str, patient: str, worn: str = NO_DEVICE) -> Figure:
        """A figure of a patient in a condition; NaN where it is not there."""
        return self.figures.get(at(name, strides_key(patient, worn), self.speed), NOTHING)

    def of_deficit(self, name: str, deficit: str) -> Figure:
        """A figure of a severity series; NaN where it is not there."""
        return self.figures.get(at(name, deficit, self.speed), NOTHING)

    def curve(self, patient: str, worn: str, variable: str, side: str) -> Curve | None:
        """Mean and SD over strides of all walks in a condition, or None."""
        try:
            curve = self.curves.get(strides_key(patient, worn), variable, side, self.speed)
        except GaitError:
            return None
        return curve if np.isfinite(curve.mean).all() else None


def load_impaired(folder: str | Path) -> ImpairedStudy:
    """Reads a folder of `exo evaluate impaired`.

    Raises:
        UserError: not such a folder, or a damaged file.
        GaitError: damaged curves.
    """
    study = load_study(folder, COMMAND, ("speed", "patients", "deficits", "policies"), with_curves=False)
    try:
        rows = read_cohort(study.folder / COHORT_FILE) if study.configuration.get("cohort") else []
    except OSError as error:
        raise UserError(f"{study.folder / COHORT_FILE} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{study.folder / COHORT_FILE} is damaged: {error}") from error
    curves = CurveTable() if rows else CurveTable.read(study.folder / CURVES_FILE)
    return ImpairedStudy(study.folder, study.summary, study.record, study.figures, curves, rows)


def write_impaired_page(folder: str | Path) -> Path:
    """Write report.html and its figures into the folder of an evaluation; returns the page's path.

    Raises:
        UserError: not such a folder, a damaged file, or it cannot be written.
        GaitError: damaged curves.
    """
    evaluation = load_impaired(folder)
    sections = []
    try:
        if evaluation.deficits:
            sections += [_clinic(evaluation), _severity(evaluation)]
        if evaluation.cohort:
            sections.append(_cohort(evaluation))
        if any(evaluation.worn(patient.name) for patient in evaluation.patients):
            sections.append(_assistance(evaluation))
        sections += [_patient(evaluation, patient) for patient in evaluation.patients]
    except OSError as error:
        raise UserError(f"cannot write into {folder}: {error.strerror}") from error
    sections += [everything(evaluation), again(evaluation, command_words(evaluation))]
    opening = [title("How patients walk"), text(subtitle(evaluation), faint=True), lead(headline(evaluation))]
    opening += missing(evaluation.notes)
    return write_page(evaluation.folder / REPORT_NAME, "exo_gait: impaired gait", opening, sections)


def subtitle(evaluation: ImpairedStudy) -> str:
    """What was measured, in a line."""
    configuration = evaluation.configuration
    policies = len(configuration["policies"])
    walks = (
        f"{configuration['cohort']} random patients"
        if evaluation.cohort
        else f"{counted(configuration['seeds'], 'walk')} a person and condition"
    )
    devices = f"{policies} trained {'policy' if policies == 1 else 'policies'}" if policies else "no device"
    return f"{evaluation.speed:g} m/s, {walks}, {configuration['duration']:g} s each; {devices}"


def headline(evaluation: ImpairedStudy) -> str:
    """The result in a sentence or two."""
    parts = []
    if evaluation.deficits:
        seen = [d for d in evaluation.deficits if verdict(evaluation.figures, d, evaluation.speed)]
        which = f" ({', '.join(d.title for d in seen)})" if seen else ""
        parts.append(f"{len(seen)} of {len(evaluation.deficits)} deficits look as in the clinic{which}.")
    for device in evaluation.devices:
        name = Path(device).stem
        saving = evaluation.figures.get(f"cohort_saving.{name}")
        if saving is not None and math.isfinite(saving.value):
            span = f" ({' to '.join(shown(end, 1) for end in saving.interval)} %)" if saving.interval else ""
            walked, people = (
                evaluation.figures[f"cohort_{each}.{name}"].value for each in ("walked_to_the_end", "patients")
            )
            parts.append(
                f"{name} saves {shown(saving.value, 1)} %{span} in {walked:.0f} of {people:.0f} patients"
                + (f"; {OTHERS}." if walked < people else ".")
            )
    parts += [_cost_words(evaluation, worn) for worn in ASSISTED]
    if evaluation.judged:
        parts.append(f"{evaluation.targets_met} targets are met.")
    return " ".join(filter(None, parts))


def _cost_words(evaluation: ImpairedStudy, worn: str) -> str:
    """What a policy changes of the cost, over patients; nothing where nobody wore it."""
    wearers = [patient for patient in evaluation.patients if worn in evaluation.worn(patient.name)]
    changes = [evaluation.figure(f"{COST}_change", patient.name, worn).value for patient in wearers]
    known = [change for change in changes if math.isfinite(change)]
    if not known:
        return ""
    span = " to ".join(dict.fromkeys(shown(end, 0, True) for end in (max(known), min(known))))
    rest = "." if len(known) == len(wearers) else f"; {OTHERS}."
    return (
        f"The {TITLES[worn]} changes the cost per distance by {span} % against unpowered in {len(known)} of "
        f"{len(wearers)} patients{rest}"
    )


def command_words(evaluation: ImpairedStudy) -> list[str]:
    """The command that measures the same again."""
    configuration, words = evaluation.configuration, COMMAND.split()
    for option in ("exo", "personalised"):
        words += [f"--{option}", *configuration[option]] if configuration.get(option) else []
    if not evaluation.cohort:
        people = [f"patients/{name}.yaml" for name in configuration["patients"]]
        words += ["--patients", *(people or ["none"]), "--deficits", *(configuration["deficits"] or ["none"])]
    return words + options_of({k: v for k, v in configuration.items() if v != 0}, OPTIONS)


# --- tables


def _clinic(evaluation: ImpairedStudy) -> Section:
    blocks = [
        text(
            "Change of each sign against the healthy run of the same person, at the strength that is left of the weak "
            "muscle groups. In colour: in the direction that the literature reports, larger than the smallest change "
            "that counts, and beyond chance (95 % interval over walks). Monotony: Kendall's correlation with severity, "
            "1 where the sign grows at every step. A deficit looks as in the clinic when its first finding and half of "
            f"its findings show at 50 % or 25 % strength; the target is {FEWEST_SHOWN} of five.",
            faint=True,
        )
    ]
    head = (
        *("sign", Cell("expected", "text"), "healthy", *(f"{100 * level:g} %" for level in LEVELS)),
        *("monotony", Cell("source", "text")),
    )
    rows = clinical_rows(evaluation.figures, evaluation.deficits, evaluation.speed)
    for deficit in evaluation.deficits:
        seen = verdict(evaluation.figures, deficit, evaluation.speed)
        words = "as in the clinic" if seen else "not as in the clinic"
        falls = falls_words(evaluation.figures, deficit, evaluation.speed)
        body = []
        for row in (row for row in rows if row.deficit == deficit.title):
            changes = zip(cells(row, ""), row.shown, strict=True)
            body.append(
                (
                    f"{row.sign} ({row.unit})",
                    Cell(row.expected, "text"),
                    _signed(number(row.healthy, row.unit)),
                    *(Cell(_signed(words), "met number" if good else "") for words, good in changes),
                    _signed(number(row.monotony, "1")),
                    Cell(row.source, "text"),
                )
            )
        blocks += [heading(deficit.title.capitalize(), f"{words}; {falls}"), table(head, body)]
    return Section("clinic", "As clinicians know it", blocks)


def _signed(words: str) -> str:
    return minus(words) if words != "-" else shown(None)


def _severity(evaluation: ImpairedStudy) -> Section:
    picture = _picture(evaluation, "severity", "Severity", lambda: compose_severity(evaluation))
    return Section("severity", "Severity", [picture])


def _cohort(evaluation: ImpairedStudy) -> Section:
    picture = _picture(evaluation, "cohort", "Saving against severity", lambda: compose_cohort(evaluation))
    rows = [
        (name.replace("_", " ").replace(".", ", "), figure_value(f), f.unit) for name, f in evaluation.figures.items()
    ]
    return Section("cohort", "Cohort", [picture, table(("figure", "value [95 % interval]", "unit"), rows)])


def _assistance(evaluation: ImpairedStudy) -> Section:
    words = (
        "Unpowered to assisted, or to unpowered after as much practice. Cost per distance in J/kg/m; symmetry indices "
        f"200 |r - l| / (r + l) in %, which are to fall by {SMALLEST_REDUCTION:g} % of themselves; torque: mean of the "
        "affected side over the other, in %. Judged are the joint that the deficit calls for and asymmetries larger "
        "than what healthy people have."
    )
    people = dict.fromkeys([*(p.healthy for p in evaluation.patients), *(p.name for p in evaluation.patients)])
    rows = []
    for name in people:
        for worn in (worn for worn in evaluation.worn(name) if worn in COMPARED):
            torques = (
                evaluation.figure(f"torque_difference_{kind}", name, worn) for kind in ("hip_flexion", "ankle_angle")
            )
            falls = (evaluation.figure("falls", name, each).value for each in (UNPOWERED, worn))
            rows.append(
                [
                    name.replace("_", " "),
                    Cell(TITLES[worn], "text"),
                    _change(evaluation, COST, name, worn, 2),
                    *(_change(evaluation, f"asymmetry_{each}", name, worn, 1) for each in ASYMMETRIES),
                    *(Cell(shown(torque.value, 0), _kind(torque)) for torque in torques),
                    ARROW.join(shown(value, 0) for value in falls),
                ]
            )
    asymmetries = (each.replace("_", " ") for each in ASYMMETRIES)
    head = ("patient", Cell("policy", "text"), "cost", *asymmetries, "hip torque", "ankle torque", "falls")
    return Section("assistance", "What the device does for them", [text(words, faint=True), table(head, rows)])


def _change(evaluation: ImpairedStudy, name: str, patient: str, worn: str, digits: int) -> Cell:
    before, after = (evaluation.figure(name, patient, each).value for each in (UNPOWERED, worn))
    judged = evaluation.figure(f"{name}_change" if name == COST else f"{name}_reduction", patient, worn)
    words = f"{shown(before, digits)}{ARROW}{shown(after, digits)}"
    if name == COST and math.isfinite(judged.value):
        words += f" ({shown(judged.value, 0, True)} %)"
    return Cell(words, _kind(judged))


def _kind(figure: Figure) -> str:
    """CSS class of a number that is judged."""
    return {None: "", True: "met number", False: "missed number"}[figure.met]


def _patient(evaluation: ImpairedStudy, patient: NamedPatient) -> Section:
    name = f"How {patient.title} walks"
    picture = _picture(evaluation, patient.name, name, lambda: compose_patient(evaluation, patient))
    fields = {field: value for field, value in patient.subject.items() if isinstance(value, dict) and value}
    weak = ", ".join(f"{group} {100.0 * value:g} %" for group, value in fields.get("strengths", {}).items())
    others = [f"{f.replace('_', ' ')} of {', '.join(fields[f])}" for f in fields if f not in ("strengths", "weakness")]
    words = "; ".join(part for part in (f"strength left: {weak}" if weak else "", ", ".join(others)) if part) + "."
    return Section(f"patient_{patient.name}", patient.title.capitalize(), [picture, text(words, faint=True)])


def _picture(evaluation: ImpairedStudy, name: str, words: str, compose) -> Block:
    _, element = draw.save(evaluation.folder / FIGURES_FOLDER / name, words, compose)
    return pictures(1, [element])


# --- the figure of one patient


PATIENT_SIZE_IN = (12.0, 6.6)
PATIENT_ANGLES = (
    ("hip_flexion", "Hip angle", "+ flexion (deg)"),
    ("knee_flexion", "Knee angle", "+ flexion (deg)"),
    ("ankle_dorsiflexion", "Ankle angle", "+ dorsiflexion (deg)"),
)
PATIENT_TORQUES = (
    ("exo_torque_hip_Nm_kg", "Hip torque of the device", "+ flexion (Nm/kg)"),
    ("exo_torque_ankle_Nm_kg", "Ankle torque of the device", "+ plantarflexion (Nm/kg)"),
)
#: In their place where nobody wore a device.
WITHOUT_DEVICE = (
    ("ankle_power_W_kg", "Ankle power", "+ generation (W/kg)"),
    ("grf_vertical_BW", "Vertical ground reaction force", "(body weight)"),
)
ASYMMETRY_WORDS = {name: name.replace("_", "\n") for name in ASYMMETRIES}


def compose_patient(evaluation: ImpairedStudy, patient: NamedPatient) -> Drawing:
    """Angles and torques of both legs, asymmetry and cost, before and after."""
    worn = evaluation.worn(patient.name) or [NO_DEVICE]
    assisted = [each for each in worn if each in ASSISTED]
    drawing = Drawing(figsize=PATIENT_SIZE_IN)
    rows = drawing.add_gridspec(2, 1, left=0.06, right=0.985, top=0.80, bottom=0.09, hspace=0.52)
    top = rows[0].subgridspec(1, 3, wspace=0.2)
    for place, (variable, name, unit) in enumerate(PATIENT_ANGLES):
        axes = drawing.add_subplot(top[place])
        _healthy_band(axes, evaluation, patient, variable)
        _both_legs(axes, evaluation, patient, worn, variable, name, unit)
    below = rows[1].subgridspec(1, 4, wspace=0.32, width_ratios=(1.0, 1.0, 0.95, 0.75))
    for place, (variable, name, unit) in enumerate(PATIENT_TORQUES if assisted else WITHOUT_DEVICE):
        axes = drawing.add_subplot(below[place])
        if not assisted:
            _healthy_band(axes, evaluation, patient, variable)
        _both_legs(axes, evaluation, patient, assisted or worn, variable, name, unit)
    _asymmetry(drawing.add_subplot(below[2]), evaluation, patient, worn)
    _patient_cost(drawing.add_subplot(below[3]), evaluation, patient, worn)
    walks = sum(evaluation.figure("walks", patient.name, each).value for each in worn)
    falls = sum(evaluation.figure("falls", patient.name, each).value for each in worn)
    drawing.text(0.06, 0.955, patient.title.capitalize(), fontsize=13, fontweight="bold")
    words = (
        f"{evaluation.speed:g} m/s commanded; {counted(walks, 'walk')} of {evaluation.configuration['duration']:g} s, "
        f"{counted(falls, 'fall')}"
    )
    drawing.text(0.06, 0.922, words, fontsize=9, color=FAINT_INK)
    role = " (affected)" if patient.one_sided else ""
    handles = [
        Line2D([], [], color=INK, ls=LEG_DASHES["affected"], label=f"{SIDE_NAMES[patient.side]} leg{role}"),
        Line2D([], [], color=INK, ls=LEG_DASHES["other"], label=f"{SIDE_NAMES[OTHER[patient.side]]} leg"),
        Patch(color=NORM_BAND, label="healthy self, \N{PLUS-MINUS SIGN} 1 SD"),
        *(Line2D([], [], color=STUDY_COLOURS[each], lw=2.0, label=TITLES[each]) for each in worn),
    ]
    drawing.legend(
        handles=handles,
        fontsize=8.5,
        ncols=len(handles),
        loc="upper left",
        bbox_to_anchor=(0.053, 0.905),
        handlelength=2.4,
        columnspacing=1.6,
    )
    return drawing


def _healthy_band(axes: Axes, evaluation: ImpairedStudy, patient: NamedPatient, variable: str) -> None:
    band = evaluation.curve(patient.healthy, NO_DEVICE, variable, patient.side)
    if band is not None:
        axes.fill_between(PHASE_PERCENT, band.mean - band.sd, band.mean + band.sd, color=NORM_BAND, lw=0)
        axes.plot(PHASE_PERCENT, band.mean, color="#BBBBBB", lw=0.8)


def _both_legs(axes: Axes, evaluation: ImpairedStudy, patient: NamedPatient, worn: Sequence[str], variable: str,
               name: str, unit: str) -> None:  # fmt: skip
    axes.set_title(name)
    axes.set_xlabel(STRIDE_LABEL)
    axes.set_ylabel(unit)
    axes.set_xlim(0, 100)
    axes.axhline(0.0, color=NORM_LINE, lw=0.7)
    drawn = False
    for each in worn:
        for leg, side in (("other", OTHER[patient.side]), ("affected", patient.side)):
            curve = evaluation.curve(patient.name, each, variable, side)
            if curve is not None:
                wide = 1.9 if leg == "affected" else 1.3
                axes.plot(PHASE_PERCENT, curve.mean, color=STUDY_COLOURS[each], ls=LEG_DASHES[leg], lw=wide)
                drawn = True
    if not drawn:  # somebody else's curve tells that it is driven
        is_driven = variable in evaluation.curves.variables
        draw.words(axes, "no full stride" if is_driven else "not driven by this device")


def _asymmetry(axes: Axes, evaluation: ImpairedStudy, patient: NamedPatient, worn: Sequence[str]) -> None:
    axes.set_title("Asymmetry")
    axes.set_ylabel("symmetry index (%)")
    width, highest = 0.8 / len(worn), 0.0
    figures = {(e, n): evaluation.figure(f"asymmetry_{n}", patient.name, e) for e in worn for n in ASYMMETRIES}
    tallest = max((f.value for f in figures.values() if math.isfinite(f.value)), default=0.0)
    for (each, name), figure in figures.items():
        if not math.isfinite(figure.value):
            continue
        x = list(ASYMMETRIES).index(name) - 0.4 + width * (worn.index(each) + 0.5)
        axes.bar(x, figure.value, width * 0.9, color=STUDY_COLOURS[each])
        # an interval may be wider than all bars are tall
        top = min(draw.error_bar(axes, x, figure), max(2.0 * figure.value, tallest))
        highest = max(highest, top)
        reduction = evaluation.figure(f"asymmetry_{name}_reduction", patient.name, each)
        if math.isfinite(reduction.value) and reduction.target is not None:
            draw.percent_above(axes, x, top, -reduction.value, STUDY_COLOURS[each], size=7.5, turn=90)
    axes.set_xticks(range(len(ASYMMETRIES)), [ASYMMETRY_WORDS[name] for name in ASYMMETRIES])
    axes.set_xlim(-0.5, len(ASYMMETRIES) - 0.5)
    axes.set_ylim(0.0, 1.3 * max(highest, LEAST_ASYMMETRY))
    axes.axhline(LEAST_ASYMMETRY, color=NORM_LINE, lw=0.8, ls=(0, (2, 2)))


def _patient_cost(axes: Axes, evaluation: ImpairedStudy, patient: NamedPatient, worn: Sequence[str]) -> None:
    axes.set_title("Cost per distance")
    axes.set_ylabel("gross (J/kg/m)")
    first = UNPOWERED if worn[0] == UNPOWERED else NO_DEVICE
    bars = [(HEALTHY, patient.healthy, first), *((each, patient.name, each) for each in worn)]
    highest = 0.0
    for x, (key, person, each) in enumerate(bars):
        figure = evaluation.figure(COST, person, each)
        if not math.isfinite(figure.value):
            axes.text(x, 0.0, "no stride", ha="center", va="bottom", fontsize=8, color=NORM_LINE)
            continue
        axes.bar(x, figure.value, 0.75, color=STUDY_COLOURS[key])
        highest = max(highest, draw.error_bar(axes, x, figure))
        change = evaluation.figure(f"{COST}_change", person, each)
        if math.isfinite(change.value):
            draw.percent_above(axes, x, max(figure.value, highest), change.value, STUDY_COLOURS[key])
    axes.set_xticks(range(len(bars)), [SHORT[key] for key, _, _ in bars], fontsize=7.5, rotation=30)
    axes.set_xlim(-0.6, len(bars) - 0.4)
    axes.set_ylim(0.0, 1.2 * highest or 1.0)


# --- the figure of severity


COLUMN_IN, SEVERITY_HEIGHT_IN = 2.45, 5.6
SIGN_COLOUR, COST_COLOUR = STUDY_COLOURS[UNPOWERED], STUDY_COLOURS[LEARNED]
#: Letters of a sign's title in a line.
WRAP = 34


def compose_severity(evaluation: ImpairedStudy) -> Drawing:
    """The leading sign of each deficit, and below it the cost per distance, against the strength that is left."""
    deficits = evaluation.deficits
    drawing = Drawing(figsize=(COLUMN_IN * max(len(deficits), 2), SEVERITY_HEIGHT_IN))
    grid = drawing.add_gridspec(
        2, len(deficits), left=0.065, right=0.99, top=0.80, bottom=0.1, hspace=0.40, wspace=0.42
    )
    costs = {
        deficit.name: {
            strength: evaluation.figure(COST, HEALTHY if strength == 1.0 else series_name(deficit, strength))
            for strength in WALKED_STRENGTHS
        }
        for deficit in deficits
    }
    known = [f.value for series in costs.values() for f in series.values() if math.isfinite(f.value)]
    for column, deficit in enumerate(deficits):
        _sign(drawing.add_subplot(grid[0, column]), evaluation, deficit)
        axes = drawing.add_subplot(grid[1, column])
        axes.set_xlabel("strength left (%)")
        if column == 0:
            axes.set_ylabel("cost (J/kg/m)")
        if known:
            axes.set_ylim(0.94 * min(known), 1.06 * max(known))
        _over_strength(axes, costs[deficit.name], COST_COLOUR)
    drawing.text(0.065, 0.955, "Severity", fontsize=13, fontweight="bold")
    words = (
        "above: change of the leading sign against the healthy run, dashed where it begins to count; below: metabolic "
        "cost per distance. Mean and 95 % interval over walks."
    )
    drawing.text(0.065, 0.925, words, fontsize=9, color=FAINT_INK)
    return drawing


def leading_sign(evaluation: ImpairedStudy, deficit: Deficit) -> Sign:
    """Of the leading finding's signs the one that shows most, in multiples of what counts."""

    def strength(sign: Sign) -> float:
        changes = [evaluation.figure(f"{sign.name}_change", series_name(deficit, s)) for s in WALKED_STRENGTHS[1:]]
        sizes = [sign.towards * c.value / sign.least for c in changes if math.isfinite(c.value)]
        return max(sizes, default=-math.inf) + (1000.0 if any(shows(c, sign) for c in changes) else 0.0)

    return max(deficit.findings[0].signs, key=strength)


def _sign(axes: Axes, evaluation: ImpairedStudy, deficit: Deficit) -> None:
    sign = leading_sign(evaluation, deficit)
    seen = evaluation.of_deficit(SHOWN, deficit.name).value
    axes.set_title(deficit.title.capitalize(), fontsize=9.5, pad=26)
    words = "\n".join(textwrap.wrap(sign.title, WRAP))
    axes.text(0.0, 1.03, words, transform=axes.transAxes, fontsize=7.5, color=FAINT_INK, va="bottom")
    axes.set_ylabel(f"change ({sign.unit})")
    axes.axhline(0.0, color=NORM_LINE, lw=0.7)
    axes.axhline(sign.towards * sign.least, color=NORM_LINE, lw=0.8, ls=(0, (4, 3)))
    series = {1.0: Figure("none", 0.0, sign.unit)}
    series |= {s: evaluation.figure(f"{sign.name}_change", series_name(deficit, s)) for s in WALKED_STRENGTHS[1:]}
    if _over_strength(axes, series, SIGN_COLOUR) == 1:
        draw.words(axes, "nobody walked")
    words = "as in the clinic" if seen else "not as in the clinic"
    axes.set_xlabel(words, fontsize=8.5, fontweight="bold", color=MET if seen else MISSED)


def _over_strength(axes: Axes, series: Mapping[float, Figure], colour: str) -> int:
    """Draws figures by strength left; returns how many are known."""
    known = {100.0 * strength: figure for strength, figure in series.items() if math.isfinite(figure.value)}
    for x, figure in known.items():
        draw.error_bar(axes, x, figure)
    axes.plot(list(known), [figure.value for figure in known.values()], color=colour, marker="o", ms=4.5)
    axes.set_xlim(105, 5)
    axes.set_xticks([100.0 * strength for strength in WALKED_STRENGTHS])
    return len(known)


# --- the figure of a cohort


COHORT_SIZE_IN = (5.6, 4.6)
ONE_SIDED, BOTH_SIDED = STUDY_COLOURS[UNPOWERED], STUDY_COLOURS[LEARNED]


def compose_cohort(evaluation: ImpairedStudy) -> Drawing:
    """Saving against severity, a dot a patient, one panel a device."""
    width, height = COHORT_SIZE_IN
    drawing = Drawing(figsize=(max(width * len(evaluation.devices), 1.4 * width), height))
    grid = drawing.add_gridspec(1, len(evaluation.devices), left=0.09, right=0.98, top=0.80, bottom=0.12, wspace=0.2)
    axes = None
    for place, device in enumerate(evaluation.devices):
        axes = drawing.add_subplot(grid[place], sharey=axes)
        _saving(axes, [row for row in evaluation.cohort if str(row["device"]) == device], Path(device).stem)
    drawing.text(0.09, 0.94, "Saving against severity", fontsize=13, fontweight="bold")
    words = (
        f"random patients at {evaluation.speed:g} m/s; band: 95 % interval of the trend; crosses at the edge fell in "
        "one of the two walks"
    )
    drawing.text(0.09, 0.895, words, fontsize=9, color=FAINT_INK)
    return drawing


def _saving(axes: Axes, rows: list[dict], device: str) -> None:
    upright = whole(rows)
    fallen = [row for row in rows if row["fell_unpowered"] or row["fell_learned"]]
    axes.set_title(
        f"{device.replace('_', ' ')}: {len(rows)} patients, {len(upright)} are in the trend, {len(fallen)} fell"
    )
    axes.set_xlabel("muscle force of both legs that is missing (%)")
    axes.set_ylabel("saved against unpowered (%)")
    axes.axhline(0.0, color=NORM_LINE, lw=0.8)
    if not upright:
        draw.words(axes, "nobody walked to the end")
        return
    lost = 100.0 * np.array([row["severity"] for row in upright])
    saving = np.array([row["saving_percent"] for row in upright])
    colours = [ONE_SIDED if _one_sided(row) else BOTH_SIDED for row in upright]
    axes.scatter(lost, saving, s=22, c=colours, alpha=0.8, lw=0)
    if len(upright) >= FEWEST_FOR_TREND and np.ptp(lost) > 0.0:
        _trend(axes, lost, saving)
    fell = [100.0 * row["severity"] for row in fallen]
    low, high = axes.get_ylim()
    axes.scatter(fell, [low] * len(fell), marker="x", s=20, color=NORM_LINE, clip_on=False, zorder=5)
    axes.set_ylim(low, high)
    handles = [
        Line2D([], [], ls="", marker="o", color=ONE_SIDED, label="one side weak"),
        Line2D([], [], ls="", marker="o", color=BOTH_SIDED, label="both sides weak"),
    ]
    axes.legend(handles=handles, fontsize=8, loc="best")


def _trend(axes: Axes, lost: np.ndarray, saving: np.ndarray) -> None:
    """Line of least squares with the 95 % interval of its mean."""
    trend = stats.linregress(lost, saving)
    x = np.linspace(lost.min(), lost.max(), 60)
    line = trend.intercept + trend.slope * x
    residual = saving - trend.intercept - trend.slope * lost
    spread = math.sqrt(float(residual @ residual) / (len(lost) - 2))
    from_mean = (x - lost.mean()) ** 2 / ((lost - lost.mean()) ** 2).sum()
    half = stats.t.ppf(0.975, len(lost) - 2) * spread * np.sqrt(1.0 / len(lost) + from_mean)
    axes.fill_between(x, line - half, line + half, color=INK, alpha=0.12, lw=0)
    axes.plot(x, line, color=INK, lw=1.2)


def _one_sided(row: dict) -> bool:
    return len({name[-1] for name, value in row.items() if name.startswith("strength_") and value < 1.0}) < 2
