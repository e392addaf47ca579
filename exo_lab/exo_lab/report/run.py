# SPDX-License-Identifier: Apache-2.0
"""What the report of a run shows, and of several runs side by side: report.html, comparison.html and gait.png."""

from __future__ import annotations

import dataclasses
import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import yaml
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from exo_core.errors import UserError
from exo_core.joints import SIDES
from exo_lab.evaluate.human_measures import EMG_TITLES
from exo_lab.report import figures as draw
from exo_lab.report.catalogue import (
    ACTIVATION,
    ANGLES,
    DEVICE_POWERS,
    DEVICE_TORQUES,
    FORCES,
    METABOLIC_CURVES,
    MOMENTS,
    POWERS,
    Variable,
    grouped_muscles,
)
from exo_lab.report.figures import Bar, Line
from exo_lab.report.muscle_cost import muscle_costs
from exo_lab.report.page import (
    REPORT_NAME,
    Block,
    Cell,
    Section,
    beside,
    code,
    command,
    condition_legend,
    figure_value,
    heading,
    in_signs,
    lead,
    made_with,
    missing,
    pictures,
    table,
    text,
    tiles,
    title,
    unit_words,
    verdict,
    write_page,
)
from exo_lab.report.run_data import CONDITIONS, METABOLIC_POWER, METABOLIC_POWER_UMBERGER, RunData, load_run
from exo_lab.report.study import words_of
from exo_lab.report.style import (
    COLOURS,
    DASHES,
    DPI,
    INK,
    NORM_BAND,
    NORM_WORDS,
    PNG_METADATA,
    SIDE_NAMES,
    condition_colour,
    counted,
    figure_style,
    shown,
)
from exo_sim.gait.stride_metrics import symmetry_index
from exo_sim.gait.variables import EMG_MUSCLES
from exo_sim.measurement import Figure

COMPARISON_NAME = "comparison.html"
#: More runs would be too narrow to read side by side.
MOST_RUNS = 4
PANELS_IN_A_ROW, FULL_ROW = 3, 4
#: A change within this is none (%).
NO_CHANGE_PERCENT = 0.5
#: Largest activation change that the map of differences resolves.
LARGEST_CHANGE = 0.5
DASH = shown(math.nan)
#: In the picture at the top: hip, knee, ankle, and force.
HEADLINE = (*ANGLES[:3], FORCES[0])
#: What may differ between runs, as their labels name it: words before and after it.
LABEL_KEYS = {
    "subject": ("", ""),
    "device": ("", ""),
    "controller": ("", ""),
    "speed_mps": ("", " m/s"),
    "human_checkpoint": ("", ""),
    "checkpoint": ("", ""),
    "seed": ("seed ", ""),
}
#: Options of `exo sim` by the configuration's key.
OPTIONS = {
    "speed_mps": "--speed",
    "duration_s": "--duration",
    "subject": "--subject",
    "device": "--device",
    "controller": "--controller",
    "checkpoint": "--checkpoint",
    "human_checkpoint": "--human-checkpoint",
    "seed": "--seed",
}
MODES = {"lockstep": ["--lockstep"], "fast": ["--fast"]}
#: Stride figures by name in strides.json: title, unit, digits, and the norm's attribute to compare with.
STRIDE_FIGURES = (
    ("speed", "Speed", "m/s", 2, None),
    ("duration", "Stride time", "s", 3, "stride_time_s"),
    ("cadence", "Cadence", "steps/min", 1, None),
    ("stride_length", "Stride length", "m", 3, None),
    ("step_length", "Step length", "m", 3, "step_length_m"),
    ("step_width", "Step width", "m", 3, None),
    ("stance_percent", "Stance", "% of stride", 1, "stance_percent"),
    (METABOLIC_POWER, "Metabolic power, Bhargava 2004", "W/kg", 2, None),
    (METABOLIC_POWER_UMBERGER, "Metabolic power, Umberger 2010", "W/kg", 2, None),
    ("metabolic_cost", "Cost of transport, Bhargava 2004", "J/kg/m", 2, None),
)
MODELS = ((METABOLIC_POWER, "Bhargava 2004"), (METABOLIC_POWER_UMBERGER, "Umberger 2010"))
Runs = Sequence[RunData]


