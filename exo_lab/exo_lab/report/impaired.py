# SPDX-License-Identifier: Apache-2.0
"""The report of `exo evaluate impaired`: the clinic, severity, what a device does for patients, cohorts."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from scipy import stats

from exo_core.errors import UserError
from exo_lab.conditions import LEARNED, NO_DEVICE, PERSONALISED, PRACTISED, UNPOWERED
from exo_lab.evaluate.clinical import (
    AS_IN_THE_CLINIC,
    FEWEST_SHOWN,
    FEWEST_WALKS,
    LEVELS,
    NOT_AS_IN_THE_CLINIC,
    can_tell,
    clinical_rows,
    falls_words,
    is_shown,
    number,
    series_key,
    shows,
    verdict,
)
from exo_lab.evaluate.cohort import COHORT_FILE, FEWEST_FOR_TREND, read_cohort, whole
from exo_lab.evaluate.deficits import OTHER_SIDE, Deficit, Sign, load_deficits
from exo_lab.evaluate.figures import at
from exo_lab.evaluate.impaired import COMMAND
from exo_lab.evaluate.patient_measures import ASSISTED, ASYMMETRIES, COMPARED, COST, LEAST_ASYMMETRY, SMALLEST_REDUCTION
from exo_lab.evaluate.patients import HEALTHY, WALKED_STRENGTHS
from exo_lab.report import figures as draw
from exo_lab.report.catalogue import ANGLES, DEVICE_TORQUES, FORCES, POWERS, Variable
from exo_lab.report.figures import Bar, Line, Points
from exo_lab.report.page import Block, Cell, Section, figure_value, heading, pictures, table, text
from exo_lab.report.study import NOTHING, Study, everything, load_study, words_of, write_study
from exo_lab.report.style import (
    FAINT_INK,
    INK,
    MET,
    MISSED,
    NORM_BAND,
    NORM_LINE,
    SIDE_NAMES,
    STUDY_COLOURS,
    STUDY_TITLES,
    counted,
    minus,
    shown,
)
from exo_sim.gait.curves import Curve
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
#: Of those who are in no mean: a foot that drags in every swing makes no stride either.
OTHERS = "the others fell or made no clean stride"
#: Solid for the affected leg.
DASHES: dict[str, str | tuple] = {"affected": "-", "other": (0, (4, 2))}
ARROW = " \N{RIGHTWARDS ARROW} "
VERDICT_COLOURS = {AS_IN_THE_CLINIC: MET, NOT_AS_IN_THE_CLINIC: MISSED}
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
    """A folder that `exo evaluate impaired` wrote."""

    @cached_property
    def cohort(self) -> Sequence[dict[str, Any]]:
        """A row a patient of the cohort; empty where there was none. Raises UserError for a damaged file."""
        file = self.folder / COHORT_FILE
        try:
            return read_cohort(file) if self.configuration.get("cohort") else []
        except OSError as error:
            raise UserError(f"{file} cannot be read: {error.strerror or error}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{file} is damaged: {error}") from error

    @property
    def speed(self) -> float:
        """Commanded speed (m/s)."""
        return float(self.configuration["speed"])

    @cached_property
    def patients(self) -> list[NamedPatient]:
        """Named patients, in the order of the evaluation's figures."""
        known = [NamedPatient(name, **fields) for name, fields in self.configuration["patients"].items()]
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

    def changes(self, sign: Sign, deficit: Deficit) -> dict[float, Figure]:
        """Change of a sign against the healthy run by the strength that is left."""
        name = f"{sign.name}_change"
        return {s: self.figures.get(at(name, series_key(deficit, s), self.speed), NOTHING) for s in LEVELS}

    def curve(self, patient: str, worn: str, variable: str, side: str) -> Curve | None:
        """Mean and SD over strides of all walks in a condition, or None."""
        return self.curve_of(strides_key(patient, worn), variable, side, self.speed)


def load_impaired_study(folder: str | Path) -> ImpairedStudy:
    """Reads a folder of `exo evaluate impaired`.

    Raises:
        UserError: not such a folder, or a damaged file.
        GaitError: damaged curves.
    """
    keys = ("speed", "patients", "deficits", "policies")
    study = load_study(ImpairedStudy, folder, COMMAND, keys, has_curves=lambda c: not c.get("cohort"))
    study.cohort  # noqa: B018 - a damaged file is told of now
    return study


