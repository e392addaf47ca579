# SPDX-License-Identifier: Apache-2.0
"""The report of `exo evaluate exo`: what a policy saves, as one figure like a paper's, tables and a model card."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import MaxNLocator

from exo_core.errors import UserError
from exo_core.files import whole_file
from exo_core.joints import SIDES
from exo_lab.conditions import LEARNED, NO_DEVICE, SPLINE, UNPOWERED
from exo_lab.evaluate import population
from exo_lab.evaluate.exo import COMMAND, ROWS
from exo_lab.evaluate.exo_measures import LARGEST_PEAK_ERROR, PROFILE_SPEED_MPS, torque_variable, validated_profile
from exo_lab.evaluate.figures import at
from exo_lab.report import figures as draw
from exo_lab.report.figures import Bar, Line
from exo_lab.report.page import Cell, Section, figure_value, pictures, render, table, text
from exo_lab.report.study import NOTHING, Study, everything, load_study, words_of, write_study
from exo_lab.report.style import FAINT_INK, NORM_BAND, NORM_LINE, STUDY_COLOURS, STUDY_TITLES, counted, minus, shown
from exo_policy.checkpoint import CheckpointError, load_checkpoint
from exo_sim.gait.curves import PHASE_PERCENT, Curve
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
class ExoStudy(Study):
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

    def row(self, name: str, condition: str) -> list[Figure]:
        """A figure of a condition at every speed."""
        return [self.figure(name, condition, speed) for speed in self.speeds]

    def curve(self, condition: str, variable: str, speed: float) -> Curve | None:
        """Mean and SD over strides of both sides together, or of the one that there is."""
        found = [c for s in SIDES if (c := self.curve_of(condition, variable, s, speed)) is not None]
        if not found:
            return None
        mean, sd = (np.mean([getattr(c, part) for c in found], axis=0) for part in ("mean", "sd"))
        return Curve(condition, speed, "r", variable, PHASE_PERCENT, mean, np.nan_to_num(sd))

    def is_driven(self, joint: str) -> bool:
        """Whether the device drives a joint."""
        return any((c.condition, c.variable) == (LEARNED, torque_variable(joint)) for c in self.curves)


def load_exo_study(folder: str | Path) -> ExoStudy:
    """Reads a folder of `exo evaluate exo`.

    Raises:
        UserError: not such a folder, or a damaged file.
        GaitError: damaged curves.
    """
    return load_study(ExoStudy, folder, COMMAND, ("speeds", "policies", "seeds", "duration", "device"))


def write_page_of(folder: str | Path) -> Path:
    """Write report.html, figure.svg, figure.png and model_card.md into the folder of an evaluation.

    Returns the page's path.

    Raises:
        UserError: not such a folder, a damaged file, or it cannot be written.
        GaitError: damaged curves.
    """
    study = load_exo_study(folder)
    words = "Torque over the stride by speed, metabolic cost by condition, and muscles with and without assistance"
    try:
        element = draw.save(study.folder / FIGURE_STEM, words, lambda: compose(study))
        write_model_card(study)
    except OSError as error:
        raise UserError(f"cannot write into {folder}: {error.strerror}") from error
    legend = text(
        "A, B: mean torque over the stride at each speed; the band is the profile validated on people (hip: Franks et "
        "al. 2021; ankle: Zhang et al. 2017), scaled to fit at the middle speed. The policy was trained without any "
        "profile, gait phase or target gait. C: whole body, mean and 95 % interval. D, E: at the middle speed.",
        faint=True,
    )
    sections = [_targets(study), *_conditions(study), _policies(study), everything(study)]
    return write_study(
        study, "the exoskeleton policy", "What the exoskeleton policy saves", subtitle(study), headline(study),
        [pictures(1, [element]), legend], sections, command_words(study),
    )  # fmt: skip


def subtitle(study: ExoStudy) -> str:
    """What was measured, in a line."""
    configuration = study.configuration
    policies = len(configuration["policies"])
    return (
        f"device {Path(configuration['device']).stem}; {policies} trained {'policy' if policies == 1 else 'policies'}, "
        f"{counted(configuration['seeds'], 'walk')} of {configuration['duration']:g} s for each condition and speed; "
        "right and left leg together"
    )


def headline(study: ExoStudy) -> str:
    """The result in a sentence or two."""

    def changes(baseline: str) -> dict[float, float]:
        row = zip(study.speeds, study.row(f"gross_change_bhargava_from_{baseline}", LEARNED), strict=True)
        return {speed: figure.value for speed, figure in row if math.isfinite(figure.value)}

    def span(values: Sequence[float]) -> str:
        return f"{shown(max(values), 1, True)} to {shown(min(values), 1, True)} %"

    known, without = changes(UNPOWERED), list(changes(NO_DEVICE).values())
    if not known:
        return "Nothing was walked to the end: there is no saving to report."
    beside = f" ({span(without)} against no device)" if len(without) == len(known) else ""
    falls = sum(figure.value for figure in study.row("falls", LEARNED))
    return (
        f"The learned policy changes metabolic cost by {span(list(known.values()))} against the unpowered device at "
        f"{min(known):g} to {max(known):g} m/s{beside}, with {counted(falls, 'fall')}; {study.targets_met} targets are met."
    )


def command_words(study: ExoStudy) -> list[str]:
    """The command that measures the same again."""
    checkpoints = [policy["checkpoint"] for policy in study.configuration["policies"]]
    return [*COMMAND.split(), *checkpoints, *words_of(study.configuration, OPTIONS)]


# --- the model card

CARD_NAME, CARD_TEMPLATE = "model_card.md", "model_card.md.j2"
#: Figures of the card's table.
CARD_ROWS = (
    *("gross_bhargava", "gross_change_bhargava_from_unpowered", "gross_change_bhargava_from_no_device"),
    *("gross_change_umberger_from_unpowered", "hip_profile_r", "ankle_profile_r", "positive_power", "negative_power"),
    "falls",
)


def write_model_card(study: ExoStudy) -> None:
    """Write model_card.md into the evaluation's folder: nothing in it is written by hand. Raises OSError."""
    configuration, policies = study.configuration, study.configuration["policies"]
    training = _training(policies[0]["checkpoint"])
    titles = {name: (words, digits) for name, words, digits in ROWS}
    rows = []
    for name in CARD_ROWS:
        row, (words, digits) = study.row(name, LEARNED), titles[name]
        if any(math.isfinite(figure.value) for figure in row):
            rows.append((words, [_plain(figure, digits) for figure in row]))
    falls = [(c, study.figures.get(population.falls_name(c))) for c in population.CONDITIONS]
    change = "gross_change_bhargava_from_unpowered"
    content = render(
        CARD_TEMPLATE,
        device=configuration["device_description"],
        policies=policies,
        training=training,
        fit=training.get("wearing"),
        speeds=study.speeds,
        rows=rows,
        targets_met=study.targets_met,
        missed=[name for name, figure in study.figures.items() if figure.met is False],
        seeds=configuration["seeds"],
        duration=configuration["duration"],
        falls=[f"{c.replace('_', ' ')} {_plain(f, 2)}" for c, f in falls if f is not None],
        variants=[
            (condition.split(":", 1)[1], [_plain(figure, 1) for figure in study.row(change, condition)])
            for condition in study.conditions
            if condition.startswith(f"{LEARNED}:")
        ],
    )
    with whole_file(study.folder / CARD_NAME) as file:
        file.write(content)