def write_report_page(run_folder: str | Path) -> Path:
    """Write report.html beside a run's files. Returns its path.

    Raises:
        UserError: not a run's folder, or it cannot be written.
        GaitError: damaged curves.
    """
    run = load_run(run_folder)
    opening = [
        title("Walking in an exoskeleton"),
        text(subtitle(run), faint=True),
        lead(one_line(run)),
        condition_legend(run.conditions),
        pictures(1, [_headline(run)]),
        tiles(_tiles(run)),
        *missing(run.notes),
    ]
    return write_page(run.folder.path / REPORT_NAME, f"exo_gait: {run.label}", opening, _sections([run]))


def write_comparison_page(run_folders: Sequence[str | Path], output: str | Path = COMPARISON_NAME) -> Path:
    """Write several runs side by side into one file. Returns its path.

    Raises:
        UserError: fewer than two runs or too many, not runs' folders, or the file cannot be written.
        GaitError: damaged curves.
    """
    if not 2 <= len(run_folders) <= MOST_RUNS:
        raise UserError(f"give 2 to {MOST_RUNS} runs to compare, got {len(run_folders)}")
    runs = label_runs([load_run(folder) for folder in run_folders])
    opening = [
        title(f"{len(runs)} runs side by side"),
        table(COMPARISON_HEAD, [_comparison_row(run) for run in runs]),
        text("; ".join(f"{run.label}: {run.folder.path.name}" for run in runs), faint=True),
        condition_legend(_conditions(runs), False, False, False),
        pictures(2, [_cost_bars(runs, *model, width=draw.WIDTH * 1.6) for model in MODELS]),
        *missing([f"{run.label}: {line}" for run in runs for line in run.notes]),
    ]
    return write_page(Path(output), "exo_gait: comparison", opening, _sections(runs))


def label_runs(runs: Runs) -> list[RunData]:
    """The same runs with a letter each and what sets them apart."""
    different = [key for key in LABEL_KEYS if len({str(run.configuration.get(key)) for run in runs}) > 1]
    labelled = []
    for letter, run in zip("ABCDEFGH", runs, strict=False):
        known = [words for key in different if (words := _value_words(key, run.configuration.get(key)))]
        labelled.append(dataclasses.replace(run, label=f"{letter} {', '.join(known[:2])}".strip()))
    return labelled


def _value_words(key: str, value) -> str:
    if value in (None, ""):
        return ""
    words = f"{value:g}" if isinstance(value, float) else Path(value).stem if isinstance(value, str) else str(value)
    return words.join(LABEL_KEYS[key])


def command_line(configuration: Mapping) -> str:
    """`exo sim` with everything that the configuration says; empty values are the defaults and left out."""
    mode = MODES.get(configuration.get("mode", ""), [])
    return shlex.join(["exo", "sim", *mode, *words_of(configuration, OPTIONS)])


# --- what runs share


def _conditions(runs: Runs) -> list[str]:
    return list(dict.fromkeys(condition for run in runs for condition in run.conditions))


def _label(runs: Runs, run: RunData) -> str:
    """What a panel's title begins with: nothing where there is one run only."""
    return f"{run.label} \N{MIDDLE DOT} " if len(runs) > 1 else ""


def _labels(runs: Runs, alone: str = "") -> list[str]:
    return [run.label if len(runs) > 1 else alone for run in runs]


def _legs(runs: Runs) -> list[tuple[RunData, str, str]]:
    """Every run, condition and side, in the order of tables."""
    return [(run, condition, side) for run in runs for condition in run.conditions for side in SIDES]


def _panels(runs: Runs, name: str, compose: Callable[[RunData, str], Drawing], words: str = "") -> list[str]:
    """A panel for each run; `compose` is given the run and the panel's title, `words` describe it further."""
    return [
        draw.svg(f"{_label(runs, run)}{name}{words}", lambda run=run: compose(run, f"{_label(runs, run)}{name}"))
        for run in runs
    ]


def _columns(runs: Runs, alone: int = PANELS_IN_A_ROW) -> tuple[int, float]:
    """Panels in a row, and the width of one, so that text comes out equally large whatever their number."""
    columns = len(runs) if len(runs) > 1 else alone
    return columns, draw.WIDTH * PANELS_IN_A_ROW / columns


# --- the summary


def subtitle(run: RunData) -> str:
    """Who walked how fast in what."""
    c = run.configuration
    if not c:
        return "config.yaml is missing: subject, device and speed are not known"
    who = f"{run.subject.name} ({run.subject.height_m:.2f} m, {run.subject.mass_kg:g} kg)"
    worn = ", ".join(f"{key} {c.get(key, '?')}" for key in ("device", "controller", "seed"))
    return f"{c.get('speed_mps', math.nan):g} m/s commanded, subject {who}, {worn}"


