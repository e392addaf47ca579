# SPDX-License-Identifier: Apache-2.0
"""The report of `exo evaluate human`: how human the walker is."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure as Drawing

from exo_core.errors import UserError
from exo_lab.evaluate.evaluate_human import COMMAND, PUSHES_FILE
from exo_lab.evaluate.realism.group import at_speed, split_name
from exo_lab.evaluate.realism.symmetry import MEASURES
from exo_lab.evaluate.realism.targets import (
    CHEAPEST_SPEED_MPS,
    LARGEST_ASYMMETRY_PERCENT,
    LARGEST_SPEED_ERROR_MPS,
    PUSH_SPEED_MPS,
)
from exo_lab.report import draw
from exo_lab.report.catalogue import ACTIVATION, ANGLES, EMG_TITLES, FORCES, MOMENTS, POWERS, Variable
from exo_lab.report.draw import Points
from exo_lab.report.page import (
    REPORT_NAME,
    Block,
    Cell,
    Entry,
    Section,
    heading,
    in_signs,
    lead,
    legend,
    missing,
    pictures,
    side_entries,
    table,
    text,
    tiles,
    title,
    write_page,
)
from exo_lab.report.study import Study, again, load_study, options_of, read_json, same_to_the_digit
from exo_lab.report.style import (
    DASHES,
    INK,
    MISSED,
    NORM_BAND,
    NORM_LINE,
    NORM_WORDS,
    SECOND,
    WALKER,
    shown,
)
from exo_sim.errors import GaitError
from exo_sim.gait.curves import Curve
from exo_sim.gait.reference import NormativeGait
from exo_sim.gait.scores import ACTIVE_SHARE, is_active
from exo_sim.gait.variables import EMG_MUSCLES
from exo_sim.measurement import Figure
from exo_sim.metabolics.models import looney2019
from exo_sim.world.walk import PUSH_DIRECTIONS, PUSH_N, PUSH_S, WATCHED_S

SIDES = tuple(DASHES)
#: How many of the worst misses the first line names, and how many rows the tables of differences have.
NAMED, MOST_ROWS, MOST_CURVES = 3, 12, 8
#: Curves that are compared with people, with their kind; hip rotation differs too much between laboratories
#: (SD 11 degrees).
COMPARED = tuple(
    (kind, variable)
    for kind, variables in (("angle", ANGLES), ("force", FORCES), ("moment", MOMENTS), ("power", POWERS))
    for variable in variables
    if variable.name != "hip_rotation"
)
#: An SD is taken at least this large, as a share of the norm's range: where all people agree (a foot in the
#: air bears no load) any difference would be many SD.
SMALLEST_SD_SHARE = 0.04
LARGEST_SD = 3.0
#: Joint that an angle's figures are named after, and the figure of a force.
JOINTS = {"hip_flexion": "hip", "knee_flexion": "knee", "ankle_dorsiflexion": "ankle"}
FORCE_FIGURES = {"grf_vertical_BW": "grf_vertical_r", "grf_fore_aft_BW": "grf_fore_aft_r"}
#: Options of the command by the configuration's key.
OPTIONS = {
    "speeds": "--speeds",
    "human": "--checkpoint",
    "subject": "--subject",
    "seeds": "--seeds",
    "duration": "--duration",
    "pushes": "--pushes",
    "seed": "--seed",
    "physics_rate": "--physics-rate",
}


@dataclass(frozen=True)
class WalkerStudy(Study):
    """One evaluation of the walker; ``pushes`` are records of trials: origin, phase, recovered and so on."""

    pushes: Sequence[Mapping]

    @cached_property
    def speeds(self) -> list[float]:
        """Commanded speeds (m/s), slowest first."""
        return sorted(float(speed) for speed in self.configuration["speeds"])

    @cached_property
    def norms(self) -> dict[float, NormativeGait]:
        """The norm (children and adolescents, Schwartz 2008) by speed."""
        leg = float(self.configuration["leg_length_m"])
        return {speed: NormativeGait(speed, leg) for speed in self.speeds}

    def figure(self, name: str, speed: float | None = None) -> Figure | None:
        """A figure (at a speed), or None."""
        return self.figures.get(name if speed is None else at_speed(name, speed))

    def value(self, name: str, speed: float | None = None) -> float:
        """Its value; NaN where it is not known."""
        figure = self.figure(name, speed)
        return math.nan if figure is None else figure.value

    def values(self, name: str) -> np.ndarray:
        """Values over the speeds, (S,)."""
        return np.array([self.value(name, speed) for speed in self.speeds])

    def intervals(self, name: str) -> np.ndarray:
        """Intervals over the speeds, (S, 2); NaN where there is none."""
        found = [self.figure(name, speed) for speed in self.speeds]
        return np.array([[math.nan, math.nan] if f is None else [f.low, f.high] for f in found])

    def curve(self, variable: str, side: str, speed: float) -> Curve | None:
        """Mean over all strides of all walks at a speed, or None."""
        try:
            curve = self.curves.get(self.curves.conditions[0], variable, side, speed)
        except (GaitError, IndexError):
            return None
        return curve if np.isfinite(curve.mean).any() else None

    def norm_curve(self, variable: str, speed: float) -> Curve | None:
        """Mean and SD of the norm at a speed, or None."""
        return self.norms[speed].curve(variable) if variable in NormativeGait.variables() else None


def load_walker(folder: str | Path) -> WalkerStudy:
    """Read the folder of an evaluation.

    Raises:
        UserError: not such a folder, or a damaged file.
        GaitError: damaged curves.
    """
    study = load_study(folder, COMMAND, ("speeds", "leg_length_m", "seeds", "duration"))
    record = read_json(study.folder / "run.json")
    try:
        pushes = read_json(study.folder / PUSHES_FILE)["pushes"]
        data = WalkerStudy(study.folder, study.summary, record, study.figures, study.curves, pushes)
        if not (data.speeds and data.norms):
            raise UserError(f"{folder}/summary.json is damaged: it holds no speeds")
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{folder} is damaged: {error} is missing") from error
    return data


def write_walker_page(folder: str | Path) -> Path:
    """Write report.html into the folder of an evaluation. Returns its path.

    Raises:
        UserError: not such a folder, a damaged file, or it cannot be written.
        GaitError: damaged curves.
    """
    data = load_walker(folder)
    sections = [build(data) for build in SECTIONS]
    return write_page(Path(folder) / REPORT_NAME, "exo_gait: the walker", _opening(data), sections)


def command_words(data: WalkerStudy) -> list[str]:
    """The command with everything that the configuration says."""
    return [*COMMAND.split(), *options_of({**data.configuration, "speeds": data.speeds}, OPTIONS)]


# --- the summary


def _opening(data: WalkerStudy) -> list[Block]:
    c = data.configuration
    subject = f"subject {c['subject']}" if c.get("subject") else "the unscaled body (1.70 m, 75 kg)"
    words = (
        f"{c.get('human') or 'the walker that comes with the project'}; {subject}; {c['seeds']} seeds of "
        f"{c['duration']:g} s at {', '.join(f'{speed:g}' for speed in data.speeds)} m/s, {len(data.pushes)} pushes; "
        f"physics at {c.get('physics_rate', math.nan):g} Hz"
    )
    rmse = np.array([data.values(f"{joint}_angle_rmse") for joint in JOINTS.values()])
    worst = float(np.nanmax(rmse)) if np.isfinite(rmse).any() else math.nan
    numbers = [
        (data.targets_met, "targets met"),
        (f"{shown(100.0 * data.value('walks_without_fall'), 0)} %", "of walks without a fall"),
        (f"{shown(worst, 1)}\N{DEGREE SIGN}", "largest RMSE of hip, knee and ankle angle, without offset"),
        (shown_figure(data.figure("cost_r_bhargava")), "correlation of metabolic power over speed with people's"),
    ]
    return [
        title("How human the walker is"),
        text(words, faint=True),
        lead(headline(data)),
        tiles(numbers),
        *missing(data.notes),
    ]


def headline(data: WalkerStudy) -> str:
    """The result in a sentence or two."""
    worst = [figure_title(miss.name)[0].lower() + figure_title(miss.name)[1:] for miss in misses(data)[:NAMED]]
    missed = f" Furthest from people: {'; '.join(worst)}." if worst else ""
    return f"{data.targets_met} targets are met.{missed}"


# --- what differs most from people


@dataclass(frozen=True)
class Miss:
    """A figure that misses its target, at some speeds or, with none, over all speeds together.

    Attributes:
        worst: the figure where it misses by most.
        worst_speed: m/s, or None.
        severity: by how much it misses, over what the target leaves room for; for ranking.
    """

    name: str
    worst: Figure
    worst_speed: float | None
    speeds: tuple[float, ...]
    severity: float


def misses(data: WalkerStudy) -> list[Miss]:
    """All missed figures, worst first; one entry a figure, whatever the number of speeds."""
    by_name: dict[str, list[tuple[float, float | None, Figure]]] = {}
    for name, figure in data.figures.items():
        if figure.met is False:
            stem, speed = split_name(name)
            by_name.setdefault(stem, []).append((severity(figure.value, figure.target), speed, figure))
    found = []
    for name, entries in by_name.items():
        how, speed, figure = max(entries, key=lambda entry: entry[0])
        found.append(Miss(name, figure, speed, tuple(s for _, s, _ in entries if s is not None), how))
    return sorted(found, key=lambda miss: -miss.severity)


def severity(value: float, target: str) -> float:
    """How far a missed figure lies beyond its target: 0 on the target, 1 when the distance to perfection is
    twice what is allowed (perfect is 1 for shares and correlations, 0 for errors, the middle of a range);
    infinite if the value is unknown."""
    if not math.isfinite(value):
        return math.inf
    limits = [float(number) for number in re.findall(r"[-+]?\d*\.?\d+(?:e[-+]?\d+)?", target)]
    if len(limits) == 2:
        middle, room = sum(limits) / 2.0, (limits[1] - limits[0]) / 2.0
        return abs(value - middle) / room - 1.0 if room > 0.0 else abs(value / middle - 1.0)
    if target.startswith("<="):
        return value / limits[0] - 1.0
    return (1.0 - value) / (1.0 - limits[0]) - 1.0


@dataclass(frozen=True)
class Deviation:
    """A variable at a speed: the walker less people, in SD of people.

    Attributes:
        z: (101,) over the stride; for angles without the mean offset.
        mean, norm, sd: (101,) the walker (mean of both legs), people, SD of people, in the variable's unit.
    """

    kind: str
    variable: Variable
    speed: float
    z: np.ndarray
    mean: np.ndarray
    norm: np.ndarray
    sd: np.ndarray

    @property
    def rms(self) -> float:
        """Root mean square of z."""
        return float(np.sqrt(np.mean(self.z**2)))

    @property
    def largest(self) -> int:
        """Percent of the stride where z is largest."""
        return int(np.argmax(np.abs(self.z)))

    @property
    def title(self) -> str:
        """Variable in words: "hip moment"."""
        words = self.variable.title.lower()
        return words if self.kind == "angle" or self.kind in words else f"{words} {self.kind}"


def deviations(data: WalkerStudy) -> list[Deviation]:
    """Every compared variable at every speed that has both curves."""
    found = (_deviation(data, kind, variable, speed) for kind, variable in COMPARED for speed in data.speeds)
    return [deviation for deviation in found if deviation is not None]


def _deviation(data: WalkerStudy, kind: str, variable: Variable, speed: float) -> Deviation | None:
    norm = data.norm_curve(variable.name, speed)
    curves = [data.curve(variable.name, side, speed) for side in SIDES]
    if norm is None or any(curve is None or not np.isfinite(curve.mean).all() for curve in curves):
        return None
    mean = np.mean([curve.mean for curve in curves], axis=0)
    difference = mean - norm.mean
    if kind == "angle":
        difference = difference - difference.mean()
    sd = np.maximum(norm.sd, SMALLEST_SD_SHARE * np.ptp(norm.mean))
    return Deviation(kind, variable, speed, difference / sd, mean, norm.mean, norm.sd)


def _differences(data: WalkerStudy) -> Section:
    """The furthest from people first: missed targets by severity, and curves by SD of people."""
    blocks, found = _missed_targets(misses(data)), deviations(data)
    if found:
        blocks += [*_worst_curves(found), *_deviation_maps(data, found)]
    return Section("differences", "What differs most from people", blocks)


def _missed_targets(found: Sequence[Miss]) -> list[Block]:
    if not found:
        return [text("Every target is met.")]
    rows = [
        [
            figure_title(miss.name),
            Cell(unit_of(miss.worst), "text"),
            Cell(in_signs(miss.worst.target), "text"),
            Cell(shown_figure(miss.worst), "missed"),
            "" if miss.worst_speed is None else f"{miss.worst_speed:g}",
            Cell(", ".join(f"{speed:g}" for speed in miss.speeds), "text"),
        ]
        for miss in found[:MOST_ROWS]
    ]
    head = ["Missed target, furthest first", *(Cell(word, "text") for word in ("unit", "target", "worst")),
            "at (m/s)", Cell("missed at (m/s)", "text")]  # fmt: skip
    rest = f" and {len(found) - MOST_ROWS} more, see the table of all figures" if len(found) > MOST_ROWS else ""
    return [text(f"{len(found)} figures miss their target at one speed or more{rest}."), table(head, rows)]


def _worst_curves(found: Sequence[Deviation]) -> list[Block]:
    """One row a variable, at the speed where it is worst."""
    worst: dict[str, Deviation] = {}
    for deviation in found:
        known = worst.get(deviation.variable.name)
        if known is None or deviation.rms > known.rms:
            worst[deviation.variable.name] = deviation
    rows = []
    for d in sorted(worst.values(), key=lambda d: -d.rms)[:MOST_CURVES]:
        at, unit = d.largest, d.variable.unit.partition(",")[0]
        digits = 1 if unit == "deg" else 2
        mean, norm, sd = (shown(float(values[at]), digits) for values in (d.mean, d.norm, d.sd))
        largest = shown(float(d.z[at]), 1, sign=True)
        rows.append([d.title.capitalize(), f"{d.speed:g}", shown(d.rms, 1), largest, f"{at} %", mean,
                     f"{norm} \N{PLUS-MINUS SIGN} {sd}", Cell(unit, "text")])  # fmt: skip
    head = ["Curve, furthest first", "speed (m/s)", "RMS (SD)", "largest (SD)", "at", "walker", "people",
            Cell("unit", "text")]  # fmt: skip
    words = (
        "Curves in SD of people: root mean square over the stride and the largest deviation, at the speed where each "
        "curve is worst; angles without their mean offset."
    )
    return [text(words, faint=True), table(head, rows)]


def _deviation_maps(data: WalkerStudy, found: Sequence[Deviation]) -> list[Block]:
    speeds = data.speeds
    svgs = []
    for speed in speeds if len(speeds) <= 3 else [speeds[0], speeds[len(speeds) // 2], speeds[-1]]:
        groups: dict[str, dict[str, np.ndarray]] = {}
        for deviation in found:
            if deviation.speed == speed:
                groups.setdefault(deviation.kind, {})[deviation.title] = deviation.z
        if groups:
            unnamed = {" " * place: rows for place, rows in enumerate(groups.values())}

            def compose(speed=speed, rows=unnamed) -> Drawing:
                return draw.stride_map(
                    f"{speed:g} m/s", "SD of people", rows, (-LARGEST_SD, LARGEST_SD), labels=132.0, row=13.0
                )

            svgs.append(draw.svg(f"Deviation from people over the stride at {speed:g} m/s", compose))
    words = "Brown: the walker is above people, purple: below; white: alike."
    return [text(words, faint=True), pictures(3, svgs)] if svgs else []


# --- walking, curves, muscles


STEPS: tuple[tuple[str, str, str, Callable[[NormativeGait], float] | None], ...] = (
    ("step_length", "Step length", "m", lambda norm: norm.step_length_m),
    ("cadence", "Cadence", "steps/min", lambda norm: 120.0 / norm.stride_time_s),
    ("stance_percent", "Stance share", "% of the stride", lambda norm: norm.stance_percent),
    ("step_width", "Step width", "m; people: about 0.1 m", None),
    ("crab_angle", "Pelvis against direction of travel", "deg, mean over the stride; people: 0", None),
)


def _steps(data: WalkerStudy) -> Section:
    """Speed that was walked, and in what steps."""
    speeds = np.array(data.speeds)
    error, interval = data.values("speed") - speeds, data.intervals("speed") - speeds[:, None]
    room = np.full(len(speeds), LARGEST_SPEED_ERROR_MPS)
    name, unit = "Speed walked less speed commanded", "m/s, along the direction of travel; green: target"
    svgs = [_over_speed(data, name, unit, [Points(speeds, error, WALKER, interval)], (speeds, -room, room))]
    for figure, name, unit, norm in STEPS:
        points = [Points(speeds, data.values(figure), WALKER, data.intervals(figure))]
        if norm is not None:
            points.insert(0, Points.norm(data.speeds, [norm(data.norms[speed]) for speed in data.speeds]))
        svgs.append(_over_speed(data, name, unit, points, zero=norm is None))
    c = data.configuration
    upright = ", ".join(
        f"{shown(100 * data.value('walks_without_fall', speed), 0)} % at {speed:g} m/s" for speed in data.speeds
    )
    words = (
        f"{c['seeds']} walks of {c['duration']:g} s at each speed; seeds differ in the phase of the stride that "
        f"walking starts in. Without a fall: {upright}."
    )
    entries = [Entry("dotted_line", WALKER, "walker, mean and 95 % interval over seeds"), _people(NORM_WORDS)]
    return Section("steps", "Speed and steps", [text(words), legend(entries), pictures(3, svgs)])


def _people(words: str) -> Entry:
    return Entry("dashed", INK, words)


def _over_speed(data: WalkerStudy, name: str, unit: str, points: Sequence[Points], target=None, zero: bool = False,
                width: float = draw.WIDTH, height: float = draw.HEIGHT) -> str:  # fmt: skip
    return draw.svg(
        f"{name} against speed",
        lambda: draw.speed_panel(name, unit, points, target, zero, data.speeds, width, height),
    )


def _curve_legend() -> Block:
    return legend([*side_entries(WALKER, "walker, "), Entry("band", NORM_BAND, f"{NORM_WORDS} at the same speed")])


def _speed_row(
    data: WalkerStudy, height: float, left_room: float, draw_one: Callable[[Drawing, tuple, float, bool], None]
) -> Drawing:
    """A row of panels, one a speed, equally wide inside; the first has the scale's numbers.

    Args:
        draw_one: is given the drawing, the panel's place (points), its speed, and whether it is the first.
    """
    drawing = Drawing(figsize=(draw.WIDE / draw.POINTS, height / draw.POINTS))
    gap = 16.0
    inner = (draw.WIDE - left_room - draw.RIGHT - gap * (len(data.speeds) - 1)) / len(data.speeds)
    for place, speed in enumerate(data.speeds):
        x = left_room + place * (inner + gap)
        draw_one(drawing, (x, draw.BOTTOM, inner, height - draw.TOP - draw.BOTTOM), speed, place == 0)
    return drawing


def _curve_row(data: WalkerStudy, variable: Variable, scores: Sequence[tuple[str, str]]) -> list[Block]:
    """Panels of one variable, with the figures named in ``scores`` above each, after their short word."""
    curves = {
        speed: [c for side in SIDES if (c := data.curve(variable.name, side, speed)) is not None]
        for speed in data.speeds
    }
    norms = {speed: data.norm_curve(variable.name, speed) for speed in data.speeds}
    limits = draw.curve_range([c for found in curves.values() for c in found], list(norms.values()))

    def one(drawing: Drawing, place: tuple, speed: float, first: bool) -> None:
        axes = draw.add_axes(drawing, place)
        words = ", ".join(f"{word} {shown_figure(data.figure(name, speed))}" for word, name in scores)
        draw.write_title(drawing, place[0] - (draw.LEFT if first else 4.0), f"{speed:g} m/s", words)
        draw.stride_axes(axes, limits, label=first, few=True)
        if not first:
            axes.set_yticklabels([])
        draw.draw_norm(axes, norms[speed])
        for curve in curves[speed]:
            draw.draw_curve(axes, curve, WALKER, curve.side)
        if not curves[speed]:
            draw.words(axes, "no stride")

    name = f"{variable.title} ({variable.unit}) over the stride at {len(data.speeds)} speeds"
    picture = draw.svg(name, lambda: _speed_row(data, 190.0, draw.LEFT, one))
    return [heading(variable.title, f"({variable.unit})"), pictures(1, [picture])]


def _angle_scores(variable: Variable) -> list[tuple[str, str]]:
    joint = JOINTS.get(variable.name)
    return [("RMSE", f"{joint}_angle_rmse"), ("r", f"{joint}_angle_r")] if joint else []


def _joint_scores(kind: str) -> Callable[[Variable], list[tuple[str, str]]]:
    def scores(variable: Variable) -> list[tuple[str, str]]:
        joint, found, _ = variable.name.partition(f"_{kind}_")
        return [("r", f"{joint}_{kind}_r")] if found and joint in JOINTS.values() else []

    return scores


def _rows_of(
    name: str, heading_words: str, words: str, variables: Sequence[Variable], scores: Callable
) -> Callable[[WalkerStudy], Section]:
    def build(data: WalkerStudy) -> Section:
        rows = [block for variable in variables for block in _curve_row(data, variable, scores(variable))]
        return Section(name, heading_words, [text(words, faint=True), _curve_legend(), *rows])

    return build


def _emg(data: WalkerStudy) -> Section:
    """Five muscles at every speed: activation against EMG, and when both are on."""
    words = (
        "Both are shown over their own largest value, since EMG has no absolute scale; several heads under one "
        f"electrode are averaged. Bars below: where each is on, above {100 * ACTIVE_SHARE:.0f} % of its range in the "
        "stride (grey: people; blue: the walker's right leg above its left). Agreement: share of the stride on which "
        "both are on or both off."
    )
    blocks = [text(words, faint=True), _curve_legend()]
    for name, heads in EMG_MUSCLES.items():

        def one(drawing: Drawing, place: tuple, speed: float, first: bool, name=name, heads=heads) -> None:
            _emg_panel(drawing, place, data, name, heads, speed, first)

        words = f"{EMG_TITLES[name]}: activation against EMG at {len(data.speeds)} speeds"
        picture = draw.svg(words, lambda one=one: _speed_row(data, 200.0, draw.LEFT, one))
        blocks += [heading(EMG_TITLES[name], f"({', '.join(heads)})"), pictures(1, [picture])]
    return Section("muscles", "Muscle activation and EMG", blocks)


def _emg_panel(drawing: Drawing, place: tuple, data: WalkerStudy, name: str, heads: Sequence[str], speed: float,
               first: bool) -> None:  # fmt: skip
    left, bottom, width, height = place
    bars_high = 26.0
    axes = draw.add_axes(drawing, (left, bottom + bars_high + 4.0, width, height - bars_high - 4.0))
    agreement = f"agreement {shown_figure(data.figure(f'{name}_agreement', speed))}"
    draw.write_title(drawing, left - (draw.LEFT if first else 4.0), f"{speed:g} m/s", agreement)
    draw.stride_axes(axes, (0.0, 1.08), label=False)
    axes.set_xticks([])
    if not first:
        axes.set_yticklabels([])
    norm = data.norm_curve(name, speed)
    largest = norm.mean.max()
    draw.draw_norm(axes, replace(norm, mean=norm.mean / largest, sd=norm.sd / largest))
    on = [(norm.phase_percent, is_active(norm.mean), NORM_LINE)]
    for side in SIDES:
        curves = [data.curve(f"{ACTIVATION}{head}", side, speed) for head in heads]
        if all(curve is not None for curve in curves):
            mean = np.mean([curve.mean for curve in curves], axis=0)
            axes.plot(curves[0].phase_percent, mean / mean.max(), color=WALKER, ls=DASHES[side])
            on.append((curves[0].phase_percent, is_active(mean), WALKER))
    bars = draw.add_axes(drawing, (left, bottom, width, bars_high))
    draw.stride_axes(bars, (3.0, 0.0), label=first, few=True)
    bars.set_yticks([])
    bars.spines["left"].set_visible(False)
    for row, (phase, active, colour) in enumerate(on):
        bars.barh(row + 0.5, 100.0, 0.75, color="#F3F3F3")
        bars.fill_between(phase, row + 0.12, row + 0.88, where=active, step="mid", color=colour, lw=0)


# --- cost, pushes, symmetry, all figures


def _cost(data: WalkerStudy) -> Section:
    """Metabolic power and cost per distance against speed, beside what was measured on people."""
    fine = np.linspace(min(data.speeds), max(data.speeds), 41)
    walked, models = data.values("speed"), {"bhargava": WALKER, "umberger": SECOND}
    svgs = []
    for name, unit, figure, people in (
        ("Metabolic power", "W/kg, gross", "metabolic_power", looney2019(fine)),
        ("Cost per distance", "J/kg/m, gross", "cost_of_transport", looney2019(fine) / fine),
    ):
        points = [Points.norm(fine, people)]
        points += [
            Points(walked, data.values(f"{figure}_{model}"), colour, data.intervals(f"{figure}_{model}"))
            for model, colour in models.items()
        ]
        zero = figure == "metabolic_power"
        svgs.append(_over_speed(data, name, unit, points, zero=zero, width=497.0, height=250.0))
    entries = [
        Entry("dotted_line", WALKER, "walker, Bhargava 2004"),
        Entry("dotted_line", SECOND, "walker, Umberger 2010"),
        _people("measured on people, gross (Looney et al. 2019)"),
    ]
    blocks = [text(_cost_words(data)), legend(entries), pictures(2, svgs)]
    return Section("cost", "Metabolic cost against speed", blocks)


def _cost_words(data: WalkerStudy) -> str:
    if data.figure("cost_r_bhargava") is None:
        return "Too few speeds for a curve over speed."
    low, high = CHEAPEST_SPEED_MPS
    ratio = data.values("metabolic_power_bhargava") / looney2019(data.values("speed"))
    r, cheapest = (
        [shown_figure(data.figure(f"{name}_{model}")) for model in ("bhargava", "umberger")]
        for name in ("cost_r", "cheapest_speed")
    )
    return (
        f"Correlation with the measured curve: {r[0]} (Bhargava) and {r[1]} (Umberger). A metre is cheapest at "
        f"{cheapest[0]} and {cheapest[1]} m/s (people: {low:g} to {high:g} m/s). The walker spends "
        f"{shown(np.nanmin(ratio))} to {shown(np.nanmax(ratio))} times what people do (Bhargava): use differences, "
        "not absolute values."
    )


def _pushes(data: WalkerStudy) -> Section:
    """Every trial: where in the stride the push came, and whether the walker walked on."""
    if not data.pushes:
        return Section("pushes", "Pushes", [text("No pushes were tried.")])
    words = (
        f"{PUSH_N:g} N for {PUSH_S:g} s at the pelvis, at {PUSH_SPEED_MPS:g} m/s, at a random instant of the stride. "
        f"Recovered: no fall within {WATCHED_S:g} s."
    )

    def compose() -> Drawing:
        drawing, axes = draw.panel("Pushes", "by side and instant", draw.WIDE, 190.0, left=100.0)
        axes.set_position([0.1, axes.get_position().y0, 0.78, axes.get_position().height])
        axes.set_xlim(0, 100)
        axes.set_ylim(len(PUSH_DIRECTIONS) - 0.5, -0.5)
        names = {"behind": "from behind", "front": "from the front", "left": "from the left", "right": "from the right"}
        axes.set_yticks(range(len(PUSH_DIRECTIONS)), [names[origin] for origin in PUSH_DIRECTIONS])
        axes.set_xlabel("stride of the right leg when the push begins (%)", fontsize=draw.SMALL, labelpad=2)
        for place, origin in enumerate(PUSH_DIRECTIONS):
            own = [trial for trial in data.pushes if trial["origin"] == origin]
            axes.axhline(place, color="#EEEEEE", lw=1.0, zorder=0)
            axes.text(101.5, place, f"{sum(t['recovered'] for t in own)} of {len(own)}", va="center", fontsize=10.5)
            for trial in own:
                if trial["phase"] is not None and math.isfinite(trial["phase"]):
                    mark = {"marker": "o", "color": WALKER} if trial["recovered"] else {
                        "marker": "x", "color": MISSED, "mew": 2.2}  # fmt: skip
                    axes.plot(100.0 * trial["phase"], place, ls="", ms=8, **mark)
        return drawing

    entries = [Entry("dot", WALKER, "walked on"), Entry("cross", MISSED, "fell")]
    picture = draw.svg("Pushes by side and phase of the stride, and whether the walker recovered", compose)
    return Section("pushes", "Pushes", [text(words), legend(entries), pictures(1, [picture])])


def _symmetry(data: WalkerStudy) -> Section:
    """Symmetry indices against speed: left against right."""
    speeds = np.array(data.speeds)
    target = np.full(len(speeds), LARGEST_ASYMMETRY_PERCENT)
    svgs = []
    for measure in MEASURES:
        name = f"asymmetry_{measure}"
        points = [Points(speeds, data.values(name), WALKER, data.intervals(name))]
        unit = "symmetry index (%); green: target"
        svgs.append(_over_speed(data, figure_title(name), unit, points, (speeds, 0.0 * target, target), zero=True))
    words = (
        "Symmetry index 200 |R \N{MINUS SIGN} L| / (R + L) of the means of both legs in a walk (Robinson 1987), mean "
        "and 95 % interval over walks: 0 % is symmetric. Angles: the largest flexion (ankle: dorsiflexion) of the "
        "stride. Curves of all walks together hide an asymmetry whose side differs from walk to walk."
    )
    return Section("symmetry", "Symmetry", [text(words, faint=True), pictures(3, svgs)])


def _targets(data: WalkerStudy) -> Section:
    """Figures of all speeds together, then by speed."""
    words = (
        "Means over walks (both legs averaged within a walk). \N{CHECK MARK} meets its target, "
        "\N{MULTIPLICATION SIGN} misses it. The norm is taken at the commanded speed, interpolated between the five "
        "measured speeds in v / \N{SQUARE ROOT}(g L)."
    )
    unit, target = Cell("unit", "text"), Cell("target", "text")
    overall = [
        [
            figure_title(name),
            Cell(unit_of(figure), "text"),
            Cell(in_signs(figure.target), "text"),
            _marked(figure),
            "" if figure.interval is None else " to ".join(shown(end, digits_of(figure)) for end in figure.interval),
        ]
        for name, figure in data.figures.items()
        if split_name(name)[1] is None
    ]
    stems = dict.fromkeys(stem for stem, speed in map(split_name, data.figures) if speed is not None)
    rows = []
    for name in stems:
        row = [data.figure(name, speed) for speed in data.speeds]
        known = next(figure for figure in row if figure is not None)
        wanted = dict.fromkeys(figure.target for figure in row if figure is not None and figure.target)
        cells = (Cell(unit_of(known), "text"), Cell(in_signs(", ".join(wanted)), "text"))
        rows.append([figure_title(name), *cells, *map(_marked, row)])
    blocks = [
        text(words, faint=True),
        table(["All speeds together", unit, target, "value", "95 % interval"], overall),
        table(["By speed (m/s)", unit, target, *(f"{speed:g}" for speed in data.speeds)], rows),
    ]
    return Section("targets", "Figures and targets", blocks)


def _marked(figure: Figure | None) -> Cell:
    met = None if figure is None else figure.met
    mark = {None: "", True: " \N{CHECK MARK}", False: " \N{MULTIPLICATION SIGN}"}[met]
    kind = {None: "number", True: "number met", False: "number missed"}[met]
    return Cell(shown_figure(figure) + mark, kind)


def _reproduction(data: WalkerStudy) -> Section:
    return again(data, command_words(data), same_to_the_digit())


# --- how figures are called


_JOINTS = ("hip", "knee", "ankle")
TITLES = {
    "walks_without_fall": "Walks without a fall",
    "speed": "Speed along the direction of travel",
    "speed_error": "Error of speed",
    "walked": "Time walked",
    "stance_percent": "Stance share of the stride",
    "drift_of_heading": "Drift of heading over a walk",
    "crab_angle": "Angle of pelvis to direction of travel",
    "grf_vertical_r": "Vertical force, r",
    "grf_fore_aft_r": "Fore-aft force, r",
    "grf_vertical_peaks": "Peaks of vertical force",
    "grf_vertical_largest": "Largest vertical force in any stride",
    "grf_vertical_first_peak": "First peak of vertical force",
    "grf_vertical_second_peak": "Second peak of vertical force",
    "push_off_power": "Ankle push-off power, peak",
    "push_off_excess": "Ankle push-off power over the norm's peak",
    "pushes_recovered": "Pushes recovered from",
    "cost_r_bhargava": "Metabolic power over speed, r, Bhargava 2004",
    "cost_r_umberger": "Metabolic power over speed, r, Umberger 2010",
    "cheapest_speed_bhargava": "Speed of least cost per distance, Bhargava 2004",
    "cheapest_speed_umberger": "Speed of least cost per distance, Umberger 2010",
    "metabolic_power_bhargava": "Metabolic power, Bhargava 2004",
    "metabolic_power_umberger": "Metabolic power, Umberger 2010",
    "cost_of_transport_bhargava": "Cost per distance, Bhargava 2004",
    "cost_of_transport_umberger": "Cost per distance, Umberger 2010",
    **{f"asymmetry_{joint}_peak": f"Asymmetry of {joint} peak angle" for joint in _JOINTS},
    **{f"{joint}_angle_rmse": f"{joint.capitalize()} angle, RMSE without offset" for joint in _JOINTS},
    **{f"{joint}_angle_r": f"{joint.capitalize()} angle, r" for joint in _JOINTS},
    **{f"{joint}_angle_offset": f"{joint.capitalize()} angle, offset" for joint in _JOINTS},
    **{f"{joint}_moment_r": f"{joint.capitalize()} moment, r" for joint in _JOINTS},
    **{f"{joint}_power_r": f"{joint.capitalize()} power, r" for joint in _JOINTS},
    **{f"{emg}_agreement": f"{words}, on and off as EMG" for emg, words in EMG_TITLES.items()},
    **{f"asymmetry_{name}": f"Asymmetry of {name.replace('_', ' ')}" for name in ("step_length", "stance_time")},
    **{f"pushes_from_{side}_recovered": f"Pushes from {words} recovered from" for side, words in
       (("behind", "behind"), ("front", "the front"), ("left", "the left"), ("right", "the right"))},
}  # fmt: skip
#: Decimals by unit.
DIGITS = {"deg": 1, "%": 1, "m/s": 2, "m": 3, "s": 1, "W/kg": 2, "J/kg/m": 2, "SD": 2, "BW": 2, "steps/min": 1}
OTHER_DIGITS = 3


def figure_title(name: str) -> str:
    """Title of a figure by its name without a speed."""
    return TITLES.get(name, name.replace("_", " ").capitalize())


def digits_of(figure: Figure) -> int:
    """Decimals that a figure is shown with."""
    return DIGITS.get(figure.unit, OTHER_DIGITS)


def shown_figure(figure: Figure | None) -> str:
    """Value of a figure, and of how many walks it is not; a dash where it is not known."""
    return shown(None) if figure is None else shown(figure.value, digits_of(figure)) + figure.left_out_words


def unit_of(figure: Figure) -> str:
    """Unit of a figure; nothing for a pure number."""
    return "" if figure.unit == "1" else figure.unit


SECTIONS: tuple[Callable[[WalkerStudy], Section], ...] = (
    _differences,
    _steps,
    _rows_of(
        "angles",
        "Joint angles",
        "RMSE (degrees) is what remains after the mean offset is removed: laboratories disagree by 1.4 to 3.4 degrees "
        "in the offset of joint angles, and the walker's pelvis stands upright where people's is tilted forward by 12 "
        "degrees.",
        ANGLES,
        _angle_scores,
    ),
    _rows_of("moments", "Joint moments", "Internal moments of muscles and passive tissue over body mass.", MOMENTS,
             _joint_scores("moment")),
    _rows_of("powers", "Joint powers", "Sagittal plane, over body mass.", POWERS, _joint_scores("power")),
    _rows_of("forces", "Ground reaction force", "Fore-aft is along each stride's direction of travel.", FORCES,
             lambda variable: [("r", FORCE_FIGURES[variable.name])]),
    _emg,
    _cost,
    _pushes,
    _symmetry,
    _targets,
    _reproduction,
)  # fmt: skip