def _training(checkpoint: str) -> Mapping[str, Any]:
    """Configuration that a training drew its people and devices from; empty where the manifest does not tell."""
    try:
        _, manifest = load_checkpoint(checkpoint, kind="exo")
    except CheckpointError:
        return {}
    config = manifest.training.config
    return config if "wearing" in config else {}


def _plain(figure: Figure, digits: int) -> str:
    """A figure with its interval in Markdown."""
    if not math.isfinite(figure.value):
        return "-"
    interval = f" [{figure.low:.{digits}f}, {figure.high:.{digits}f}]" if math.isfinite(figure.low) else ""
    return f"{figure.value:.{digits}f}{interval}{figure.left_out_words}"


# --- tables


def _kind(figure: Figure) -> str:
    return {None: "", True: "met", False: "missed"}[figure.met]


def _targets(study: ExoStudy) -> Section:
    rows = [
        (name, figure_value(f), f.unit, f.target or "", Cell(_kind(f), _kind(f)))
        for name, f in study.figures.items()
        if f.met is not None
    ]
    return Section("targets", "Targets", [table(("figure", "value [95 % interval]", "unit", "target", ""), rows)])


def _conditions(study: ExoStudy) -> list[Section]:
    """A table for each condition: one row a figure, one column a speed."""
    order = [c for c in (LEARNED, SPLINE, UNPOWERED, NO_DEVICE) if c in study.conditions]
    order += [c for c in study.conditions if c not in order]
    sections = []
    for place, condition in enumerate(order):
        rows = []
        for name, words, digits in ROWS:
            row = study.row(name, condition)
            if any(math.isfinite(figure.value) for figure in row):
                rows.append((words, *(Cell(figure_value(figure, digits), _kind(figure)) for figure in row)))
        name = STUDY_TITLES.get(condition, condition.replace(f"{LEARNED}:", f"{STUDY_TITLES[LEARNED]}, "))
        head = ("", *(f"{speed:g} m/s" for speed in study.speeds))
        sections.append(Section(f"condition{place}", name.capitalize(), [table(head, rows)]))
    return sections