def one_line(run: RunData) -> str:
    """The result in a sentence or two."""
    before, after = (run.mean(METABOLIC_POWER, condition) for condition in CONDITIONS)
    change = metabolic_change(run)
    if math.isfinite(change):
        verb = (
            "left metabolic power as it was"
            if abs(change) < NO_CHANGE_PERCENT
            else f"{'lowered' if change < 0.0 else 'raised'} metabolic power by {shown(abs(change), 1)} %"
        )
        first = f"Assistance {verb}, from {shown(before)} to {shown(after)} W/kg."
    else:
        first = "The run does not show what assistance does: strides with and without it are needed."
    met, count = _verdicts(run)
    judged = f" {met} of {count} targets are met" if count else " No targets were judged"
    falls, faults = run.record.get("falls"), run.record.get("device_faults")
    fell = "" if falls is None else f", {'no fall' if not falls else counted(falls, 'fall')}"
    latched = "" if faults is None else f", {', '.join(faults) if faults else 'no device fault'}"
    return f"{first}{judged}{fell}{latched}."


def metabolic_change(run: RunData) -> float:
    """Assisted against unassisted in percent; NaN without both."""
    before, after = (run.mean(METABOLIC_POWER, condition) for condition in CONDITIONS)
    return 100.0 * (after - before) / before


def _verdicts(run: RunData) -> tuple[int, int]:
    judged = [figure["met"] for figure in run.summary.get("figures", []) if figure["met"] is not None]
    return sum(judged), len(judged)


def _tiles(run: RunData) -> list[tuple[str, str]]:
    met, count = _verdicts(run)
    speeds = " / ".join(shown(run.mean("speed", condition)) for condition in run.conditions)
    falls, faults = run.record.get("falls"), run.record.get("device_faults")
    stops = f"{DASH if falls is None else falls} / {DASH if faults is None else len(faults)}"
    return [
        (f"{shown(metabolic_change(run), 1, sign=True)} %", "metabolic power, assisted against unassisted"),
        (f"{speeds} m/s" if speeds else DASH, ", ".join(["walking speed", " / ".join(run.conditions)]).strip(", ")),
        (f"{met} of {count}" if count else DASH, "targets met"),
        (stops, "falls / device faults"),
    ]


COMPARISON_HEAD = (
    *("Run", "subject", "device", "controller", "speed (m/s)", "seed", "unassisted (W/kg)", "assisted (W/kg)"),
    *("change (%)", "falls", "targets met"),
)


def _comparison_row(run: RunData) -> list[str]:
    met, count = _verdicts(run)
    c = run.configuration
    return [
        run.label,
        *(str(c.get(key, "?")) for key in ("subject", "device", "controller")),
        shown(run.speed_mps),
        str(c.get("seed", "?")),
        *(shown(run.mean(METABOLIC_POWER, condition)) for condition in CONDITIONS),
        shown(metabolic_change(run), 1, sign=True),
        str(run.record.get("falls", "?")),
        f"{met} of {count}" if count else DASH,
    ]


# --- curves over the stride


def _lines(run: RunData, variable: str) -> list[Line]:
    """Curves of a variable in every condition and on both sides."""
    found = ((run.curve(condition, variable, side), condition) for _, condition, side in _legs([run]))
    return [Line.of(c, condition_colour(condition)) for c, condition in found if c and np.isfinite(c.mean).any()]


def stride_range(runs: Runs, variable: str) -> tuple[float, float] | None:
    """Common range of a variable in several runs, norm included; None where none has it."""
    return draw.curve_range(
        [line for run in runs for line in _lines(run, variable)], [run.norm_curve(variable) for run in runs]
    )


def _draw_variable(axes: Axes, run: RunData, variable: Variable, limits: tuple[float, float] | None) -> None:
    lines = _lines(run, variable.name)
    draw.draw_stride(axes, lines, run.norm_curve(variable.name), limits)
    for condition in run.conditions if lines else ():
        draw.draw_toe_off(axes, run.mean("stance_percent", condition), condition_colour(condition))