def write_page_of(folder: str | Path) -> Path:
    """Write report.html and its figures into the folder of an evaluation; returns the page's path.

    Raises:
        UserError: not such a folder, a damaged file, or it cannot be written.
        GaitError: damaged curves.
    """
    study = load_impaired_study(folder)
    sections = []
    try:
        if study.deficits:
            severity = _picture(study, "severity", "Severity", partial(compose_severity, study))
            sections += [_clinic(study), Section("severity", "Severity", [severity])]
        if study.cohort:
            sections.append(_cohort(study))
        if any(study.worn(patient.name) for patient in study.patients):
            sections.append(_assistance(study))
        sections += [_patient(study, patient) for patient in study.patients]
    except OSError as error:
        raise UserError(f"cannot write into {folder}: {error.strerror}") from error
    sections.append(everything(study))
    words = command_words(study)
    return write_study(
        study, "impaired gait", "How patients walk", subtitle(study), headline(study), [], sections, words
    )


def subtitle(study: ImpairedStudy) -> str:
    """What was measured, in a line."""
    configuration = study.configuration
    policies = len(configuration["policies"])
    walks = (
        f"{configuration['cohort']} random patients"
        if study.cohort
        else f"{counted(configuration['seeds'], 'walk')} a person and condition"
    )
    devices = f"{policies} trained {'policy' if policies == 1 else 'policies'}" if policies else "no device"
    return f"{study.speed:g} m/s, {walks}, {configuration['duration']:g} s each; {devices}"


def headline(study: ImpairedStudy) -> str:
    """The result in a sentence or two."""
    parts = []
    seen = [d for d in study.deficits if is_shown(study.figures, d, study.speed)]
    open_ones = [d for d in study.deficits if d not in seen and not can_tell(study.figures, d, study.speed)]
    if seen or (study.deficits and not open_ones):
        which = f" ({', '.join(d.title for d in seen)})" if seen else ""
        parts.append(f"{len(seen)} of {len(study.deficits)} deficits look as in the clinic{which}.")
    if open_ones:
        walks = counted(study.configuration["seeds"], "walk")
        parts.append(
            f"{walks} a person are too few to tell whether {counted(len(open_ones), 'deficit')} look as in the clinic; "
            f"take at least {FEWEST_WALKS}."
        )
    for device in study.devices:
        name = Path(device).stem
        saving = study.figures.get(f"cohort_saving.{name}", NOTHING)
        if math.isfinite(saving.value):
            span = f" ({shown(saving.low, 1)} to {shown(saving.high, 1)} %)" if saving.interval else ""
            walked, people = (
                study.figures[f"cohort_{each}.{name}"].value for each in ("walked_to_the_end", "patients")
            )
            rest = f"; {OTHERS}." if walked < people else "."
            parts.append(
                f"{name} saves {shown(saving.value, 1)} %{span} in {walked:.0f} of {people:.0f} patients{rest}"
            )
    parts += [_cost_words(study, worn) for worn in ASSISTED]
    if study.judged:
        parts.append(f"{study.targets_met} targets are met.")
    return " ".join(filter(None, parts))


def _cost_words(study: ImpairedStudy, worn: str) -> str:
    """What a policy changes of the cost, over patients; nothing where nobody wore it."""
    wearers = [patient for patient in study.patients if worn in study.worn(patient.name)]
    changes = [study.figure(f"{COST}_change", patient.name, worn).value for patient in wearers]
    known = [change for change in changes if math.isfinite(change)]
    if not known:
        return ""
    span = " to ".join(dict.fromkeys(shown(end, 0, True) for end in (max(known), min(known))))
    rest = "." if len(known) == len(wearers) else f"; {OTHERS}."
    return (
        f"The {TITLES[worn]} changes the cost per distance by {span} % against unpowered in {len(known)} of "
        f"{len(wearers)} patients{rest}"
    )


def command_words(study: ImpairedStudy) -> list[str]:
    """The command that measures the same again."""
    configuration, words = study.configuration, COMMAND.split()
    for option in ("exo", "personalised"):
        words += [f"--{option}", *configuration[option]] if configuration.get(option) else []
    if not study.cohort:
        people = [f"patients/{name}.yaml" for name in configuration["patients"]]
        words += ["--patients", *(people or ["none"]), "--deficits", *(configuration["deficits"] or ["none"])]
    return words + words_of({k: v for k, v in configuration.items() if v != 0}, OPTIONS)


