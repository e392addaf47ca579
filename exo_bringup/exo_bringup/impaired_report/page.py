# SPDX-License-Identifier: Apache-2.0
"""Writes the report of an evaluation of patients: report.html, and every figure beside it as SVG and PNG."""

from __future__ import annotations

import math
import shlex
from functools import partial
from html import escape
from pathlib import Path

from exo_bringup.errors import BringupError
from exo_bringup.html_report.page import REPORT_NAME, write_page
from exo_bringup.html_report.parts import Cell, Section, paragraph, table
from exo_bringup.html_report.svg import shown
from exo_bringup.impaired_report import cohort_figure, patient_figure, severity_figure
from exo_bringup.impaired_report.data import ImpairedEvaluation, NamedPatient, load_impaired
from exo_bringup.impaired_report.look import TITLES, write_drawing
from exo_sim.evaluation.exo.conditions import UNPOWERED
from exo_sim.evaluation.impaired.assistance import ASSISTED, COMPARED, SMALLEST_REDUCTION
from exo_sim.evaluation.impaired.clinical import COST, FEWEST_SHOWN
from exo_sim.evaluation.impaired.clinical_table import LEVELS, cells, clinical_rows, falls_words, verdict
from exo_sim.evaluation.impaired.clinical_table import shown as number
from exo_sim.evaluation.impaired.measure import ASYMMETRIES
from exo_sim.measurement import Figure

FIGURES_FOLDER = "figures"
DIGITS = 3
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