def _curve_grid(runs: Runs, variables: Sequence[Variable]) -> Block:
    """One panel a variable; with several runs one row a variable, side by side on the same scale."""
    columns, width = _columns(runs, FULL_ROW if len(variables) == FULL_ROW else PANELS_IN_A_ROW)
    svgs = []
    for variable in variables:
        limits = stride_range(runs, variable.name)

        def compose(run: RunData, name: str, variable=variable, limits=limits) -> Drawing:
            drawing, axes = draw.panel(name, variable.unit, width)
            _draw_variable(axes, run, variable, limits)
            return drawing

        svgs += _panels(runs, variable.title, compose, f" ({variable.unit}) over the stride")
    return pictures(columns, svgs)


def _curves(name: str, heading_words: str, variables: Sequence[Variable], words: str = "") -> Callable[[Runs], Section]:
    def build(runs: Runs) -> Section:
        blocks = [text(words, faint=True)] if words else []
        return Section(
            name, heading_words, [*blocks, condition_legend(_conditions(runs)), _curve_grid(runs, variables)]
        )

    return build


def _headline(run: RunData) -> str:
    """Cost by condition, then the gait against the norm, in one figure."""

    def compose() -> Drawing:
        height, room = 2 * draw.HEIGHT / 1.9, 176.0
        drawing = Drawing(figsize=(draw.WIDE / draw.POINTS, height / draw.POINTS))
        floor, high = draw.BOTTOM, height - draw.TOP - draw.BOTTOM
        draw.write_title(drawing, 0.0, "Metabolic power", "W/kg, gross")
        axes = draw.add_axes(drawing, (draw.LEFT, floor, 120.0, high))
        draw.draw_bars(axes, _cost_of(run, METABOLIC_POWER), empty="")
        axes.tick_params(axis="x", labelsize=9)
        step = (draw.WIDE - room) / len(HEADLINE)
        for place, variable in enumerate(HEADLINE):
            x = room + place * step
            draw.write_title(drawing, x, variable.title, variable.unit)
            inner = (x + draw.LEFT, floor, step - draw.LEFT - draw.RIGHT, high)
            _draw_variable(draw.add_axes(drawing, inner), run, variable, None)
        return drawing

    return draw.svg(
        "Metabolic power, hip, knee and ankle angle and vertical ground reaction force in both conditions", compose
    )


def _mean_sd(values: np.ndarray, digits: int = 3) -> str:
    if not values.size:
        return DASH
    return f"{shown(float(values.mean()), digits)} \N{PLUS-MINUS SIGN} {shown(draw.sample_sd(values), digits)}"


def _device(runs: Runs) -> Section:
    """Torque and power of the exoskeleton, and its work a stride."""
    known = {name for run in runs for name in run.curves.variables}
    driven = [variable for variable in (*DEVICE_TORQUES, *DEVICE_POWERS) if variable.name in known]
    if not driven:
        return Section("device", "Exoskeleton", [text("No curve of torque or power of a device was recorded.")])
    joints = [v.name.removeprefix("exo_torque_").removesuffix("_Nm_kg") for v in driven if v in DEVICE_TORQUES]
    rows = [
        [
            f"{_label(runs, run)}{condition}, {SIDE_NAMES[side]} leg",
            *(_mean_sd(run.values(name, condition, side)) for name in ("exo_positive_work", "exo_negative_work")),
            *(_mean_sd(_peaks(run, condition, side, joint)) for joint in joints),
        ]
        for run, condition, side in _legs(runs)
    ]
    head = ["Work of a stride", "given (J/kg)", "taken (J/kg)", *(f"peak {joint} (Nm/kg)" for joint in joints)]
    blocks = [condition_legend(_conditions(runs), norm=False), _curve_grid(runs, driven), table(head, rows)]
    return Section("device", "Exoskeleton torque and power", blocks)


def _peaks(run: RunData, condition: str, side: str, joint: str) -> np.ndarray:
    """Largest torque of each stride at a driven joint (Nm/kg)."""
    return np.array(
        [
            peak
            for stride in run.strides_of(condition, side)
            for name, peak in zip(stride.get("exo_joint_names", ()), stride.get("exo_torque_peak", ()), strict=False)
            if name.split("_")[0] == joint and peak is not None
        ],
        dtype=float,
    )


# --- muscles


