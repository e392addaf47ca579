# SPDX-License-Identifier: Apache-2.0
"""The report of `exo evaluate exo`: what a policy saves, as one figure like a paper's, tables and a model card."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from exo_core.errors import UserError
from exo_core.joints import SIDES
from exo_lab.conditions import LEARNED, NO_DEVICE, SPLINE, UNPOWERED
from exo_lab.evaluate.exo import profile
from exo_lab.evaluate.exo.command import COMMAND
from exo_lab.evaluate.exo.figures import LARGEST_PEAK_ERROR, PROFILE_SPEED_MPS, at
from exo_lab.evaluate.exo.tables import ROWS
from exo_lab.report import draw
from exo_lab.report.model_card import write_model_card
from exo_lab.report.page import (
    REPORT_NAME,
    Cell,
    Section,
    figure_value,
    lead,
    missing,
    pictures,
    table,
    text,
    title,
    write_page,
)
from exo_lab.report.study import NOTHING, Study, again, everything, load_study, options_of
from exo_lab.report.style import (
    FAINT_INK,
    INK,
    NORM_BAND,
    NORM_LINE,
    STUDY_COLOURS,
    STUDY_TITLES,
    counted,
    minus,
    shown,
)
from exo_sim.errors import GaitError
from exo_sim.gait.curves import PHASE_PERCENT
from exo_sim.measurement import Figure

#: Speeds from light to dark, without the faint end of the scale.
SPEED_MAP, LIGHTEST, DARKEST = "viridis_r", 0.12, 0.92
SIZE_IN = (12.0, 10.4)
#: Muscles with most to do in walking, as the curves name them.
MUSCLES = {
    "soleus": "Soleus",
    "gasmed": "Gastrocnemius medialis",
    "tibant": "Tibialis anterior",
    "vaslat": "Vastus lateralis",
    "recfem": "Rectus femoris",
    "bflh": "Biceps femoris, long head",
    "glmax2": "Gluteus maximus",
    "psoas": "Psoas",
}
TORQUE_LABELS = {"hip": "+ flexion (Nm/kg)", "ankle": "+ plantarflexion (Nm/kg)"}
STRIDE_LABEL = "stride (% from heel strike)"
FIGURE_STEM = "figure"
#: Options of the command by the configuration's key.
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


@dataclass(frozen=True)
class DeviceStudy(Study):
    """A folder that `exo evaluate exo` wrote."""

    @cached_property
    def speeds(self) -> list[float]:
        """Commanded speeds (m/s), rising."""
        return sorted(float(speed) for speed in self.configuration["speeds"])

    @property
    def conditions(self) -> list[str]:
        """In the order of the summary."""
        return list(dict.fromkeys(name.split(".", 2)[1] for name in self.figures if name.count(".") >= 2))

    @property
    def middle_speed(self) -> float:
        """Where profiles and muscles are shown: 1.25 m/s, or the speed nearest to it."""
        return min(self.speeds, key=lambda speed: abs(speed - PROFILE_SPEED_MPS))

    def figure(self, name: str, condition: str, speed: float) -> Figure:
        """A figure of a condition at a speed; NaN where it is not there."""
        return self.figures.get(at(name, condition, speed), NOTHING)

    def curve(self, condition: str, variable: str, speed: float) -> tuple[np.ndarray, np.ndarray] | None:
        """Mean and SD over strides (101,) of both sides together, or of the one that there is."""
        found = []
        for side in SIDES:
            try:
                curve = self.curves.get(condition, variable, side, speed)
            except GaitError:
                continue
            if np.isfinite(curve.mean).all():
                found.append((curve.mean, np.nan_to_num(curve.sd)))
        if not found:
            return None
        return np.mean([mean for mean, _ in found], axis=0), np.mean([sd for _, sd in found], axis=0)

    def driven(self) -> list[str]:
        """Kinds of joints that the device drives, of those that have a validated profile."""
        learned = {curve.variable for curve in self.curves if curve.condition == LEARNED}
        return [joint for joint in TORQUE_LABELS if profile.variable(joint) in learned]


def load_evaluation(folder: str | Path) -> DeviceStudy:
    """Reads a folder of `exo evaluate exo`.

    Raises:
        UserError: not such a folder, or a damaged file.
        GaitError: damaged curves.
    """
    study = load_study(folder, COMMAND, ("speeds", "policies", "seeds", "duration", "device"))
    return DeviceStudy(study.folder, study.summary, study.record, study.figures, study.curves)


def write_exo_page(folder: str | Path) -> list[Path]:
    """Write report.html, figure.svg, figure.png and model_card.md into the folder of an evaluation.

    Returns what was written, the page first.

    Raises:
        UserError: not such a folder, a damaged file, or it cannot be written.
        GaitError: damaged curves.
    """
    evaluation = load_evaluation(folder)
    words = "Torque over the stride by speed, metabolic cost by condition, and muscles with and without assistance"
    try:
        paths, element = draw.save(evaluation.folder / FIGURE_STEM, words, lambda: compose(evaluation))
        card = write_model_card(evaluation)
    except OSError as error:
        raise UserError(f"cannot write into {folder}: {error.strerror}") from error
    opening = [
        title("What the exoskeleton policy saves"),
        text(subtitle(evaluation), faint=True),
        lead(headline(evaluation)),
        pictures(1, [element]),
        text(
            "A, B: mean torque over the stride at each speed; the band is the profile validated on people (hip: Franks "
            "et al. 2021; ankle: Zhang et al. 2017), scaled to fit at the middle speed. The policy was trained without "
            "any profile, gait phase or target gait. C: whole body, mean and 95 % interval. D, E: at the middle speed.",
            faint=True,
        ),
        *missing(evaluation.notes),
    ]
    sections = [
        _targets(evaluation),
        *_conditions(evaluation),
        _policies(evaluation),
        everything(evaluation),
        again(evaluation, command_words(evaluation)),
    ]
    page = write_page(evaluation.folder / REPORT_NAME, "exo_gait: the exoskeleton policy", opening, sections)
    return [page, *paths, card]


def subtitle(evaluation: DeviceStudy) -> str:
    """What was measured, in a line."""
    configuration = evaluation.configuration
    policies = len(configuration["policies"])
    return (
        f"device {Path(configuration['device']).stem}; {policies} trained {'policy' if policies == 1 else 'policies'}, "
        f"{counted(configuration['seeds'], 'walk')} of {configuration['duration']:g} s for each condition and speed; "
        "right and left leg together"
    )


def headline(evaluation: DeviceStudy) -> str:
    """The result in a sentence or two."""

    def changes(name: str) -> dict[float, float]:
        values = {speed: evaluation.figure(name, LEARNED, speed).value for speed in evaluation.speeds}
        return {speed: value for speed, value in values.items() if math.isfinite(value)}

    known = changes("gross_change_bhargava_from_unpowered")
    if not known:
        return "Nothing was walked to the end: there is no saving to report."
    without = list(changes("gross_change_bhargava_from_no_device").values())
    beside = (
        f" ({shown(max(without), 1, True)} to {shown(min(without), 1, True)} % against no device)"
        if len(without) == len(known)
        else ""
    )
    falls = sum(evaluation.figure("falls", LEARNED, speed).value for speed in evaluation.speeds)
    span = f"{shown(max(known.values()), 1, True)} to {shown(min(known.values()), 1, True)} %"
    return (
        f"The learned policy changes metabolic cost by {span} against the unpowered device at {min(known):g} to "
        f"{max(known):g} m/s{beside}, with {counted(falls, 'fall')}; {evaluation.targets_met} targets are met."
    )


def command_words(evaluation: DeviceStudy) -> list[str]:
    """The command that measures the same again."""
    checkpoints = [policy["checkpoint"] for policy in evaluation.configuration["policies"]]
    return [*COMMAND.split(), *checkpoints, *options_of(evaluation.configuration, OPTIONS)]


# --- tables


def _targets(evaluation: DeviceStudy) -> Section:
    rows = [
        (name, figure_value(f), f.unit, f.target, Cell("met" if f.met else "missed", "met" if f.met else "missed"))
        for name, f in evaluation.figures.items()
        if f.met is not None
    ]
    return Section("targets", "Targets", [table(("figure", "value [95 % interval]", "unit", "target", ""), rows)])


def _conditions(evaluation: DeviceStudy) -> list[Section]:
    """A table for each condition: one row a figure, one column a speed."""
    speeds = evaluation.speeds
    order = [c for c in (LEARNED, SPLINE, UNPOWERED, NO_DEVICE) if c in evaluation.conditions]
    order += [c for c in evaluation.conditions if c not in order]
    sections = []
    for place, condition in enumerate(order):
        rows = []
        for name, words, digits in ROWS:
            row = [evaluation.figure(name, condition, speed) for speed in speeds]
            if any(math.isfinite(f.value) for f in row):
                rows.append((words, *(_cell(f, digits) for f in row)))
        name = STUDY_TITLES.get(condition, condition.replace(f"{LEARNED}:", f"{STUDY_TITLES[LEARNED]}, "))
        head = ("", *(f"{speed:g} m/s" for speed in speeds))
        sections.append(Section(f"condition{place}", name.capitalize(), [table(head, rows)]))
    return sections


def _cell(figure: Figure, digits: int) -> Cell:
    kind = "missed" if figure.met is False else "met" if figure.met else ""
    return Cell(figure_value(figure, digits), kind)


def _policies(evaluation: DeviceStudy) -> Section:
    rows = []
    for policy in evaluation.configuration["policies"]:
        humans = [f"{c}: {Path(p).name} of {Path(p).parent.name}" for c, p in sorted(policy["humans"].items())]
        walkers = Cell(", ".join(humans) or "one walker for all", "text")
        samples = f"{policy['samples'] or 0:,}".replace(",", " ")
        rows.append((policy["label"], str(policy["training_seed"]), samples, policy["sha256"][:12], walkers))
    words = (
        "Each condition is walked by the walker that is used to it, where the training made one; the published "
        "profiles by the one who is used to carrying the device. Intervals are over trainings from three on, else over "
        "evaluation seeds; changes are paired by seed."
    )
    head = ("policy", "training seed", "samples", "sha256", Cell("walkers", "text"))
    return Section("policies", "Policies and walkers", [text(words, faint=True), table(head, rows)])


# --- the figure


def compose(evaluation: DeviceStudy) -> Drawing:
    """The whole figure."""
    drawing = Drawing(figsize=SIZE_IN)
    rows = drawing.add_gridspec(
        3, 1, height_ratios=(1.15, 1.0, 1.25), left=0.06, right=0.985, top=0.915, bottom=0.055, hspace=0.45
    )
    top = rows[0].subgridspec(1, 2, wspace=0.18)
    for place, joint in enumerate(TORQUE_LABELS):
        _torque(drawing.add_subplot(top[place]), evaluation, joint, "AB"[place])
    middle = rows[1].subgridspec(1, 2, wspace=0.30, width_ratios=(1.75, 1.0))
    _cost(drawing.add_subplot(middle[0]), evaluation)
    _groups(drawing.add_subplot(middle[1]), evaluation)
    bottom = rows[2].subgridspec(2, 4, wspace=0.22, hspace=0.55)
    for place, muscle in enumerate(MUSCLES):
        _muscle(drawing.add_subplot(bottom[divmod(place, 4)]), evaluation, muscle, place == 0, place >= 4)
    lines = (NO_DEVICE, UNPOWERED, LEARNED)
    drawing.legend(
        handles=[Line2D([], [], color=STUDY_COLOURS[c], label=STUDY_TITLES[c]) for c in lines],
        fontsize=8,
        ncols=len(lines),
        loc="lower right",
        bbox_to_anchor=(0.99, rows[2].get_position(drawing).y1 + 0.022),
        handlelength=1.4,
    )
    drawing.text(0.06, 0.972, "Assistance learned from what the device senses", fontsize=13, fontweight="bold")
    drawing.text(0.06, 0.951, subtitle(evaluation), fontsize=9, color=FAINT_INK)
    return drawing


def _torque(axes: Axes, evaluation: DeviceStudy, joint: str, letter: str) -> None:
    axes.set_title(f"{letter}  {joint.capitalize()} torque")
    axes.set_xlabel(STRIDE_LABEL)
    axes.set_ylabel(TORQUE_LABELS[joint])
    axes.set_xlim(0, 100)
    axes.axhline(0.0, color=NORM_LINE, lw=0.7)
    curves = {speed: evaluation.curve(LEARNED, profile.variable(joint), speed) for speed in evaluation.speeds}
    middle = curves[evaluation.middle_speed]
    if middle is None:
        draw.words(axes, "not driven by this device" if joint not in evaluation.driven() else "no full stride")
        return
    shape = np.append(profile.reference(joint), profile.reference(joint)[0])
    scale = max(float(middle[0][:-1] @ shape[:-1] / (shape[:-1] @ shape[:-1])), 0.05)
    axes.fill_between(PHASE_PERCENT, *reference_band(scale * shape), color=NORM_BAND, lw=0)
    axes.plot(PHASE_PERCENT, scale * shape, color=NORM_LINE, lw=1.1, ls=(0, (4, 2)))
    between = "\n" if joint == "ankle" else " "
    handles = [Patch(color=NORM_BAND, label=f"validated on people,{between}moved by up to {LARGEST_PEAK_ERROR:g} %")]
    for place, (speed, curve) in enumerate(curves.items()):
        if curve is None:
            continue
        mean, sd = curve
        colour, is_middle = speed_colour(place, len(curves)), speed == evaluation.middle_speed
        axes.plot(PHASE_PERCENT, mean, color=colour, lw=2.2 if is_middle else 1.4)
        if is_middle:
            axes.fill_between(PHASE_PERCENT, mean - sd, mean + sd, color=colour, alpha=0.15, lw=0)
        handles.append(Line2D([], [], color=colour, lw=2.2 if is_middle else 1.4, label=f"{speed:g} m/s"))
    r, cosine, peak = (
        evaluation.figure(f"{joint}_profile_{part}", LEARNED, evaluation.middle_speed).value
        for part in ("r", "cosine_r", "positive_peak_error")
    )
    if all(map(math.isfinite, (r, cosine, peak))):
        words = f"{evaluation.middle_speed:g} m/s: r = {r:.2f} (cosine {cosine:.2f}), peak {peak:+.1f} % of stride"
        axes.set_title(minus(words), loc="right", fontsize=8.5, fontweight="normal")
    is_ankle = joint == "ankle"  # a legend where the validated profile leaves room
    axes.legend(
        handles=handles,
        fontsize=8,
        loc="upper left" if is_ankle else "lower right",
        ncols=1 if is_ankle else 2,
        handlelength=1.4,
        columnspacing=1.0,
    )


def reference_band(curve: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest value (101,) of a curve that is moved by up to the tolerated error of timing."""
    shifts = np.linspace(-LARGEST_PEAK_ERROR, LARGEST_PEAK_ERROR, 25)
    moved = [np.interp((PHASE_PERCENT - shift) % 100.0, PHASE_PERCENT, curve) for shift in shifts]
    return np.min(moved, axis=0), np.max(moved, axis=0)


