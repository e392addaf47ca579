# SPDX-License-Identifier: Apache-2.0
"""Writes the report of an evaluation of an exoskeleton policy: report.html, figure.svg, figure.png, model_card.md."""

from __future__ import annotations

import math
import shlex
from html import escape
from pathlib import Path

from exo_bringup.errors import BringupError
from exo_bringup.exo_report import figure
from exo_bringup.exo_report.data import ExoEvaluation, load_evaluation
from exo_bringup.exo_report.model_card import write_model_card
from exo_bringup.html_report.page import REPORT_NAME, write_page
from exo_bringup.html_report.parts import Cell, Section, paragraph, table
from exo_bringup.html_report.svg import shown
from exo_sim.evaluation.exo.conditions import LEARNED, NO_DEVICE, SPLINE, UNPOWERED
from exo_sim.evaluation.exo.tables import ROWS
from exo_sim.measurement import Figure

#: Where many figures of a kind are listed, this many decimals are enough for all of them.
DIGITS = 3
OPTIONS = {
    "same_human": "--same-human",
    "deployment": "--deployment",
    "human": "--human",
    "device": "--device",
    "seeds": "--seeds",
    "duration": "--duration",
    "seed": "--seed",
    "population": "--population",
    "subject": "--subject",
    "physics_rate": "--physics-rate",
    "speeds": "--speeds",
    "delay_ms": "--delay-ms",
    "mass_error": "--mass-error",
}


def write_exo_page(folder: str | Path) -> list[Path]:
    """Write the report into the folder of an evaluation. Returns what was written, the page first.

    Raises:
        BringupError: not such a folder, a damaged file, or it cannot be written.
        GaitError: damaged curves.
    """
    evaluation = load_evaluation(folder)
    try:
        pictures = figure.draw(evaluation)
        card = write_model_card(evaluation)
    except OSError as error:
        raise BringupError(f"cannot write into {folder}: {error.strerror}") from error
    sections = [
        _targets(evaluation),
        *_conditions(evaluation),
        _walkers(evaluation),
        _everything(evaluation),
        _again(evaluation),
    ]
    page = write_page(Path(folder) / REPORT_NAME, "exo_gait: the exoskeleton policy", _opening(evaluation), sections)
    return [page, *pictures, card]


def _opening(evaluation: ExoEvaluation) -> str:
    return (
        f"<h1>What the exoskeleton policy saves</h1>{paragraph(figure.subtitle(evaluation), faint=True)}"
        f'<p class="lead">{escape(lead(evaluation))}</p><figure>{figure.as_svg(evaluation)}</figure>'
        + paragraph(
            "A, B: mean torque over the stride at each speed; the band is the profile validated on people (hip: "
            "Franks et al. 2021; ankle: Zhang et al. 2017), scaled to fit at the middle speed. The policy was trained "
            "without any profile, gait phase or target gait. C: whole body, mean and 95 % interval. D, E: at the "
            "middle speed.",
            faint=True,
        )
    )


def lead(evaluation: ExoEvaluation) -> str:
    """The result in a sentence or two."""
    changes = {
        speed: evaluation.figure("gross_change_bhargava_from_unpowered", LEARNED, speed) for speed in evaluation.speeds
    }
    known = {speed: change.value for speed, change in changes.items() if math.isfinite(change.value)}
    if not known:
        return "Nothing was walked to the end: there is no saving to report."
    best, worst = min(known.values()), max(known.values())
    falls = sum(evaluation.figure("falls", LEARNED, speed).value for speed in evaluation.speeds)
    judged = [f for f in evaluation.figures.values() if f.met is not None]
    without = [evaluation.figure("gross_change_bhargava_from_no_device", LEARNED, speed).value for speed in known]
    beside = (
        f" ({shown(max(without), 1, True)} to {shown(min(without), 1, True)} % against no device)"
        if all(map(math.isfinite, without))
        else ""
    )
    return (
        f"The learned policy changes metabolic cost by {shown(worst, 1, True)} to {shown(best, 1, True)} % against the "
        f"unpowered device at {min(known):g} to {max(known):g} m/s{beside}, with {falls:.0f} "
        f"fall{'' if falls == 1 else 's'}; {sum(bool(f.met) for f in judged)} of {len(judged)} targets are met."
    )