def _muscles(runs: Runs) -> Section:
    """Activation maps of both legs, and five muscles against measured EMG."""
    maps = [pictures(3, svgs) for run in runs for side in SIDES if (svgs := _maps(runs, run, side))]
    columns, width = _columns(runs)
    panels: list[str] = []
    for emg, name in EMG_TITLES.items():
        panels += _panels(
            runs, name, lambda run, t, emg=emg: _emg_panel(run, t, emg, width), ": activation against EMG"
        )
    blocks = [
        text(
            "Activation from 0 (light) to 1 (dark) over the stride from that leg's heel strike, muscles from hip to foot. "
            "The third map is assisted minus unassisted: purple where assistance relieves a muscle, brown where it works "
            "more.",
            faint=True,
        ),
        *(maps or [text("No activation was recorded.")]),
        heading("Against measured EMG"),
        text(
            "Grey: linear envelope of typically developing children and adolescents (Schwartz et al. 2008). Both are "
            "shown over their own largest value, since EMG has no absolute scale; several heads under one electrode are "
            "averaged.",
            faint=True,
        ),
        condition_legend(_conditions(runs), norm=False, toe_off=False),
        pictures(columns, panels),
    ]
    return Section("muscles", "Muscle activation", blocks)


def activation_rows(run: RunData, condition: str, side: str) -> dict[str, np.ndarray]:
    """Mean activation (101,) over the stride by muscle; empty without curves of that side and condition."""
    curves = {muscle: run.curve(condition, f"{ACTIVATION}{muscle}", side) for muscle in run.muscles}
    return {m: np.interp(np.arange(101.0), c.phase_percent, c.mean) for m, c in curves.items() if c is not None}


def _maps(runs: Runs, run: RunData, side: str) -> list[str]:
    leg = f"{_label(runs, run)}{SIDE_NAMES[side].capitalize()} leg"
    by_condition = {c: rows for c in run.conditions if (rows := activation_rows(run, c, side))}
    maps = [(f"{leg}, {c}", "activation", rows, (0.0, 1.0)) for c, rows in by_condition.items()]
    if set(CONDITIONS) <= set(by_condition):
        before, after = (by_condition[condition] for condition in CONDITIONS)
        change = {m: after[m] - before[m] for m in before if m in after}
        maps.append((f"{leg}, change", "assisted minus unassisted", change, (-LARGEST_CHANGE, LARGEST_CHANGE)))
    svgs = []
    for name, unit, rows, limits in maps:
        groups = {group: {m: rows[m] for m in own} for group, own in grouped_muscles(list(rows)).items()}
        words = f"{name}: activation of {len(rows)} muscles over the stride"
        svgs.append(
            draw.svg(words, lambda map_=(name, unit, groups, limits): draw.stride_map(*map_, labels=128.0, row=8.5))
        )
    return svgs


def _emg_panel(run: RunData, name: str, emg: str, width: float) -> Drawing:
    heads = EMG_MUSCLES[emg]
    drawing, axes = draw.panel(name, f"over its largest value; {', '.join(heads)}", width)
    lines = []
    for _, condition, side in _legs([run]):
        curves = [c for head in heads if (c := run.curve(condition, f"{ACTIVATION}{head}", side)) is not None]
        if len(curves) < len(heads):  # a run whose gait had no stride on this side
            continue
        mean = np.mean([curve.mean for curve in curves], axis=0)
        if np.nanmax(mean) > 0.0:
            phase, colour = curves[0].phase_percent, condition_colour(condition)
            lines.append(Line(phase, mean / np.nanmax(mean), None, colour, DASHES[side]))
    draw.draw_stride(axes, lines, draw.over_largest(run.norm_curve(emg)), (0.0, 1.08), empty="")
    return drawing


# --- metabolic cost


def _metabolic(runs: Runs) -> Section:
    """Cost by condition, over time, over the stride and by muscle group."""
    panels = [_cost_bars(runs, *model) for model in MODELS]
    panels += _panels(runs, "Each stride", _cost_of_each_stride, ": metabolic power")
    blocks = [
        text("Gross power of the whole body over the wearer's mass, basal rate included.", faint=True),
        condition_legend(_conditions(runs), norm=False),
        pictures(3, panels),
        _curve_grid(runs, METABOLIC_CURVES),
    ]
    for run in runs:
        blocks += _cost_by_group(runs, run)
    return Section("metabolic", "Metabolic cost", blocks)


def _cost_of(run: RunData, name: str, group: str = "") -> list[Bar]:
    """A bar a condition."""
    return [Bar.of(group or c, run.values(name, c), condition_colour(c)) for c in run.conditions]