def speed_colour(place: int, count: int):
    """Colour of a speed, light for slow and dark for fast."""
    share = place / (count - 1) if count > 1 else 0.5
    return colormaps[SPEED_MAP](LIGHTEST + share * (DARKEST - LIGHTEST))


def _cost(axes: Axes, evaluation: DeviceStudy) -> None:
    axes.set_title("C  Metabolic power, Bhargava 2004")
    axes.set_ylabel("gross (W/kg)")
    axes.set_xlabel("walking speed (m/s)")
    conditions = [c for c in (NO_DEVICE, UNPOWERED, SPLINE, LEARNED) if c in evaluation.conditions]
    width, highest, tops = 0.8 / len(conditions), 0.0, {}
    for i, condition in enumerate(conditions):
        for place, speed in enumerate(evaluation.speeds):
            figure = evaluation.figure("gross_bhargava", condition, speed)
            if not math.isfinite(figure.value):
                continue
            x = place - 0.4 + width * (i + 0.5)
            axes.bar(x, figure.value, width * 0.92, color=STUDY_COLOURS[condition])
            top = draw.error_bar(axes, x, figure)
            highest, tops[speed] = max(highest, top), max(tops.get(speed, 0.0), top)
            change = evaluation.figure("gross_change_bhargava_from_unpowered", condition, speed)
            if condition == LEARNED and math.isfinite(change.value):
                draw.percent_above(axes, x, tops[speed], change.value, STUDY_COLOURS[LEARNED])
    axes.set_xticks(range(len(evaluation.speeds)), [f"{speed:g}" for speed in evaluation.speeds])
    axes.set_xlim(-0.6, len(evaluation.speeds) - 0.4)
    axes.set_ylim(0.0, 1.38 * highest or 1.0)
    handles = [Patch(color=STUDY_COLOURS[c], label=STUDY_TITLES[c]) for c in conditions]
    axes.legend(handles=handles, fontsize=8, ncols=2, loc="upper left", handlelength=1.2)
    words = "bars: mean, 95 % interval\npercent: learned from unpowered"
    axes.text(0.985, 0.97, words, transform=axes.transAxes, ha="right", va="top", fontsize=8, color=FAINT_INK)