def _policies(study: ExoStudy) -> Section:
    rows = []
    for policy in study.configuration["policies"]:
        humans = [f"{c}: {Path(p).name} of {Path(p).parent.name}" for c, p in sorted(policy["humans"].items())]
        walkers = Cell(", ".join(humans) or "one walker for all", "text")
        samples = f"{policy['samples'] or 0:,}".replace(",", " ")
        rows.append((policy["label"], str(policy["training_seed"]), samples, policy["sha256"][:12], walkers))
    words = (
        "Each condition is walked by the walker that is used to it, where the training made one; the published profiles "
        "by the one who is used to carrying the device. Intervals are over trainings from three on, else over "
        "evaluation seeds; changes are paired by seed."
    )
    head = ("policy", "training seed", "samples", "sha256", Cell("walkers", "text"))
    return Section("policies", "Policies and walkers", [text(words, faint=True), table(head, rows)])


# --- the figure


def compose(study: ExoStudy) -> Drawing:
    """The whole figure."""
    drawing = draw.sheet(SIZE_IN, "Assistance learned from what the device senses", subtitle(study))
    rows = drawing.add_gridspec(
        3, 1, height_ratios=(1.15, 1.0, 1.25), left=0.06, right=0.985, top=0.915, bottom=0.055, hspace=0.45
    )
    top = rows[0].subgridspec(1, 2, wspace=0.18)
    for place, joint in enumerate(TORQUE_LABELS):
        _torque(drawing.add_subplot(top[place]), study, joint, "AB"[place])
    middle = rows[1].subgridspec(1, 2, wspace=0.30, width_ratios=(1.75, 1.0))
    _cost(drawing.add_subplot(middle[0]), study)
    _groups(drawing.add_subplot(middle[1]), study)
    bottom = rows[2].subgridspec(2, 4, wspace=0.22, hspace=0.55)
    for place, muscle in enumerate(MUSCLES):
        _muscle(drawing.add_subplot(bottom[divmod(place, 4)]), study, muscle, place == 0, place >= 4)
    lines = (NO_DEVICE, UNPOWERED, LEARNED)
    drawing.legend(
        handles=[draw.line_entry(STUDY_COLOURS[c], STUDY_TITLES[c]) for c in lines],
        fontsize=8,
        ncols=len(lines),
        loc="lower right",
        bbox_to_anchor=(0.99, rows[2].get_position(drawing).y1 + 0.022),
        handlelength=1.4,
    )
    return drawing