def _cost_bars(runs: Runs, name: str, model: str, width: float = draw.WIDTH) -> str:
    bars = [bar for run, label in zip(runs, _labels(runs), strict=True) for bar in _cost_of(run, name, label)]
    unit = "W/kg, gross, mean and SD of strides"
    return draw.svg(
        f"Metabolic power by condition, {model}", lambda: draw.bar_panel(f"By condition, {model}", unit, bars, width)
    )


def _cost_of_each_stride(run: RunData, name: str) -> Drawing:
    drawing, axes = draw.panel(name, "W/kg, gross, Bhargava 2004; rings: left leg")
    draw_cost_over_time(axes, run.strides, 4.5)
    axes.set_xlabel("simulated time (s)", fontsize=draw.SMALL, labelpad=2)
    return drawing


def draw_cost_over_time(axes: Axes, strides: Sequence[Mapping], size: float) -> None:
    """A dot for each stride of the right leg, a ring for the left."""
    known = [stride for stride in strides if stride.get(METABOLIC_POWER) is not None]
    for stride in known:
        colour = condition_colour(stride["condition"])
        filled = colour if stride["side"] == "r" else "white"
        axes.plot(stride["end"], stride[METABOLIC_POWER], "o", ms=size, mec=colour, mfc=filled)
    axes.set_xlim(left=0.0)
    if known:
        axes.set_ylim(0.0, 1.3 * max(stride[METABOLIC_POWER] for stride in known))
    else:
        axes.set_yticks([])
        draw.words(axes, "no full stride")


def _cost_by_group(runs: Runs, run: RunData) -> list[Block]:
    name = f"{_label(runs, run)}Metabolic cost by muscle group"
    try:
        costs = muscle_costs(run)
    except UserError as error:
        return missing([f"{name}: {error}."])
    if not costs:
        return missing([f"{name}: nothing was walked without a fall in a measured part."])
    first = next(iter(costs.values()))
    bars = []
    for group, members in grouped_muscles(list(first.by_muscle)).items():
        for condition, cost in costs.items():
            power = sum(cost.by_muscle[m] for m in members)
            bars.append(Bar(group, power, condition_colour(condition), words=shown(power)))
    rest = max(abs(sum(c.by_muscle.values()) + c.basal - c.recorded) / c.recorded for c in costs.values())
    words = (
        "Both legs together, worked out from the recording with the simulator's own model (Bhargava 2004); the rest of "
        f"the body adds {first.basal:.1f} W/kg. The sum agrees with the recorded whole-body power to {100.0 * rest:.1f} %."
    )
    unit = "W/kg of body mass, mean over the measured time"
    panel = draw.svg(name, lambda: draw.bar_panel(name, unit, bars, draw.WIDE, 230.0))
    return [text(words, faint=True), pictures(1, [panel])]


# --- symmetry


def _symmetry(runs: Runs) -> Section:
    """Symmetry indices of stride figures, ranges of motion, force and power."""
    width = draw.WIDE if len(runs) == 1 else draw.WIDE / 2

    def compose(run: RunData, name: str) -> Drawing:
        rows = {
            measure: {c: symmetry_index(read(run, c, "r"), read(run, c, "l")) for c in run.conditions}
            for measure, read in SYMMETRY_MEASURES.items()
        }
        return draw.dot_rows(name, "symmetry index (%)", rows, condition_colour, width)

    words = (
        "Symmetry index 200 |R \N{MINUS SIGN} L| / (R + L) of the means of both legs (Robinson 1987): 0 % is symmetric."
    )
    legend = condition_legend(_conditions(runs), False, False, False)
    panels = pictures(min(len(runs), 2), _panels(runs, "Asymmetry", compose, ": symmetry indices"))
    return Section("symmetry", "Symmetry", [text(words, faint=True), legend, panels])


Reader = Callable[[RunData, str, str], float]


def _stance_time(run: RunData, condition: str, side: str) -> float:
    share, duration = (run.mean(name, condition, side) for name in ("stance_percent", "duration"))
    return share / 100.0 * duration


def _range_of(joint: str) -> Reader:
    def read(run: RunData, condition: str, side: str) -> float:
        parts = ("joint_names", "angle_min", "angle_max")
        ranges = [
            high - low
            for stride in run.strides_of(condition, side)
            for name, low, high in zip(*(stride.get(part, ()) for part in parts), strict=False)
            if name == f"{joint}_{side}"
        ]
        return float(np.mean(ranges)) if ranges else math.nan

    return read


