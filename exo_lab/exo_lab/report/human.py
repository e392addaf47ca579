# SPDX-License-Identifier: Apache-2.0
"""The report of `exo evaluate human`: how human the walker is."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure as Drawing

from exo_core.errors import UserError
from exo_core.joints import SIDES
from exo_lab.evaluate.figures import ANGLES as JOINT_ANGLES
from exo_lab.evaluate.human import COMMAND, PUSHES_FILE
from exo_lab.evaluate.human_measures import (
    CHEAPEST_SPEED_MPS,
    COMPARED_LEGS,
    EMG_TITLES,
    LARGEST_ASYMMETRY_PERCENT,
    LARGEST_SPEED_ERROR_MPS,
    PUSH_SPEED_MPS,
    TITLES,
    at_speed,
    split_name,
)
from exo_lab.report import figures as draw
from exo_lab.report.catalogue import ACTIVATION, ANGLES, FORCES, MOMENTS, POWERS, Variable
from exo_lab.report.figures import Line, Points
from exo_lab.report.page import (
    Block,
    Cell,
    Entry,
    Section,
    heading,
    in_signs,
    legend,
    pictures,
    side_entries,
    table,
    text,
    tiles,
    unit_words,
)
from exo_lab.report.study import Study, load_study, read_json, words_of, write_study
from exo_lab.report.style import DASHES, INK, MISSED, NORM_BAND, NORM_LINE, NORM_WORDS, SECOND, WALKER, shown
from exo_sim.errors import GaitError
from exo_sim.gait.curves import Curve
from exo_sim.gait.reference import NormativeGait
from exo_sim.gait.scores import ACTIVE_SHARE, is_active
from exo_sim.gait.variables import EMG_MUSCLES
from exo_sim.measurement import Figure
from exo_sim.metabolics.models import looney2019
from exo_sim.world.walk import PUSH_DIRECTIONS, PUSH_N, PUSH_S, WATCHED_S

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
SMALLEST_SD_SHARE, LARGEST_SD = 0.04, 3.0
#: Figures that are written above the panels of a curve, after their short word.
SCORES: dict[str, tuple[tuple[str, str], ...]] = {
    **{v: (("RMSE", f"{joint}_angle_rmse"), ("r", f"{joint}_angle_r")) for joint, v in JOINT_ANGLES.items()},
    **{f"{joint}_moment_Nm_kg": (("r", f"{joint}_moment_r"),) for joint in JOINT_ANGLES},
    **{f"{joint}_power_W_kg": (("r", f"{joint}_power_r"),) for joint in JOINT_ANGLES},
    "grf_vertical_BW": (("r", "grf_vertical_r"),),
    "grf_fore_aft_BW": (("r", "grf_fore_aft_r"),),
}
#: Decimals by unit.
DIGITS = {"deg": 1, "%": 1, "m/s": 2, "m": 3, "s": 1, "W/kg": 2, "J/kg/m": 2, "SD": 2, "BW": 2, "steps/min": 1}
OTHER_DIGITS = 3
MARKS = {None: "", True: " \N{CHECK MARK}", False: " \N{MULTIPLICATION SIGN}"}
KINDS = {None: "number", True: "number met", False: "number missed"}
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
class HumanStudy(Study):
    """One evaluation of the walker."""

    @cached_property
    def pushes(self) -> Sequence[Mapping]:
        """Records of trials: origin, phase, recovered and so on. Raises UserError for a damaged file."""
        try:
            return read_json(self.folder / PUSHES_FILE)["pushes"]
        except KeyError as error:
            raise UserError(f"{self.folder} is damaged: {error} is missing") from error

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

    def points(
        self, name: str, colour: str = WALKER, x: np.ndarray | None = None, less: np.ndarray | float = 0.0
    ) -> Points:
        """Values over the speeds (or x) with their intervals, less something (S,)."""
        found = [self.figure(name, speed) for speed in self.speeds]
        interval = np.array([[math.nan, math.nan] if f is None else [f.low, f.high] for f in found])
        at = np.array(self.speeds) if x is None else x
        return Points(at, self.values(name) - less, colour, interval - np.reshape(less, (-1, 1)))

    def curve(self, variable: str, side: str, speed: float) -> Curve | None:
        """Mean over all strides of all walks at a speed, or None."""
        try:
            curve = self.curves.get(self.curves.conditions[0], variable, side, speed)
        except (GaitError, IndexError):
            return None
        return curve if np.isfinite(curve.mean).any() else None

    def both_legs(self, variable: str, speed: float) -> list[Curve]:
        """Curves of both legs, of those that there are."""
        return [curve for side in SIDES if (curve := self.curve(variable, side, speed)) is not None]

    def norm_curve(self, variable: str, speed: float) -> Curve | None:
        """Mean and SD of the norm at a speed, or None."""
        return self.norms[speed].curve(variable) if variable in NormativeGait.variables() else None


def load_human_study(folder: str | Path) -> HumanStudy:
    """Read the folder of an evaluation.

    Raises:
        UserError: not such a folder, or a damaged file.
        GaitError: damaged curves.
    """
    data = load_study(HumanStudy, folder, COMMAND, ("speeds", "leg_length_m", "seeds", "duration"))
    try:
        whole = bool(data.norms) and data.pushes is not None
    except (TypeError, ValueError) as error:
        raise UserError(f"{folder} is damaged: {error}") from error
    if not whole:
        raise UserError(f"{folder}/summary.json is damaged: it holds no speeds")
    return data


def write_page_of(folder: str | Path) -> Path:
    """Write report.html into the folder of an evaluation. Returns its path.

    Raises:
        UserError: not such a folder, a damaged file, or it cannot be written.
        GaitError: damaged curves.
    """
    data = load_human_study(folder)
    same = text("The same code, checkpoint and seeds give the same figures to the last digit.", faint=True)
    return write_study(
        data, "the walker", "How human the walker is", _subtitle(data), headline(data), [tiles(_numbers(data))],
        [build(data) for build in SECTIONS], command_words(data), same,
    )  # fmt: skip


def command_words(data: HumanStudy) -> list[str]:
    """The command with everything that the configuration says."""
    return [*COMMAND.split(), *words_of({**data.configuration, "speeds": data.speeds}, OPTIONS)]


# --- the summary


def _subtitle(data: HumanStudy) -> str:
    c = data.configuration
    subject = f"subject {c['subject']}" if c.get("subject") else "the unscaled body (1.70 m, 75 kg)"
    speeds = ", ".join(f"{speed:g}" for speed in data.speeds)
    return (
        f"{c.get('human') or 'the walker that comes with the project'}; {subject}; {c['seeds']} seeds of "
        f"{c['duration']:g} s at {speeds} m/s, {len(data.pushes)} pushes; physics at {c.get('physics_rate', math.nan):g} Hz"
    )


def _numbers(data: HumanStudy) -> list[tuple[str, str]]:
    rmse = np.array([data.values(f"{joint}_angle_rmse") for joint in JOINT_ANGLES])
    worst = float(np.nanmax(rmse)) if np.isfinite(rmse).any() else math.nan
    return [
        (data.targets_met, "targets met"),
        (f"{shown(100.0 * data.value('walks_without_fall'), 0)} %", "of walks without a fall"),
        (f"{shown(worst, 1)}\N{DEGREE SIGN}", "largest RMSE of hip, knee and ankle angle, without offset"),
        (shown_figure(data.figure("cost_r_bhargava")), "correlation of metabolic power over speed with people's"),
    ]


def headline(data: HumanStudy) -> str:
    """The result in a sentence or two."""
    worst = [figure_title(miss.name)[0].lower() + figure_title(miss.name)[1:] for miss in misses(data)[:NAMED]]
    missed = f" Furthest from people: {'; '.join(worst)}." if worst else ""
    return f"{data.targets_met} targets are met.{missed}"


def figure_title(name: str) -> str:
    """Title of a figure by its name without a speed."""
    return TITLES.get(name, name.replace("_", " ").capitalize())


def shown_figure(figure: Figure | None) -> str:
    """Value of a figure, and of how many walks it is not; a dash where it is not known."""
    if figure is None:
        return shown(None)
    return shown(figure.value, DIGITS.get(figure.unit, OTHER_DIGITS)) + figure.left_out_words


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


def misses(data: HumanStudy) -> list[Miss]:
    """All missed figures, worst first; one entry a figure, whatever the number of speeds."""
    by_name: dict[str, list[tuple[float, float | None, Figure]]] = {}
    for name, figure in data.figures.items():
        if figure.met is False:
            stem, speed = split_name(name)
            by_name.setdefault(stem, []).append((severity(figure.value, figure.target or ""), speed, figure))
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


def deviations(data: HumanStudy) -> list[Deviation]:
    """Every compared variable at every speed that has both curves."""
    found = []
    for kind, variable in COMPARED:
        for speed in data.speeds:
            norm, curves = data.norm_curve(variable.name, speed), data.both_legs(variable.name, speed)
            if norm is None or len(curves) < len(SIDES) or not all(np.isfinite(c.mean).all() for c in curves):
                continue
            mean = np.mean([curve.mean for curve in curves], axis=0)
            difference = mean - norm.mean
            if kind == "angle":
                difference = difference - difference.mean()
            sd = np.maximum(norm.sd, SMALLEST_SD_SHARE * np.ptp(norm.mean))
            found.append(Deviation(kind, variable, speed, difference / sd, mean, norm.mean, norm.sd))
    return found


def _differences(data: HumanStudy) -> Section:
    """The furthest from people first: missed targets by severity, and curves by SD of people."""
    found = deviations(data)
    curves = [*_worst_curves(found), *_deviation_maps(data, found)] if found else []
    return Section("differences", "What differs most from people", [*_missed_targets(misses(data)), *curves])


def _missed_targets(found: Sequence[Miss]) -> list[Block]:
    if not found:
        return [text("Every target is met.")]
    rows = []
    for miss in found[:MOST_ROWS]:
        worst, at = miss.worst, "" if miss.worst_speed is None else f"{miss.worst_speed:g}"
        first = [figure_title(miss.name), Cell(unit_words(worst), "text"), Cell(in_signs(worst.target), "text")]
        speeds = Cell(", ".join(f"{speed:g}" for speed in miss.speeds), "text")
        rows.append([*first, Cell(shown_figure(worst), "missed"), at, speeds])
    head = ["Missed target, furthest first", *(Cell(word, "text") for word in ("unit", "target", "worst")),
            "at (m/s)", Cell("missed at (m/s)", "text")]  # fmt: skip
    rest = f" and {len(found) - MOST_ROWS} more, see the table of all figures" if len(found) > MOST_ROWS else ""
    return [text(f"{len(found)} figures miss their target at one speed or more{rest}."), table(head, rows)]


def _worst_curves(found: Sequence[Deviation]) -> list[Block]:
    """One row a variable, at the speed where it is worst."""
    worst: dict[str, Deviation] = {}
    for deviation in sorted(found, key=lambda d: -d.rms):
        worst.setdefault(deviation.variable.name, deviation)
    rows = []
    for d in list(worst.values())[:MOST_CURVES]:
        at, unit = d.largest, d.variable.unit.partition(",")[0]
        mean, norm, sd = (shown(float(values[at]), 1 if unit == "deg" else 2) for values in (d.mean, d.norm, d.sd))
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


def _deviation_maps(data: HumanStudy, found: Sequence[Deviation]) -> list[Block]:
    speeds, svgs = data.speeds, []
    for speed in speeds if len(speeds) <= 3 else [speeds[0], speeds[len(speeds) // 2], speeds[-1]]:
        groups: dict[str, dict[str, np.ndarray]] = {}
        for deviation in found:
            if deviation.speed == speed:
                groups.setdefault(deviation.kind, {})[deviation.title] = deviation.z
        unnamed = {" " * place: rows for place, rows in enumerate(groups.values())}
        map_ = (f"{speed:g} m/s", "SD of people", unnamed, (-LARGEST_SD, LARGEST_SD))
        if groups:
            svgs.append(
                draw.svg(f"Deviation from people over the stride at {speed:g} m/s",
                         lambda map_=map_: draw.stride_map(*map_, labels=132.0, row=13.0))
            )  # fmt: skip
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


def _steps(data: HumanStudy) -> Section:
    """Speed that was walked, and in what steps."""
    speeds = np.array(data.speeds)
    room = np.full(len(speeds), LARGEST_SPEED_ERROR_MPS)
    unit, error = "m/s, along the direction of travel; green: target", data.points("speed", less=speeds)
    svgs = [_over_speed(data, "Speed walked less speed commanded", unit, [error], (speeds, -room, room))]
    for figure, name, unit, norm in STEPS:
        people = [Points.norm(data.speeds, [norm(data.norms[s]) for s in data.speeds])] if norm is not None else []
        svgs.append(_over_speed(data, name, unit, [*people, data.points(figure)], zero=norm is None))
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


def _over_speed(data: HumanStudy, name: str, unit: str, points: Sequence[Points], target=None, **style) -> str:
    return draw.svg(
        f"{name} against speed", lambda: draw.speed_panel(name, unit, points, target, ticks=data.speeds, **style)
    )


def _curve_legend() -> Block:
    return legend([*side_entries(WALKER, "walker, "), Entry("band", NORM_BAND, f"{NORM_WORDS} at the same speed")])


def _speed_row(data: HumanStudy, title: str, words: str, small: str, height: float, one: Callable) -> list[Block]:
    """A row of panels under a heading, one a speed; `one` draws: (drawing, place in points, speed, whether the first)."""

    def draw_one(drawing: Drawing, place: tuple[float, float, float, float], number: int) -> None:
        one(drawing, place, data.speeds[number], number == 0)

    picture = draw.svg(
        f"{title}{words} at {len(data.speeds)} speeds", lambda: draw.row_of_panels(data.speeds, height, draw_one)
    )
    return [heading(title, f"({small})"), pictures(1, [picture])]


def _panel_title(drawing: Drawing, left: float, speed: float, first: bool, words: str) -> None:
    draw.write_title(drawing, left - (draw.LEFT if first else 4.0), f"{speed:g} m/s", words)


def _curve_row(data: HumanStudy, variable: Variable) -> list[Block]:
    """Panels of one variable, with its figures above each."""
    lines = {speed: [Line.of(c, WALKER) for c in data.both_legs(variable.name, speed)] for speed in data.speeds}
    norms = {speed: data.norm_curve(variable.name, speed) for speed in data.speeds}
    limits = draw.curve_range([line for own in lines.values() for line in own], list(norms.values()))

    def one(drawing: Drawing, place: tuple, speed: float, first: bool) -> None:
        axes = draw.add_axes(drawing, place)
        scores = SCORES.get(variable.name, ())
        words = ", ".join(f"{word} {shown_figure(data.figure(name, speed))}" for word, name in scores)
        _panel_title(drawing, place[0], speed, first, words)
        draw.draw_stride(axes, lines[speed], norms[speed], limits, "no stride", label=first, few=True)
        if not first:
            axes.set_yticklabels([])

    return _speed_row(data, variable.title, f" ({variable.unit}) over the stride", variable.unit, 190.0, one)


def _curves(
    name: str, heading_words: str, words: str, variables: Sequence[Variable]
) -> Callable[[HumanStudy], Section]:
    def build(data: HumanStudy) -> Section:
        rows = [block for variable in variables for block in _curve_row(data, variable)]
        return Section(name, heading_words, [text(words, faint=True), _curve_legend(), *rows])

    return build


def _emg(data: HumanStudy) -> Section:
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

        blocks += _speed_row(data, EMG_TITLES[name], ": activation against EMG", ", ".join(heads), 200.0, one)
    return Section("muscles", "Muscle activation and EMG", blocks)


def _emg_panel(
    drawing: Drawing, place: tuple, data: HumanStudy, name: str, heads: Sequence[str], speed: float, first: bool
) -> None:
    left, bottom, width, height = place
    bars_high = 26.0
    axes = draw.add_axes(drawing, (left, bottom + bars_high + 4.0, width, height - bars_high - 4.0))
    _panel_title(drawing, left, speed, first, f"agreement {shown_figure(data.figure(f'{name}_agreement', speed))}")
    norm = data.norms[speed].curve(name)
    lines, on = [], [(norm.phase_percent, is_active(norm.mean), NORM_LINE)]
    for side in SIDES:
        curves = [c for head in heads if (c := data.curve(f"{ACTIVATION}{head}", side, speed)) is not None]
        if len(curves) == len(heads):
            phase, mean = curves[0].phase_percent, np.mean([curve.mean for curve in curves], axis=0)
            lines.append(Line(phase, mean / mean.max(), None, WALKER, DASHES[side]))
            on.append((phase, is_active(mean), WALKER))
    draw.draw_stride(axes, lines, draw.over_largest(norm), (0.0, 1.08), empty="", label=False)
    axes.set_xticks([])
    if not first:
        axes.set_yticklabels([])
    bars = draw.add_axes(drawing, (left, bottom, width, bars_high))
    draw.draw_stride(bars, [], limits=(3.0, 0.0), empty="", label=first, few=True)
    bars.set_yticks([])
    bars.spines["left"].set_visible(False)
    for row, (phase, active, colour) in enumerate(on):
        bars.barh(row + 0.5, 100.0, 0.75, color="#F3F3F3")
        bars.fill_between(phase, row + 0.12, row + 0.88, where=active, step="mid", color=colour, lw=0)


# --- cost, pushes, symmetry, all figures


def _cost(data: HumanStudy) -> Section:
    """Metabolic power and cost per distance against speed, beside what was measured on people."""
    fine = np.linspace(min(data.speeds), max(data.speeds), 41)
    walked, svgs = data.values("speed"), []
    for name, unit, figure, people in (
        ("Metabolic power", "W/kg, gross", "metabolic_power", looney2019(fine)),
        ("Cost per distance", "J/kg/m, gross", "cost_of_transport", looney2019(fine) / fine),
    ):
        points = [Points.norm(fine, people), data.points(f"{figure}_bhargava", WALKER, walked)]
        points.append(data.points(f"{figure}_umberger", SECOND, walked))
        zero = figure == "metabolic_power"
        svgs.append(_over_speed(data, name, unit, points, zero=zero, width=497.0, height=250.0))
    entries = [
        Entry("dotted_line", WALKER, "walker, Bhargava 2004"),
        Entry("dotted_line", SECOND, "walker, Umberger 2010"),
        _people("measured on people, gross (Looney et al. 2019)"),
    ]
    blocks = [text(_cost_words(data)), legend(entries), pictures(2, svgs)]
    return Section("cost", "Metabolic cost against speed", blocks)


def _cost_words(data: HumanStudy) -> str:
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


PUSHED = {"behind": "from behind", "front": "from the front", "left": "from the left", "right": "from the right"}


def _pushes(data: HumanStudy) -> Section:
    """Every trial: where in the stride the push came, and whether the walker walked on."""
    if not data.pushes:
        return Section("pushes", "Pushes", [text("No pushes were tried.")])

    def compose() -> Drawing:
        drawing, axes = draw.panel("Pushes", "by side and instant", draw.WIDE, 190.0, left=100.0)
        axes.set_position([0.1, axes.get_position().y0, 0.78, axes.get_position().height])
        axes.set_xlim(0, 100)
        names = [PUSHED[origin] for origin in PUSH_DIRECTIONS]
        draw.draw_rows(axes, names, "stride of the right leg when the push begins (%)")
        for place, origin in enumerate(PUSH_DIRECTIONS):
            own = [trial for trial in data.pushes if trial["origin"] == origin]
            axes.text(101.5, place, f"{sum(t['recovered'] for t in own)} of {len(own)}", va="center", fontsize=10.5)
            for trial in own:
                if trial["phase"] is not None and math.isfinite(trial["phase"]):
                    marker, colour = ("o", WALKER) if trial["recovered"] else ("x", MISSED)
                    axes.plot(100.0 * trial["phase"], place, ls="", ms=8, mew=2.2, marker=marker, color=colour)
        return drawing

    words = (
        f"{PUSH_N:g} N for {PUSH_S:g} s at the pelvis, at {PUSH_SPEED_MPS:g} m/s, at a random instant of the stride. "
        f"Recovered: no fall within {WATCHED_S:g} s."
    )
    entries = [Entry("dot", WALKER, "walked on"), Entry("cross", MISSED, "fell")]
    picture = draw.svg("Pushes by side and phase of the stride, and whether the walker recovered", compose)
    return Section("pushes", "Pushes", [text(words), legend(entries), pictures(1, [picture])])


def _symmetry(data: HumanStudy) -> Section:
    """Symmetry indices against speed: left against right."""
    speeds = np.array(data.speeds)
    target = (speeds, 0.0 * speeds, np.full(len(speeds), LARGEST_ASYMMETRY_PERCENT))
    names = [f"asymmetry_{measure}" for measure in COMPARED_LEGS]
    unit = "symmetry index (%); green: target"
    svgs = [_over_speed(data, figure_title(name), unit, [data.points(name)], target, zero=True) for name in names]
    words = (
        "Symmetry index 200 |R \N{MINUS SIGN} L| / (R + L) of the means of both legs in a walk (Robinson 1987), mean "
        "and 95 % interval over walks: 0 % is symmetric. Angles: the largest flexion (ankle: dorsiflexion) of the "
        "stride. Curves of all walks together hide an asymmetry whose side differs from walk to walk."
    )
    return Section("symmetry", "Symmetry", [text(words, faint=True), pictures(3, svgs)])


def _targets(data: HumanStudy) -> Section:
    """Figures of all speeds together, then by speed."""
    words = (
        "Means over walks (both legs averaged within a walk). \N{CHECK MARK} meets its target, "
        "\N{MULTIPLICATION SIGN} misses it. The norm is taken at the commanded speed, interpolated between the five "
        "measured speeds in v / \N{SQUARE ROOT}(g L)."
    )
    overall, rows = [], []
    for name, figure in data.figures.items():
        if split_name(name)[1] is None:
            digits = DIGITS.get(figure.unit, OTHER_DIGITS)
            interval = "" if figure.interval is None else " to ".join(shown(end, digits) for end in figure.interval)
            overall.append([*_named(name, [figure]), _marked(figure), interval])
    for name in dict.fromkeys(stem for stem, speed in map(split_name, data.figures) if speed is not None):
        row = [data.figure(name, speed) for speed in data.speeds]
        rows.append([*_named(name, [figure for figure in row if figure is not None]), *map(_marked, row)])
    head = [Cell("unit", "text"), Cell("target", "text")]
    blocks = [
        text(words, faint=True),
        table(["All speeds together", *head, "value", "95 % interval"], overall),
        table(["By speed (m/s)", *head, *(f"{speed:g}" for speed in data.speeds)], rows),
    ]
    return Section("targets", "Figures and targets", blocks)


def _named(name: str, figures: Sequence[Figure]) -> list[str | Cell]:
    """Title, unit and targets of a row."""
    wanted = dict.fromkeys(figure.target for figure in figures if figure.target)
    return [figure_title(name), Cell(unit_words(figures[0]), "text"), Cell(in_signs(", ".join(wanted)), "text")]


def _marked(figure: Figure | None) -> Cell:
    met = None if figure is None else figure.met
    return Cell(shown_figure(figure) + MARKS[met], KINDS[met])


ANGLE_WORDS = (
    "RMSE (degrees) is what remains after the mean offset is removed: laboratories disagree by 1.4 to 3.4 degrees in the "
    "offset of joint angles, and the walker's pelvis stands upright where people's is tilted forward by 12 degrees."
)
MOMENT_WORDS = "Internal moments of muscles and passive tissue over body mass."
SECTIONS: tuple[Callable[[HumanStudy], Section], ...] = (
    _differences,
    _steps,
    _curves("angles", "Joint angles", ANGLE_WORDS, ANGLES),
    _curves("moments", "Joint moments", MOMENT_WORDS, MOMENTS),
    _curves("powers", "Joint powers", "Sagittal plane, over body mass.", POWERS),
    _curves("forces", "Ground reaction force", "Fore-aft is along each stride's direction of travel.", FORCES),
    _emg,
    _cost,
    _pushes,
    _symmetry,
    _targets,
)