def _torque(axes: Axes, study: ExoStudy, joint: str, letter: str) -> None:
    axes.set_title(f"{letter}  {joint.capitalize()} torque")
    axes.set_ylabel(TORQUE_LABELS[joint])
    middle = study.middle_speed
    curves = {speed: study.curve(LEARNED, torque_variable(joint), speed) for speed in study.speeds}
    known, lines = curves[middle], []
    for place, (speed, curve) in enumerate(curves.items()):
        if curve is not None and known is not None:
            width, sd = (2.2, curve.sd) if speed == middle else (1.4, None)
            lines.append(Line(PHASE_PERCENT, curve.mean, sd, speed_colour(place, len(curves)), width=width))
    band, shape = None, np.append(validated_profile(joint), validated_profile(joint)[0])
    if known is not None:
        shape = shape * max(float(known.mean[:-1] @ shape[:-1] / (shape[:-1] @ shape[:-1])), 0.05)
        low, high = reference_band(shape)
        axes.fill_between(PHASE_PERCENT, low, high, color=NORM_BAND, lw=0)
        axes.plot(PHASE_PERCENT, shape, color=NORM_LINE, lw=1.1, ls=(0, (4, 2)))
        band = draw.padded([low, high, *(line.mean for line in lines)])
    empty = "no full stride" if study.is_driven(joint) else "not driven by this device"
    draw.draw_stride(axes, lines, limits=band, empty=empty)
    axes.set_xlabel("stride (% from heel strike)")
    if known is None:
        return
    r, cosine, peak = (
        study.figure(f"{joint}_profile_{part}", LEARNED, middle).value
        for part in ("r", "cosine_r", "positive_peak_error")
    )
    if all(map(math.isfinite, (r, cosine, peak))):
        words = f"{middle:g} m/s: r = {r:.2f} (cosine {cosine:.2f}), peak {peak:+.1f} % of stride"
        axes.set_title(minus(words), loc="right", fontsize=8.5, fontweight="normal")
    is_ankle = joint == "ankle"  # a legend where the validated profile leaves room
    between = "\n" if is_ankle else " "
    walked = [speed for speed, curve in curves.items() if curve is not None]
    axes.legend(
        handles=[
            draw.band_entry(NORM_BAND, f"validated on people,{between}moved by up to {LARGEST_PEAK_ERROR:g} %"),
            *(draw.line_entry(x.colour, f"{v:g} m/s", width=x.width) for v, x in zip(walked, lines, strict=True)),
        ],
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


def _cost(axes: Axes, study: ExoStudy) -> None:
    axes.set_title("C  Metabolic power, Bhargava 2004")
    axes.set_ylabel("gross (W/kg)")
    axes.set_xlabel("walking speed (m/s)")
    conditions = [c for c in (NO_DEVICE, UNPOWERED, SPLINE, LEARNED) if c in study.conditions]
    bars = []
    for speed in study.speeds:
        for condition in conditions:
            f = study.figure("gross_bhargava", condition, speed)
            change = study.figure("gross_change_bhargava_from_unpowered", condition, speed)
            words = draw.percent(change.value) if condition == LEARNED else ""
            bars.append(Bar(f"{speed:g}", f.value, STUDY_COLOURS[condition], f.low, f.high, words))
    highest = draw.draw_bars(axes, bars, share=0.8, size=8.5, bold=True)
    axes.set_ylim(0.0, 1.38 * highest or 1.0)
    handles = [draw.band_entry(STUDY_COLOURS[c], STUDY_TITLES[c]) for c in conditions]
    axes.legend(handles=handles, fontsize=8, ncols=2, loc="upper left", handlelength=1.2)
    words = "bars: mean, 95 % interval\npercent: learned from unpowered"
    axes.text(0.985, 0.97, words, transform=axes.transAxes, ha="right", va="top", fontsize=8, color=FAINT_INK)


def _groups(axes: Axes, study: ExoStudy) -> None:
    speed = study.middle_speed
    axes.set_title(f"D  Saved by muscle group, {speed:g} m/s")
    prefix, suffix = "group_", at("_change_from_unpowered", LEARNED, speed)
    changes = {
        name.removeprefix(prefix).removesuffix(suffix).replace("_", " "): figure
        for name, figure in study.figures.items()
        if name.startswith(prefix) and name.endswith(suffix) and math.isfinite(figure.value)
    }
    if not changes:
        draw.words(axes, "not measured")
        return
    ordered = sorted(changes.items(), key=lambda item: -item[1].value)
    for place, (_, f) in enumerate(ordered):
        axes.barh(place, f.value, 0.7, color=STUDY_COLOURS[LEARNED if f.value < 0.0 else UNPOWERED])
        draw.draw_interval(axes, place, f.value, f.low, f.high, horizontal=True)
    axes.set_yticks(range(len(ordered)), [group for group, _ in ordered])
    axes.axvline(0.0, color=NORM_LINE, lw=0.8)
    axes.set_xlabel("learned policy less unpowered (W/kg)")
    axes.xaxis.set_major_locator(MaxNLocator(5))


def _muscle(axes: Axes, study: ExoStudy, muscle: str, first: bool, lowest: bool) -> None:
    axes.set_title(("E  " if first else "") + MUSCLES[muscle], fontsize=9)
    lines, speed = [], study.middle_speed
    for condition in (NO_DEVICE, UNPOWERED, LEARNED):
        curve = study.curve(condition, f"activation_{muscle}", speed)
        if curve is not None:
            width = 1.9 if condition == LEARNED else 1.3
            lines.append(Line(PHASE_PERCENT, curve.mean, None, STUDY_COLOURS[condition], width=width))
    highest = max((float(line.mean.max()) for line in lines), default=0.0)
    draw.draw_stride(axes, lines, limits=(0.0, 1.1 * max(highest, 0.1)), empty="no full stride", label=lowest)
    if first:
        axes.set_ylabel(f"activation, {speed:g} m/s")