def _peak_of(variable: str) -> Reader:
    def read(run: RunData, condition: str, side: str) -> float:
        curve = run.curve(condition, variable, side)
        return float(np.nanmax(curve.mean)) if curve is not None and np.isfinite(curve.mean).any() else math.nan

    return read


SYMMETRY_MEASURES: dict[str, Reader] = {
    "step length": lambda run, condition, side: run.mean("step_length", condition, side),
    "stance time": _stance_time,
    "hip range of motion": _range_of("hip_flexion"),
    "knee range of motion": _range_of("knee_angle"),
    "ankle range of motion": _range_of("ankle_angle"),
    "peak vertical force": _peak_of("grf_vertical_BW"),
    "peak ankle power": _peak_of("ankle_power_W_kg"),
    "peak ankle assistance": _peak_of("exo_torque_ankle_Nm_kg"),
}


# --- numbers


def _strides(runs: Runs) -> Section:
    """Means and SD of stride figures by condition and leg."""
    columns, alone = _legs(runs), len(runs) == 1
    if not columns:
        return Section("strides", "Strides", [text("No full stride was walked in a measured part of the run.")])
    rows = []
    for name, words, unit, digits, attribute in STRIDE_FIGURES:
        norm = getattr(runs[0].norm, attribute or "", math.nan)
        numbers = [_mean_sd(run.values(name, condition, side), digits) for run, condition, side in columns]
        rows.append([f"{words} ({unit})", *numbers, *([shown(norm, digits)] if alone else [])])
    counts = [str(len(run.strides_of(condition, side))) for run, condition, side in columns]
    rows.append(["Strides", *counts, *([""] if alone else [])])
    heads = [f"{_label(runs, run)}{condition}, {SIDE_NAMES[side]}" for run, condition, side in columns]
    norms = ["children (Schwartz 2008)"] if alone else []
    return Section("strides", "Strides", [table(["Mean \N{PLUS-MINUS SIGN} SD", *heads, *norms], rows)])


def _health(runs: Runs) -> Section:
    """Faults, falls, rates and latencies."""
    readers: dict[str, Callable[[Mapping], str]] = {
        "Run": lambda r: {True: "complete", False: "interrupted"}.get(r.get("complete"), DASH),
        "Falls of the wearer": lambda r: str(r.get("falls", DASH)),
        "Device faults latched": lambda r: ", ".join(r["device_faults"]) or "none" if "device_faults" in r else DASH,
        "Device's last cause": lambda r: r.get("device_cause") or DASH,
        "Time from start to first step (s)": lambda r: shown(r.get("first_step_s", math.nan), 1),
        "Duration, wall time (s)": lambda r: shown(r.get("wall_time_s", math.nan), 1),
    }
    graphs = [run.record.get("graph") or {} for run in runs]
    latencies, rates = ([graph.get(key, {}) for graph in graphs] for key in ("latencies", "rates_hz"))
    rows = [[name, *(Cell(read(run.record), "text") for run in runs)] for name, read in readers.items()]
    groups: list[list[Block]] = [[table(["", *_labels(runs)], rows)]]
    names = sorted({name for known in latencies for name in known})
    if names:
        rows = [[name.replace("_", " "), *(_latency(known.get(name)) for known in latencies)] for name in names]
        head = ["median / 99th percentile (ms)", *_labels(runs)]
        groups.append([heading("Round trips, wall time"), table(head, rows)])
    topics = list(dict.fromkeys(topic for known in rates for topic in known))
    if topics:
        rows = [[topic, *(shown(known.get(topic, math.nan), 1) for known in rates)] for topic in topics]
        groups.append([heading("Rates of topics, wall time"), table(["topic (Hz)", *_labels(runs)], rows)])
    else:
        groups.append([text("Rates and round trips are not known: nothing was recorded.", faint=True)])
    return Section("health", "Device health", [beside(groups)])


def _latency(figures: Mapping | None) -> str:
    return f"{shown(figures['median_ms'], 1)} / {shown(figures['p99_ms'], 1)}" if figures else DASH