def _targets(evaluation: ExoEvaluation) -> Section:
    rows = [
        (name, _value(f), f.unit, f.target, Cell("met" if f.met else "missed", "met" if f.met else "missed"))
        for name, f in evaluation.figures.items()
        if f.met is not None
    ]
    return Section("targets", "Targets", table(("figure", "value [95 % interval]", "unit", "target", ""), rows))


def _conditions(evaluation: ExoEvaluation) -> list[Section]:
    speeds = evaluation.speeds
    order = [c for c in (LEARNED, SPLINE, UNPOWERED, NO_DEVICE) if c in evaluation.conditions]
    order += [c for c in evaluation.conditions if c not in order]
    sections = []
    for place, condition in enumerate(order):
        rows = []
        for beginning, title, digits in ROWS:
            row = [evaluation.figure(beginning, condition, speed) for speed in speeds]
            if any(math.isfinite(f.value) for f in row):
                rows.append((title, *(_cell(f, digits) for f in row)))
        title = figure.TITLES.get(condition, condition.replace(f"{LEARNED}:", f"{figure.TITLES[LEARNED]}, "))
        sections.append(
            Section(f"condition{place}", title.capitalize(), table(("", *(f"{speed:g} m/s" for speed in speeds)), rows))
        )
    return sections


def _walkers(evaluation: ExoEvaluation) -> Section:
    rows = [
        (
            policy["label"],
            str(policy["training_seed"]),
            f"{policy['samples'] or 0:,}".replace(",", " "),
            Cell(policy["sha256"][:12]),
            Cell(
                ", ".join(f"{c}: {Path(p).name} of {Path(p).parent.name}" for c, p in sorted(policy["humans"].items()))
                or "one walker for all",
                "text",
            ),
        )
        for policy in evaluation.configuration["policies"]
    ]
    words = paragraph(
        "Each condition is walked by the walker that is used to it, where the training made one; the published "
        "profiles by the one who is used to carrying the device. Intervals are over trainings from three on, else "
        "over evaluation seeds; changes are paired by seed.",
        faint=True,
    )
    return Section(
        "policies",
        "Policies and walkers",
        words + table(("policy", "training seed", "samples", "sha256", Cell("walkers", "text")), rows),
    )


def _everything(evaluation: ExoEvaluation) -> Section:
    rows = [(name, _value(f), f.unit) for name, f in evaluation.figures.items() if math.isfinite(f.value)]
    return Section(
        "figures",
        "All figures",
        f"<details><summary>{len(rows)} figures</summary>"
        + table(("figure", "value [95 % interval]", "unit"), rows)
        + "</details>",
    )


def _again(evaluation: ExoEvaluation) -> Section:
    versions = ", ".join(f"{name} {version}" for name, version in sorted(evaluation.summary["versions"].items()))
    return Section(
        "again",
        "Again",
        f"<pre>{escape(command_line(evaluation))}</pre>"
        + paragraph(f"git revision {evaluation.summary['git_revision']}; {versions}", faint=True),
    )


def command_line(evaluation: ExoEvaluation) -> str:
    """The command that measures the same again."""
    configuration = evaluation.configuration
    words = ["exo", "evaluate", "exo", *(policy["checkpoint"] for policy in configuration["policies"])]
    for key, option in OPTIONS.items():
        value = configuration.get(key)
        if value is True:
            words.append(option)
        elif isinstance(value, list) and value:
            words += [option, *(f"{v:g}" for v in value)]
        elif not isinstance(value, (bool, list)) and value not in ("", None):
            words += [option, f"{value:g}" if isinstance(value, float) else str(value)]
    return shlex.join(words)


def _value(known: Figure) -> str:
    text = shown(known.value, DIGITS)
    return f"{text} [{shown(known.low, DIGITS)}, {shown(known.high, DIGITS)}]" if math.isfinite(known.low) else text


def _cell(known: Figure, digits: int) -> Cell:
    text = shown(known.value, digits)
    if math.isfinite(known.low):
        text += f" [{shown(known.low, digits)}, {shown(known.high, digits)}]"
    return Cell(text, "missed" if known.met is False else "met" if known.met else "")