def _groups(axes: Axes, evaluation: DeviceStudy) -> None:
    speed = evaluation.middle_speed
    axes.set_title(f"D  Saved by muscle group, {speed:g} m/s")
    prefix, suffix = "group_", "_change_from_unpowered"
    changes = {}
    for name, figure in evaluation.figures.items():
        start, condition, at_speed = (*name.split(".", 2), "", "")[:3]
        is_change = start.startswith(prefix) and start.endswith(suffix) and condition == LEARNED
        if is_change and float(at_speed) == speed and math.isfinite(figure.value):
            changes[start[len(prefix) : -len(suffix)].replace("_", " ")] = figure
    if not changes:
        draw.words(axes, "not measured")
        return
    ordered = sorted(changes.items(), key=lambda item: -item[1].value)
    for place, (_, figure) in enumerate(ordered):
        colour = STUDY_COLOURS[LEARNED if figure.value < 0.0 else UNPOWERED]
        axes.barh(place, figure.value, 0.7, color=colour)
        if math.isfinite(figure.low):
            spread = [[figure.value - figure.low], [figure.high - figure.value]]
            axes.errorbar(figure.value, place, xerr=spread, color=INK, lw=0.9, capsize=2)
    axes.set_yticks(range(len(ordered)), [group for group, _ in ordered])
    axes.axvline(0.0, color=NORM_LINE, lw=0.8)
    axes.set_xlabel("learned policy less unpowered (W/kg)")
    axes.xaxis.set_major_locator(MaxNLocator(5))


def _muscle(axes: Axes, evaluation: DeviceStudy, muscle: str, first: bool, lowest: bool) -> None:
    axes.set_title(("E  " if first else "") + MUSCLES[muscle], fontsize=9)
    axes.set_xlim(0, 100)
    if lowest:
        axes.set_xlabel("stride (%)")
    highest = 0.0
    for condition in (NO_DEVICE, UNPOWERED, LEARNED):
        curve = evaluation.curve(condition, f"activation_{muscle}", evaluation.middle_speed)
        if curve is not None:
            wide = 1.9 if condition == LEARNED else 1.3
            axes.plot(PHASE_PERCENT, curve[0], color=STUDY_COLOURS[condition], lw=wide)
            highest = max(highest, float(curve[0].max()))
    if not highest:
        draw.words(axes, "no full stride")
        return
    axes.set_ylim(0.0, 1.1 * max(highest, 0.1))
    if first:
        axes.set_ylabel(f"activation, {evaluation.middle_speed:g} m/s")