def _targets(runs: Runs) -> Section:
    """All figures of summary.json, with their targets."""
    by_run = [{f["name"]: Figure.from_entry(f) for f in run.summary.get("figures", [])} for run in runs]
    rows = []
    for name in dict.fromkeys(name for figures in by_run for name in figures):
        known = next(figures[name] for figures in by_run if name in figures)
        row = [name.replace("_", " "), Cell(unit_words(known), "text"), Cell(in_signs(known.target), "text")]
        for figures in by_run:
            found = figures.get(name)
            digits = 0 if known.unit == "1" and found is not None and float(found.value).is_integer() else 3
            row += [DASH if found is None else figure_value(found, digits), verdict(found.met if found else None)]
        rows.append(row)
    if not rows:
        return Section("targets", "Figures and targets", [text("No figures: summary.json is missing or empty.")])
    values = [words for label in _labels(runs, "value") for words in (label, "")]
    head = ["Figure", Cell("unit", "text"), Cell("target", "text"), *values]
    return Section("targets", "Figures and targets", [table(head, rows)])


def _reproduction(runs: Runs) -> Section:
    """Command, versions, revision, seed, configuration."""
    blocks = []
    for run in runs:
        blocks += [heading(run.label)] if len(runs) > 1 else []
        blocks += [command(command_line(run.configuration))] if run.configuration else []
        if run.configuration and run.configuration.get("mode") != "lockstep":
            words = (
                "The run was not in lockstep: its numbers depend on the machine's timing and come out close, not equal."
            )
            blocks.append(text(words, faint=True))
        seed = ("Seed", str(run.summary.get("seed", DASH)))
        blocks += [made_with(run.summary, run.record, seed, ("Run folder", run.folder.path.name))]
        content = yaml.safe_dump(dict(run.configuration), sort_keys=True)
        blocks += [heading("Configuration"), code(content) if run.configuration else text("config.yaml is missing.")]
    return Section("reproduction", "How to reproduce it", blocks)


MOMENT_WORDS = "Internal moments of muscles, passive tissue and device together, over the wearer's mass."
SECTIONS: tuple[Callable[[Runs], Section], ...] = (
    _curves("angles", "Joint angles", ANGLES),
    _curves("moments", "Joint moments", MOMENTS, MOMENT_WORDS),
    _curves("powers", "Joint powers", POWERS, "Sagittal plane; muscles, passive tissue and device together."),
    _curves("forces", "Ground reaction force", FORCES),
    _muscles,
    _device,
    _metabolic,
    _symmetry,
    _strides,
    _health,
    _targets,
    _reproduction,
)


def _sections(runs: Runs) -> list[Section]:
    return [build(runs) for build in SECTIONS]


# --- gait.png

PICTURE_IN = (12.6, 6.3)


def draw_run(path: Path, run: RunData) -> None:
    """Write the picture as PNG: angles and force against the norm, assistance, metabolic cost; panels without data say so.

    Raises OSError if it cannot be written.
    """
    with figure_style():
        drawing = draw.sheet(PICTURE_IN, "Walking with and without assistance", subtitle(run), x=0.05)
        panels = drawing.subplots(2, 4)
        variables = (*HEADLINE, DEVICE_TORQUES[0], DEVICE_TORQUES[2])
        for axes, variable in zip(panels.flat, variables, strict=False):
            axes.set_title(variable.title)
            axes.set_ylabel(variable.unit)
            driven = variable in HEADLINE or not len(run.curves)
            draw.draw_stride(axes, _lines(run, variable.name), run.norm_curve(variable.name),
                             empty="no full stride" if driven else "not driven by this device")  # fmt: skip
        over_time, bars = panels[1, 2:]
        for axes, name in ((over_time, "Metabolic power, each stride"), (bars, "Metabolic power")):
            axes.set_title(name)
            axes.set_ylabel("W/kg, gross")
        draw_cost_over_time(over_time, run.strides, 3.6)
        over_time.set_xlabel("simulated time (s); hollow: left leg")
        draw.draw_bars(bars, _cost_of(run, METABOLIC_POWER), empty="no full stride")
        if math.isfinite(metabolic_change(run)):
            bars.set_title(f"{shown(metabolic_change(run), 1, sign=True)} %", loc="right")
        entries = [draw.line_entry(COLOURS[condition], condition) for condition in CONDITIONS]
        entries += [draw.line_entry(INK, f"{SIDE_NAMES[side]} leg", DASHES[side]) for side in SIDES]
        entries.append(draw.band_entry(NORM_BAND, NORM_WORDS))
        drawing.legend(handles=entries, loc="lower center", ncols=len(entries), bbox_to_anchor=(0.5, 0.0))
        drawing.subplots_adjust(left=0.055, right=0.985, top=0.85, bottom=0.14, wspace=0.34, hspace=0.48)
        drawing.savefig(path, dpi=DPI, metadata=PNG_METADATA)