def write_impaired_page(folder: str | Path) -> Path:
    """Write the report into the folder of an evaluation; returns the page's path.

    Raises:
        BringupError: not such a folder, a damaged file, or it cannot be written.
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
        raise BringupError(f"cannot write into {folder}: {error.strerror}") from error
    sections += [_everything(evaluation), _again(evaluation)]
    opening = (
        f"<h1>How patients walk</h1>{paragraph(subtitle(evaluation), faint=True)}"
        f'<p class="lead">{escape(lead(evaluation))}</p>'
    )
    return write_page(Path(folder) / REPORT_NAME, "exo_gait: impaired gait", opening, sections)


def subtitle(evaluation: ImpairedEvaluation) -> str:
    """What was measured, in a line."""
    configuration = evaluation.configuration
    policies = len(configuration["policies"])
    if evaluation.cohort:
        walks = f"{configuration['cohort']} random patients"
    else:
        walks = f"{configuration['seeds']} walk{'s' if configuration['seeds'] != 1 else ''} a person and condition"
    return f"{evaluation.speed:g} m/s, {walks}, {configuration['duration']:g} s each; " + (
        f"{policies} trained {'policy' if policies == 1 else 'policies'}" if policies else "no device"
    )


def lead(evaluation: ImpairedEvaluation) -> str:
    """The result in a sentence or two."""
    parts = []
    if evaluation.deficits:
        seen = [d for d in evaluation.deficits if verdict(evaluation.figures, d, evaluation.speed)]
        parts.append(
            f"{len(seen)} of {len(evaluation.deficits)} deficits look as in the clinic"
            + (f" ({', '.join(d.title for d in seen)})" if seen else "")
            + "."
        )
    for device in cohort_figure.devices(evaluation):
        name = Path(device).stem
        saving = evaluation.figures.get(f"cohort_saving.{name}")
        if saving is not None and math.isfinite(saving.value):
            low_high = f" ({' to '.join(shown(end, 1) for end in saving.interval)} %)" if saving.interval else ""
            walked = evaluation.figures[f"cohort_walked_to_the_end.{name}"].value
            people = evaluation.figures[f"cohort_patients.{name}"].value
            parts.append(
                f"{name} saves {shown(saving.value, 1)} %{low_high} in {walked:.0f} of {people:.0f} patients; "
                "the others fell."
            )
    parts += [_cost_words(evaluation, worn) for worn in ASSISTED]
    judged = [f for f in evaluation.figures.values() if f.met is not None]
    if judged:
        parts.append(f"{sum(bool(f.met) for f in judged)} of {len(judged)} targets are met.")
    return " ".join(filter(None, parts))


def _cost_words(evaluation: ImpairedEvaluation, worn: str) -> str:
    """What a policy changes of the cost, over patients; nothing where nobody wore it."""
    wearers = [patient for patient in evaluation.patients if worn in evaluation.worn(patient.name)]
    changes = [evaluation.figure(f"{COST}_change", patient.name, worn).value for patient in wearers]
    known = [change for change in changes if math.isfinite(change)]
    if not known:
        return ""
    span = (
        f"{shown(max(known), 0, True)} to {shown(min(known), 0, True)} %"
        if len(known) > 1
        else f"{shown(known[0], 0, True)} %"
    )
    return (
        f"The {TITLES[worn]} changes the cost per distance by {span} against unpowered in {len(known)} of "
        f"{len(wearers)} patients" + ("." if len(known) == len(wearers) else "; the others fell.")
    )


def _clinic(evaluation: ImpairedEvaluation) -> Section:
    content = paragraph(
        "Change of each sign against the healthy run of the same person, at the strength that is left of the weak "
        "muscle groups. In colour: in the direction that the literature reports, larger than the smallest change that "
        "counts, and beyond chance (95 % interval over walks). Monotony: Kendall's correlation with severity, 1 where "
        "the sign grows at every step. A deficit looks as in the clinic when its first finding and half of its findings show "
        f"at 50 % or 25 % strength; the target is {FEWEST_SHOWN} of five.",
        faint=True,
    )
    rows = clinical_rows(evaluation.figures, evaluation.deficits, evaluation.speed)
    for deficit in evaluation.deficits:
        seen = verdict(evaluation.figures, deficit, evaluation.speed)
        words = (
            ("as in the clinic" if seen else "not as in the clinic")
            + "; "
            + falls_words(evaluation.figures, deficit, evaluation.speed)
        )
        content += f"<h3>{escape(deficit.title.capitalize())} <small>{words}</small></h3>"
        body = []
        for row in (row for row in rows if row.deficit == deficit.title):
            changes = [
                Cell(_minus(text), "met number" if good else "") for text, good in zip(cells(row, ""), row.shown)
            ]
            body.append(
                (
                    f"{row.sign} ({row.unit})",
                    Cell(row.expected, "text"),
                    _minus(number(row.healthy, row.unit)),
                    *changes,
                    _minus(number(row.monotony, "1")),
                    Cell(row.source, "text"),
                )
            )
        content += table(
            (
                "sign",
                Cell("expected", "text"),
                "healthy",
                *(f"{100 * level:g} %" for level in LEVELS),
                "monotony",
                Cell("source", "text"),
            ),
            body,
        )
    return Section("clinic", "As clinicians know it", content)


def _severity(evaluation: ImpairedEvaluation) -> Section:
    compose = partial(severity_figure.compose, evaluation)
    return Section("severity", "Severity", _drawing(evaluation, "severity", compose))


def _cohort(evaluation: ImpairedEvaluation) -> Section:
    content = _drawing(evaluation, "cohort", partial(cohort_figure.compose, evaluation))
    rows = [(name.replace("_", " ").replace(".", ", "), _value(f), f.unit) for name, f in evaluation.figures.items()]
    return Section("cohort", "Cohort", content + table(("figure", "value [95 % interval]", "unit"), rows))


def _assistance(evaluation: ImpairedEvaluation) -> Section:
    content = paragraph(
        "Unpowered to assisted, or to unpowered after as much practice. Cost per distance in J/kg/m; symmetry indices 200 |r - l| / (r + l) in %, which are to "
        f"fall by {SMALLEST_REDUCTION:g} % of themselves; torque: mean of the affected side over the other, in %. "
        "Judged are the joint that the deficit calls for and asymmetries larger than what healthy people have.",
        faint=True,
    )
    people = list(dict.fromkeys([*(p.healthy for p in evaluation.patients), *(p.name for p in evaluation.patients)]))
    rows = []
    for name in people:
        for worn in (worn for worn in evaluation.worn(name) if worn in COMPARED):
            row = [Cell(name.replace("_", " ")), Cell(TITLES[worn], "text"), _change(evaluation, COST, name, worn, 2)]
            row += [_change(evaluation, f"asymmetry_{each}", name, worn, 1) for each in ASYMMETRIES]
            row += [
                _judged(evaluation.figure(f"torque_difference_{kind}", name, worn), 0)
                for kind in ("hip_flexion", "ankle_angle")
            ]
            falls = [evaluation.figure("falls", name, each).value for each in (UNPOWERED, worn)]
            row.append(" \N{RIGHTWARDS ARROW} ".join(shown(value, 0) for value in falls))
            rows.append(row)
    head = (
        "patient",
        Cell("policy", "text"),
        "cost",
        *(each.replace("_", " ") for each in ASYMMETRIES),
        "hip torque",
        "ankle torque",
        "falls",
    )
    return Section("assistance", "What the device does for them", content + table(head, rows))


def _patient(evaluation: ImpairedEvaluation, patient: NamedPatient) -> Section:
    content = _drawing(evaluation, patient.name, partial(patient_figure.compose, evaluation, patient))
    fields = {name: value for name, value in patient.subject.items() if isinstance(value, dict) and value}
    weak = ", ".join(f"{name} {100.0 * value:g} %" for name, value in fields.get("strengths", {}).items())
    others = ", ".join(
        f"{field.replace('_', ' ')} of {', '.join(fields[field])}"
        for field in fields
        if field not in ("strengths", "weakness")
    )
    content += paragraph(
        "; ".join(part for part in (f"strength left: {weak}" if weak else "", others) if part) + ".", faint=True
    )
    return Section(f"patient_{patient.name}", patient.title.capitalize(), content)


def _drawing(evaluation: ImpairedEvaluation, name: str, compose) -> str:
    _, svg = write_drawing(compose, evaluation.folder / FIGURES_FOLDER / name)
    return f"<figure>{svg}</figure>"


def _everything(evaluation: ImpairedEvaluation) -> Section:
    rows = [
        (
            name,
            _value(f),
            f.unit,
            f.target or "",
            Cell(
                "" if f.met is None else "met" if f.met else "missed",
                "" if f.met is None else "met" if f.met else "missed",
            ),
        )
        for name, f in evaluation.figures.items()
        if math.isfinite(f.value) or f.met is not None
    ]
    return Section(
        "figures",
        "All figures",
        f"<details><summary>{len(rows)} figures</summary>"
        + table(("figure", "value [95 % interval]", "unit", "target", ""), rows)
        + "</details>",
    )


def _again(evaluation: ImpairedEvaluation) -> Section:
    versions = ", ".join(f"{name} {version}" for name, version in sorted(evaluation.summary["versions"].items()))
    return Section(
        "again",
        "Again",
        f"<pre>{escape(command_line(evaluation))}</pre>"
        + paragraph(f"git revision {evaluation.summary['git_revision']}; {versions}", faint=True),
    )


def command_line(evaluation: ImpairedEvaluation) -> str:
    """The command that measures the same again."""
    configuration, words = evaluation.configuration, ["exo", "evaluate", "impaired"]
    for option in ("exo", "personalised"):
        words += [f"--{option}", *configuration[option]] if configuration.get(option) else []
    if not evaluation.cohort:
        people = list(configuration["patients"])
        words += ["--patients", *(f"patients/{name}.yaml" for name in people)] if people else ["--patients", "none"]
        words += ["--deficits", *(configuration["deficits"] or ["none"])]
    for key, option in OPTIONS.items():
        value = configuration.get(key)
        if value is True:
            words.append(option)
        elif not isinstance(value, (bool, list, dict)) and value not in ("", None, 0):
            words += [option, f"{value:g}" if isinstance(value, float) else str(value)]
    return shlex.join(words)


def _change(evaluation: ImpairedEvaluation, name: str, patient: str, worn: str, digits: int) -> Cell:
    before, after = (evaluation.figure(name, patient, each).value for each in (UNPOWERED, worn))
    judged = evaluation.figure(f"{name}_change" if name == COST else f"{name}_reduction", patient, worn)
    text = f"{shown(before, digits)} \N{RIGHTWARDS ARROW} {shown(after, digits)}"
    if name == COST and math.isfinite(judged.value):
        text += f" ({shown(judged.value, 0, True)} %)"
    return Cell(text, _verdict(judged))


def _judged(figure: Figure, digits: int) -> Cell:
    return Cell(shown(figure.value, digits), _verdict(figure))


def _verdict(figure: Figure) -> str:
    """CSS class of a number that is judged."""
    return "" if figure.met is None else "met number" if figure.met else "missed number"


def _value(figure: Figure) -> str:
    text = shown(figure.value, DIGITS)
    if figure.interval is None or not all(map(math.isfinite, figure.interval)):
        return text
    return f"{text} [{', '.join(shown(end, DIGITS) for end in figure.interval)}]"


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}") if text != "-" else "\N{EN DASH}"