# --- tables


def _clinic(study: ImpairedStudy) -> Section:
    words = (
        "Change of each sign against the healthy run of the same person, at the strength that is left of the weak muscle "
        "groups. In colour: in the direction that the literature reports, larger than the smallest change that counts, "
        "and beyond chance (95 % interval over walks). Monotony: Kendall's correlation with severity, 1 where the sign "
        "grows at every step. A deficit looks as in the clinic when its first finding and half of its findings show at "
        f"50 % or less of the strength; the target is {FEWEST_SHOWN} of five. With fewer than {FEWEST_WALKS} walks a "
        "person, what does not show may be there all the same."
    )
    levels = [f"{100 * level:g} %" for level in LEVELS]
    head = ("sign", Cell("expected", "text"), "healthy", *levels, "monotony", Cell("source", "text"))
    blocks, rows = [text(words, faint=True)], clinical_rows(study.figures, study.deficits, study.speed)
    for deficit in study.deficits:
        body = []
        for row in (row for row in rows if row.deficit == deficit.title):
            changes = zip(row.cells, row.shown, strict=True)
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
        small = f"{verdict(study.figures, deficit, study.speed)}; {falls_words(study.figures, deficit, study.speed)}"
        blocks += [heading(deficit.title.capitalize(), small), table(head, body)]
    return Section("clinic", "As clinicians know it", blocks)


def _signed(words: str) -> str:
    return minus(words) if words != "-" else shown(None)


def _cohort(study: ImpairedStudy) -> Section:
    picture = _picture(study, "cohort", "Saving against severity", partial(compose_cohort, study))
    rows = [(name.replace("_", " ").replace(".", ", "), figure_value(f), f.unit) for name, f in study.figures.items()]
    return Section("cohort", "Cohort", [picture, table(("figure", "value [95 % interval]", "unit"), rows)])


def _assistance(study: ImpairedStudy) -> Section:
    words = (
        "Unpowered to assisted, or to unpowered after as much practice. Cost per distance in J/kg/m; symmetry indices "
        f"200 |r - l| / (r + l) in %, which are to fall by {SMALLEST_REDUCTION:g} % of themselves; torque: mean of the "
        "affected side over the other, in %. Judged are the joint that the deficit calls for and asymmetries larger "
        "than what healthy people have."
    )
    people = dict.fromkeys([*(p.healthy for p in study.patients), *(p.name for p in study.patients)])
    rows = []
    for name in people:
        for worn in (worn for worn in study.worn(name) if worn in COMPARED):
            torques = (study.figure(f"torque_difference_{kind}", name, worn) for kind in ("hip_flexion", "ankle_angle"))
            falls = (study.figure("falls", name, each).value for each in (UNPOWERED, worn))
            rows.append(
                [
                    name.replace("_", " "),
                    Cell(TITLES[worn], "text"),
                    _change(study, COST, name, worn, 2),
                    *(_change(study, f"asymmetry_{each}", name, worn, 1) for each in ASYMMETRIES),
                    *(Cell(shown(torque.value, 0), _kind(torque)) for torque in torques),
                    ARROW.join(shown(value, 0) for value in falls),
                ]
            )
    asymmetries = (each.replace("_", " ") for each in ASYMMETRIES)
    head = ("patient", Cell("policy", "text"), "cost", *asymmetries, "hip torque", "ankle torque", "falls")
    return Section("assistance", "What the device does for them", [text(words, faint=True), table(head, rows)])


def _change(study: ImpairedStudy, name: str, patient: str, worn: str, digits: int) -> Cell:
    before, after = (study.figure(name, patient, each).value for each in (UNPOWERED, worn))
    judged = study.figure(f"{name}_change" if name == COST else f"{name}_reduction", patient, worn)
    words = f"{shown(before, digits)}{ARROW}{shown(after, digits)}"
    if name == COST and math.isfinite(judged.value):
        words += f" ({shown(judged.value, 0, True)} %)"
    return Cell(words, _kind(judged))


def _kind(figure: Figure) -> str:
    """CSS class of a number that is judged."""
    return {None: "", True: "met number", False: "missed number"}[figure.met]


def _patient(study: ImpairedStudy, patient: NamedPatient) -> Section:
    picture = _picture(study, patient.name, f"How {patient.title} walks", partial(compose_patient, study, patient))
    fields = {field: value for field, value in patient.subject.items() if isinstance(value, dict) and value}
    weak = ", ".join(f"{group} {100.0 * value:g} %" for group, value in fields.pop("strengths", {}).items())
    others = [f"{f.replace('_', ' ')} of {', '.join(fields[f])}" for f in fields if f != "weakness"]
    words = "; ".join(part for part in (f"strength left: {weak}" if weak else "", ", ".join(others)) if part) + "."
    return Section(f"patient_{patient.name}", patient.title.capitalize(), [picture, text(words, faint=True)])


def _picture(study: ImpairedStudy, name: str, words: str, compose: draw.Compose) -> Block:
    return pictures(1, [draw.save(study.folder / FIGURES_FOLDER / name, words, compose)])


# --- the figure of one patient

PATIENT_SIZE_IN = (12.0, 6.6)
TORQUES = (DEVICE_TORQUES[0], DEVICE_TORQUES[2])
#: In their place where nobody wore a device.
WITHOUT_DEVICE = (POWERS[2], FORCES[0])


def compose_patient(study: ImpairedStudy, patient: NamedPatient) -> Drawing:
    """Angles and torques of both legs, asymmetry and cost, before and after."""
    worn = study.worn(patient.name) or [NO_DEVICE]
    assisted = [each for each in worn if each in ASSISTED]
    walks, falls = (sum(study.figure(n, patient.name, each).value for each in worn) for n in ("walks", "falls"))
    words = (
        f"{study.speed:g} m/s commanded; {counted(walks, 'walk')} of {study.configuration['duration']:g} s, "
        f"{counted(falls, 'fall')}"
    )
    drawing = draw.sheet(PATIENT_SIZE_IN, patient.title.capitalize(), words)
    rows = drawing.add_gridspec(2, 1, left=0.06, right=0.985, top=0.80, bottom=0.09, hspace=0.52)
    top = rows[0].subgridspec(1, 3, wspace=0.2)
    for place, variable in enumerate(ANGLES[:3]):
        _both_legs(drawing.add_subplot(top[place]), study, patient, worn, variable, healthy=True)
    below = rows[1].subgridspec(1, 4, wspace=0.32, width_ratios=(1.0, 1.0, 0.95, 0.75))
    for place, variable in enumerate(TORQUES if assisted else WITHOUT_DEVICE):
        axes = drawing.add_subplot(below[place])
        _both_legs(axes, study, patient, assisted or worn, variable, healthy=not assisted)
    _asymmetry(drawing.add_subplot(below[2]), study, patient, worn)
    _patient_cost(drawing.add_subplot(below[3]), study, patient, worn)
    role = " (affected)" if patient.one_sided else ""
    handles = [
        draw.line_entry(INK, f"{SIDE_NAMES[patient.side]} leg{role}", DASHES["affected"]),
        draw.line_entry(INK, f"{SIDE_NAMES[OTHER_SIDE[patient.side]]} leg", DASHES["other"]),
        draw.band_entry(NORM_BAND, "healthy self, \N{PLUS-MINUS SIGN} 1 SD"),
        *(draw.line_entry(STUDY_COLOURS[each], TITLES[each], width=2.0) for each in worn),
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


def _both_legs(
    axes: Axes, study: ImpairedStudy, patient: NamedPatient, worn: Sequence[str], variable: Variable, healthy: bool
) -> None:
    axes.set_title(variable.title)
    axes.set_ylabel(variable.unit)
    lines = []
    for each in worn:
        for leg, side in (("other", OTHER_SIDE[patient.side]), ("affected", patient.side)):
            curve = study.curve(patient.name, each, variable.name, side)
            if curve is not None:
                wide = 1.9 if leg == "affected" else 1.3
                lines.append(Line(curve.phase_percent, curve.mean, None, STUDY_COLOURS[each], DASHES[leg], wide))
    band = study.curve(patient.healthy, NO_DEVICE, variable.name, patient.side) if healthy else None
    # somebody else's curve tells that it is driven
    empty = "no full stride" if variable.name in study.curves.variables else "not driven by this device"
    draw.draw_stride(axes, lines, band, draw.curve_range(lines, [band]), empty)


def _asymmetry(axes: Axes, study: ImpairedStudy, patient: NamedPatient, worn: Sequence[str]) -> None:
    axes.set_title("Asymmetry")
    axes.set_ylabel("symmetry index (%)")
    bars = []
    for name in ASYMMETRIES:
        for each in worn:
            f = study.figure(f"asymmetry_{name}", patient.name, each)
            reduction = study.figure(f"asymmetry_{name}_reduction", patient.name, each)
            words = draw.percent(-reduction.value) if reduction.target is not None else ""
            bars.append(Bar(name.replace("_", "\n"), f.value, STUDY_COLOURS[each], f.low, f.high, words))
    tallest = max((bar.value for bar in bars if math.isfinite(bar.value)), default=0.0)
    highest = draw.draw_bars(axes, bars, share=0.8, size=7.5, bold=True, turn=90, most_interval=tallest, empty="")
    axes.set_ylim(0.0, 1.3 * max(highest, LEAST_ASYMMETRY))
    axes.axhline(LEAST_ASYMMETRY, color=NORM_LINE, lw=0.8, ls=(0, (2, 2)))


def _patient_cost(axes: Axes, study: ImpairedStudy, patient: NamedPatient, worn: Sequence[str]) -> None:
    axes.set_title("Cost per distance")
    axes.set_ylabel("gross (J/kg/m)")
    first = UNPOWERED if worn[0] == UNPOWERED else NO_DEVICE
    bars = []
    for key, person, each in ((HEALTHY, patient.healthy, first), *((each, patient.name, each) for each in worn)):
        f = study.figure(COST, person, each)
        words = draw.percent(study.figure(f"{COST}_change", person, each).value)
        bars.append(Bar(SHORT[key], f.value, STUDY_COLOURS[key], f.low, f.high, words))
    highest = draw.draw_bars(axes, bars, share=0.8, size=7.5, bold=True, gap="no stride", empty="")
    axes.tick_params(axis="x", labelsize=7.5, labelrotation=30)
    axes.set_ylim(0.0, 1.2 * highest or 1.0)


# --- the figure of severity

COLUMN_IN, SEVERITY_HEIGHT_IN = 2.45, 5.6
SIGN_COLOUR, COST_COLOUR = STUDY_COLOURS[UNPOWERED], STUDY_COLOURS[LEARNED]
#: Letters of a sign's title in a line.
WRAP = 34


def compose_severity(study: ImpairedStudy) -> Drawing:
    """The leading sign of each deficit, and below it the cost per distance, against the strength that is left."""
    deficits = study.deficits
    words = (
        "above: change of the leading sign against the healthy run, dashed where it begins to count; below: metabolic "
        "cost per distance. Mean and 95 % interval over walks."
    )
    drawing = draw.sheet((COLUMN_IN * max(len(deficits), 2), SEVERITY_HEIGHT_IN), "Severity", words, x=0.065)
    grid = drawing.add_gridspec(
        2, len(deficits), left=0.065, right=0.99, top=0.80, bottom=0.1, hspace=0.40, wspace=0.42
    )
    costs = [{s: study.figures.get(at(COST, series_key(d, s), study.speed), NOTHING) for s in WALKED_STRENGTHS}
             for d in deficits]  # fmt: skip
    known = [f.value for series in costs for f in series.values() if math.isfinite(f.value)]
    for column, deficit in enumerate(deficits):
        _sign(drawing.add_subplot(grid[0, column]), study, deficit)
        axes = drawing.add_subplot(grid[1, column])
        axes.set_xlabel("strength left (%)")
        if column == 0:
            axes.set_ylabel("cost (J/kg/m)")
        if known:
            axes.set_ylim(0.94 * min(known), 1.06 * max(known))
        _over_strength(axes, costs[column], COST_COLOUR)
    return drawing


def leading_sign(study: ImpairedStudy, deficit: Deficit) -> Sign:
    """Of the leading finding's signs the one that shows most, in multiples of what counts."""

    def strength(sign: Sign) -> tuple[bool, float]:
        changes = study.changes(sign, deficit).values()
        sizes = [sign.towards * c.value / sign.least for c in changes if math.isfinite(c.value)]
        return any(shows(change, sign) for change in changes), max(sizes, default=-math.inf)

    return max(deficit.findings[0].signs, key=strength)


def _sign(axes: Axes, study: ImpairedStudy, deficit: Deficit) -> None:
    sign = leading_sign(study, deficit)
    axes.set_title(deficit.title.capitalize(), fontsize=9.5, pad=26)
    words = "\n".join(textwrap.wrap(sign.title, WRAP))
    axes.text(0.0, 1.03, words, transform=axes.transAxes, fontsize=7.5, color=FAINT_INK, va="bottom")
    axes.set_ylabel(f"change ({sign.unit})")
    axes.axhline(0.0, color=NORM_LINE, lw=0.7)
    axes.axhline(sign.towards * sign.least, color=NORM_LINE, lw=0.8, ls=(0, (4, 3)))
    series = {1.0: Figure("none", 0.0, sign.unit), **study.changes(sign, deficit)}
    if _over_strength(axes, series, SIGN_COLOUR) == 1:
        draw.words(axes, "nobody walked")
    seen = verdict(study.figures, deficit, study.speed)
    axes.set_xlabel(seen, fontsize=8.5, fontweight="bold", color=VERDICT_COLOURS.get(seen, FAINT_INK))


def _over_strength(axes: Axes, series: Mapping[float, Figure], colour: str) -> int:
    """Draws figures by strength left; returns how many are known."""
    known = {100.0 * strength: figure for strength, figure in series.items() if math.isfinite(figure.value)}
    values, intervals = [f.value for f in known.values()], [(f.low, f.high) for f in known.values()]
    draw.draw_points(axes, Points(np.array(list(known)), np.array(values), colour, np.reshape(intervals, (-1, 2))))
    axes.set_xlim(105, 5)
    axes.set_xticks([100.0 * strength for strength in WALKED_STRENGTHS])
    return len(known)


# --- the figure of a cohort

COHORT_SIZE_IN = (5.6, 4.6)
ONE_SIDED, BOTH_SIDED = STUDY_COLOURS[UNPOWERED], STUDY_COLOURS[LEARNED]


def compose_cohort(study: ImpairedStudy) -> Drawing:
    """Saving against severity, a dot a patient, one panel a device."""
    width, height = COHORT_SIZE_IN
    words = (
        f"random patients at {study.speed:g} m/s; band: 95 % interval of the trend; crosses at the edge fell in one of "
        "the two walks"
    )
    size = (max(width * len(study.devices), 1.4 * width), height)
    drawing = draw.sheet(size, "Saving against severity", words, x=0.09)
    grid = drawing.add_gridspec(1, len(study.devices), left=0.09, right=0.98, top=0.80, bottom=0.12, wspace=0.2)
    axes = None
    for place, device in enumerate(study.devices):
        axes = drawing.add_subplot(grid[place], sharey=axes)
        _saving(axes, [row for row in study.cohort if str(row["device"]) == device], Path(device).stem)
    return drawing


def _saving(axes: Axes, rows: list[dict], device: str) -> None:
    upright = whole(rows)
    fell = [100.0 * row["severity"] for row in rows if row["fell_unpowered"] or row["fell_learned"]]
    counts = f"{len(rows)} patients, {len(upright)} are in the trend, {len(fell)} fell"
    axes.set_title(f"{device.replace('_', ' ')}: {counts}")
    axes.set_xlabel("muscle force of both legs that is missing (%)")
    axes.set_ylabel("saved against unpowered (%)")
    axes.axhline(0.0, color=NORM_LINE, lw=0.8)
    if not upright:
        draw.words(axes, "nobody walked to the end")
        return
    lost = 100.0 * np.array([row["severity"] for row in upright])
    saving = np.array([row["saving_percent"] for row in upright])
    axes.scatter(lost, saving, s=22, c=[_colour(row) for row in upright], alpha=0.8, lw=0)
    if len(upright) >= FEWEST_FOR_TREND and np.ptp(lost) > 0.0:
        _trend(axes, lost, saving)
    low, high = axes.get_ylim()
    axes.scatter(fell, [low] * len(fell), marker="x", s=20, color=NORM_LINE, clip_on=False, zorder=5)
    axes.set_ylim(low, high)
    entries = [draw.dot_entry(ONE_SIDED, "one side weak"), draw.dot_entry(BOTH_SIDED, "both sides weak")]
    axes.legend(handles=entries, fontsize=8, loc="best")


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


def _colour(row: Mapping[str, Any]) -> str:
    sides = {name[-1] for name, value in row.items() if name.startswith("strength_") and value < 1.0}
    return ONE_SIDED if len(sides) < 2 else BOTH_SIDED
