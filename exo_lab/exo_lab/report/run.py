# SPDX-License-Identifier: Apache-2.0
"""What the report of a run shows, and of several runs side by side."""

from __future__ import annotations

import dataclasses
import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import yaml
from matplotlib.figure import Figure as Drawing

from exo_core.errors import UserError
from exo_core.joints import SIDES
from exo_lab.report import draw
from exo_lab.report.catalogue import (
    ACTIVATION,
    ANGLES,
    DEVICE,
    EMG_TITLES,
    FORCES,
    HEADLINE,
    METABOLIC_CURVES,
    MOMENTS,
    POWERS,
    Variable,
    grouped_muscles,
)
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
    verdict,
    write_page,
)
from exo_lab.report.run_data import (
    CONDITIONS,
    METABOLIC_POWER,
    METABOLIC_POWER_UMBERGER,
    RunData,
    load_run,
)
from exo_lab.report.style import DASHES, SIDE_NAMES, condition_colour, counted, shown
from exo_sim.gait.curves import Curve
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
#: What may differ between runs, as their labels name it.
LABEL_KEYS = {
    "subject": "",
    "device": "",
    "controller": "",
    "speed_mps": " m/s",
    "human_checkpoint": "",
    "checkpoint": "",
    "seed": "seed ",
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
        pictures(2, [_cost_bars(runs, name, model, draw.WIDTH * 1.6) for name, model in MODELS]),
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


def command_line(configuration: Mapping) -> str:
    """`exo sim` with everything that the configuration says; empty values are the defaults and left out."""
    words = ["exo", "sim", *MODES.get(configuration.get("mode", ""), [])]
    for key, option in OPTIONS.items():
        value = configuration.get(key, "")
        if value not in ("", None):
            words += [option, f"{value:g}" if isinstance(value, float) else str(value)]
    return shlex.join(words)


def _value_words(key: str, value) -> str:
    if value in (None, ""):
        return ""
    words = f"{value:g}" if isinstance(value, float) else Path(value).stem if isinstance(value, str) else str(value)
    return f"{LABEL_KEYS[key]}{words}" if key == "seed" else f"{words}{LABEL_KEYS[key]}"


def _conditions(runs: Runs) -> list[str]:
    return list(dict.fromkeys(condition for run in runs for condition in run.conditions))


def _label(runs: Runs, run: RunData) -> str:
    """What a panel's title begins with: nothing where there is one run only."""
    return f"{run.label} \N{MIDDLE DOT} " if len(runs) > 1 else ""


# --- the summary


def subtitle(run: RunData) -> str:
    """Who walked how fast in what."""
    c = run.configuration
    if not c:
        return "config.yaml is missing: subject, device and speed are not known"
    subject = run.subject
    return (
        f"{c.get('speed_mps', math.nan):g} m/s commanded, subject {subject.name} ({subject.height_m:.2f} m, "
        f"{subject.mass_kg:g} kg), device {c.get('device', '?')}, controller {c.get('controller', '?')}, "
        f"seed {c.get('seed', '?')}"
    )


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


def _headline(run: RunData) -> str:
    """Cost by condition, then the gait against the norm, in one figure."""

    def compose() -> Drawing:
        drawing = Drawing(figsize=(draw.WIDE / draw.POINTS, 2 * draw.HEIGHT / draw.POINTS / 1.9))
        height = 2 * draw.HEIGHT / 1.9
        floor, high = draw.BOTTOM, height - draw.TOP - draw.BOTTOM
        axes = draw.add_axes(drawing, (draw.LEFT, floor, 120.0, high))
        draw.write_title(drawing, 0.0, "Metabolic power", "W/kg, gross")
        for place, condition in enumerate(run.conditions):
            values = run.values(METABOLIC_POWER, condition)
            if values.size:
                mean, sd = float(values.mean()), np.nan_to_num(sample_sd(values))
                axes.bar(place, mean, 0.7, yerr=sd, color=condition_colour(condition), capsize=3)
                axes.annotate(shown(mean), (place, mean + sd), xytext=(0, 3),
                              textcoords="offset points", ha="center", fontsize=draw.SMALL)  # fmt: skip
        axes.set_xticks(range(len(run.conditions)), run.conditions, fontsize=9)
        axes.margins(y=0.16)
        step = (draw.WIDE - 176.0) / len(HEADLINE)
        for place, variable in enumerate(HEADLINE):
            x = 176.0 + place * step
            draw.write_title(drawing, x, variable.title, variable.unit)
            axes = draw.add_axes(drawing, (x + draw.LEFT, floor, step - draw.LEFT - draw.RIGHT, high))
            _draw_variable(axes, run, variable, None)
        return drawing

    return draw.svg(
        "Metabolic power, hip, knee and ankle angle and vertical ground reaction force in both conditions", compose
    )


def _tiles(run: RunData) -> list[tuple[str, str]]:
    met, count = _verdicts(run)
    speeds = [run.mean("speed", condition) for condition in run.conditions]
    falls, faults = run.record.get("falls"), run.record.get("device_faults")
    return [
        (f"{shown(metabolic_change(run), 1, sign=True)} %", "metabolic power, assisted against unassisted"),
        (
            " / ".join(map(shown, speeds)) + " m/s" if speeds else DASH,
            "walking speed, " + " / ".join(run.conditions) if speeds else "walking speed",
        ),
        (f"{met} of {count}" if count else DASH, "targets met"),
        (
            f"{DASH if falls is None else falls} / {DASH if faults is None else len(faults)}",
            "falls / device faults",
        ),
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


def _sections(runs: Runs) -> list[Section]:
    return [build(runs) for build in SECTIONS]


def _curves(run: RunData, variable: str) -> list[tuple[Curve, str]]:
    """Curves of a variable in every condition and on both sides, each with its condition."""
    found = ((run.curve(c, variable, side), c) for c in run.conditions for side in SIDES)
    return [(curve, c) for curve, c in found if curve is not None and np.isfinite(curve.mean).any()]


def stride_range(runs: Runs, variable: str) -> tuple[float, float] | None:
    """Common range of a variable in several runs, norm included; None where none has it."""
    curves = [curve for run in runs for curve, _ in _curves(run, variable)]
    return draw.curve_range(curves, [run.norm_curve(variable) for run in runs])


def _draw_variable(axes, run: RunData, variable: Variable, limits: tuple[float, float] | None) -> None:
    curves = _curves(run, variable.name)
    draw.stride_axes(axes, limits or stride_range([run], variable.name))
    draw.draw_norm(axes, run.norm_curve(variable.name))
    for curve, condition in curves:
        draw.draw_curve(axes, curve, condition_colour(condition), curve.side)
    if not curves:
        axes.set_yticks([])
        draw.words(axes, "not measured")
        return
    for condition in run.conditions:
        draw.draw_toe_off(axes, run.mean("stance_percent", condition), condition_colour(condition))


def _panel_width(columns: int) -> float:
    """Width of a panel, so that text comes out equally large whatever the number of columns."""
    return draw.WIDTH * PANELS_IN_A_ROW / columns


def _curve_grid(runs: Runs, variables: Sequence[Variable]) -> Block:
    """One panel a variable; with several runs one row a variable, side by side on the same scale."""
    columns = len(runs) if len(runs) > 1 else FULL_ROW if len(variables) == FULL_ROW else PANELS_IN_A_ROW
    svgs = []
    for variable in variables:
        limits = stride_range(runs, variable.name)
        for run in runs:

            def compose(run=run, variable=variable, limits=limits) -> Drawing:
                name = f"{_label(runs, run)}{variable.title}"
                drawing, axes = draw.panel(name, variable.unit, _panel_width(columns))
                _draw_variable(axes, run, variable, limits)
                return drawing

            svgs.append(draw.svg(f"{_label(runs, run)}{variable.title} ({variable.unit}) over the stride", compose))
    return pictures(columns, svgs)


def _with_norm(name: str, heading_words: str, variables: Sequence[Variable], words: str = "") -> Callable:
    def build(runs: Runs) -> Section:
        blocks = [condition_legend(_conditions(runs)), _curve_grid(runs, variables)]
        return Section(name, heading_words, [text(words, faint=True), *blocks] if words else blocks)

    return build


def sample_sd(values: np.ndarray) -> float:
    """Standard deviation (n - 1) of values (n,), as that of the curves; one value alone has none (NaN)."""
    return float(values.std(ddof=1)) if values.size > 1 else math.nan


def _mean_sd(values: np.ndarray, digits: int = 3) -> str:
    if not values.size:
        return DASH
    return f"{shown(float(values.mean()), digits)} \N{PLUS-MINUS SIGN} {shown(sample_sd(values), digits)}"


def _device(runs: Runs) -> Section:
    """Torque and power of the exoskeleton, and its work a stride."""
    driven = [variable for variable in DEVICE if any(variable.name in run.curves.variables for run in runs)]
    if not driven:
        return Section("device", "Exoskeleton", [text("No curve of torque or power of a device was recorded.")])
    joints = [v.name.removeprefix("exo_torque_").removesuffix("_Nm_kg") for v in driven if "torque" in v.name]
    rows = [
        [
            f"{_label(runs, run)}{condition}, {SIDE_NAMES[side]} leg",
            *(_mean_sd(run.values(name, condition, side)) for name in ("exo_positive_work", "exo_negative_work")),
            *(_mean_sd(_peaks(run, condition, side, joint)) for joint in joints),
        ]
        for run in runs
        for condition in run.conditions
        for side in SIDES
    ]
    head = ["Work of a stride", "given (J/kg)", "taken (J/kg)", *(f"peak {joint} (Nm/kg)" for joint in joints)]
    blocks = [condition_legend(_conditions(runs), norm=False), _curve_grid(runs, driven), table(head, rows)]
    return Section("device", "Exoskeleton torque and power", blocks)


def _peaks(run: RunData, condition: str, side: str, joint: str) -> np.ndarray:
    """Largest torque of each stride at a driven joint (Nm/kg)."""
    peaks = [
        peak
        for stride in run.strides
        if (stride["condition"], stride["side"]) == (condition, side)
        for name, peak in zip(stride.get("exo_joint_names", ()), stride.get("exo_torque_peak", ()), strict=False)
        if name.split("_")[0] == joint and peak is not None
    ]
    return np.array(peaks, dtype=float)


# --- muscles


def _muscles(runs: Runs) -> Section:
    """Activation maps of both legs, and five muscles against measured EMG."""
    blocks = [
        text(
            "Activation from 0 (light) to 1 (dark) over the stride from that leg's heel strike, muscles from hip to "
            "foot. The third map is assisted minus unassisted: purple where assistance relieves a muscle, brown where "
            "it works more.",
            faint=True,
        )
    ]
    maps = [pictures(3, svgs) for run in runs for side in SIDES if (svgs := _maps(runs, run, side))]
    blocks += maps or [text("No activation was recorded.")]
    columns = PANELS_IN_A_ROW if len(runs) == 1 else len(runs)
    panels = [
        draw.svg(
            f"{_label(runs, run)}{EMG_TITLES[emg]}: activation against EMG",
            lambda run=run, emg=emg: _emg_panel(runs, run, emg, _panel_width(columns)),
        )
        for emg in EMG_MUSCLES
        for run in runs
    ]
    blocks += [
        heading("Against measured EMG"),
        text(
            "Grey: linear envelope of typically developing children and adolescents (Schwartz et al. 2008). Both are "
            "shown over their own largest value, since EMG has no absolute scale; several heads under one electrode "
            "are averaged.",
            faint=True,
        ),
        condition_legend(_conditions(runs), norm=False, toe_off=False),
        pictures(columns, panels),
    ]
    return Section("muscles", "Muscle activation", blocks)


def activation_rows(run: RunData, condition: str, side: str) -> dict[str, np.ndarray]:
    """Mean activation (101,) over the stride by muscle; empty without curves of that side and condition."""
    rows = {}
    for muscle in run.muscles:
        curve = run.curve(condition, f"{ACTIVATION}{muscle}", side)
        if curve is not None:
            rows[muscle] = np.interp(np.arange(101.0), curve.phase_percent, curve.mean)
    return rows


def _maps(runs: Runs, run: RunData, side: str) -> list[str]:
    leg = f"{_label(runs, run)}{SIDE_NAMES[side].capitalize()} leg"
    by_condition = {c: rows for c in run.conditions if (rows := activation_rows(run, c, side))}
    maps = [(f"{leg}, {c}", "activation", rows, (0.0, 1.0)) for c, rows in by_condition.items()]
    if set(CONDITIONS) <= set(by_condition):
        before, after = (by_condition[condition] for condition in CONDITIONS)
        change = {m: after[m] - before[m] for m in before if m in after}
        maps.append((f"{leg}, change", "assisted minus unassisted", change, (-LARGEST_CHANGE, LARGEST_CHANGE)))
    return [
        draw.svg(
            f"{name}: activation of {len(rows)} muscles over the stride",
            lambda name=name, unit=unit, rows=rows, limits=limits: draw.stride_map(
                name,
                unit,
                {group: {m: rows[m] for m in members} for group, members in grouped_muscles(list(rows)).items()},
                limits,
                labels=128.0,
                row=8.5,
            ),
        )
        for name, unit, rows, limits in maps
    ]


def _emg_panel(runs: Runs, run: RunData, emg: str, width: float) -> Drawing:
    heads = EMG_MUSCLES[emg]
    unit = f"over its largest value; {', '.join(heads)}"
    drawing, axes = draw.panel(f"{_label(runs, run)}{EMG_TITLES[emg]}", unit, width)
    draw.stride_axes(axes, (0.0, 1.08))
    norm = run.norm_curve(emg)
    if norm is not None:
        largest = norm.mean.max()
        draw.draw_norm(axes, dataclasses.replace(norm, mean=norm.mean / largest, sd=norm.sd / largest))
    for condition in run.conditions:
        for side in SIDES:
            curves = [run.curve(condition, f"{ACTIVATION}{head}", side) for head in heads]
            if all(curve is not None for curve in curves):
                mean = np.mean([curve.mean for curve in curves], axis=0)
                if np.nanmax(mean) > 0.0:
                    axes.plot(
                        curves[0].phase_percent,
                        mean / np.nanmax(mean),
                        color=condition_colour(condition),
                        ls=DASHES[side],
                    )
    return drawing


# --- metabolic cost


MODELS = (
    (METABOLIC_POWER, "Bhargava 2004"),
    (METABOLIC_POWER_UMBERGER, "Umberger 2010"),
)


def _metabolic(runs: Runs) -> Section:
    """Cost by condition, over time, over the stride and by muscle group."""
    panels = [_cost_bars(runs, name, model) for name, model in MODELS]
    panels += [
        draw.svg(f"{_label(runs, run)}metabolic power of each stride", lambda run=run: _cost_of_each_stride(runs, run))
        for run in runs
    ]
    blocks = [
        text("Gross power of the whole body over the wearer's mass, basal rate included.", faint=True),
        condition_legend(_conditions(runs), norm=False),
        pictures(3, panels),
        _curve_grid(runs, METABOLIC_CURVES),
    ]
    for run in runs:
        blocks += _cost_by_group(runs, run)
    return Section("metabolic", "Metabolic cost", blocks)


def _cost_bars(runs: Runs, name: str, model: str, width: float = draw.WIDTH) -> str:
    bars = []
    for run in runs:
        for condition in run.conditions:
            values = run.values(name, condition)
            mean, sd = (float(values.mean()), sample_sd(values)) if values.size else (math.nan, math.nan)
            group = run.label if len(runs) > 1 else condition
            bars.append(draw.Bar(group, mean, sd, condition_colour(condition)))
    unit = "W/kg, gross, mean and SD of strides"
    return draw.svg(
        f"Metabolic power by condition, {model}", lambda: draw.bar_panel(f"By condition, {model}", unit, bars, width)
    )


def _cost_of_each_stride(runs: Runs, run: RunData) -> Drawing:
    drawing, axes = draw.panel(f"{_label(runs, run)}Each stride", "W/kg, gross, Bhargava 2004; rings: left leg")
    known = [stride for stride in run.strides if stride.get(METABOLIC_POWER) is not None]
    for stride in known:
        colour = condition_colour(stride["condition"])
        axes.plot(stride["end"], stride[METABOLIC_POWER], "o", ms=4.5, mec=colour,
                  mfc=colour if stride["side"] == "r" else "white")  # fmt: skip
    axes.set_xlabel("simulated time (s)", fontsize=draw.SMALL, labelpad=2)
    axes.set_xlim(left=0.0)
    axes.set_ylim(bottom=0.0)
    if not known:
        axes.set_yticks([])
        draw.words(axes, "no full stride")
    return drawing


def _cost_by_group(runs: Runs, run: RunData) -> list[Block]:
    from exo_lab.report.muscle_cost import muscle_costs

    name = f"{_label(runs, run)}Metabolic cost by muscle group"
    try:
        costs = muscle_costs(run)
    except UserError as error:
        return missing([f"{name}: {error}."])
    if not costs:
        return missing([f"{name}: nothing was walked without a fall in a measured part."])
    groups = grouped_muscles(list(next(iter(costs.values())).by_muscle))
    bars = [
        draw.Bar(group, sum(cost.by_muscle[m] for m in members), math.nan, condition_colour(condition))
        for group, members in groups.items()
        for condition, cost in costs.items()
    ]
    rest = max(
        abs(sum(cost.by_muscle.values()) + cost.basal - cost.recorded) / cost.recorded for cost in costs.values()
    )
    words = (
        "Both legs together, worked out from the recording with the simulator's own model (Bhargava 2004); the rest of "
        f"the body adds {next(iter(costs.values())).basal:.1f} W/kg. The sum agrees with the recorded whole-body power "
        f"to {100.0 * rest:.1f} %."
    )
    unit = "W/kg of body mass, mean over the measured time"
    return [
        text(words, faint=True),
        pictures(1, [draw.svg(name, lambda: draw.bar_panel(name, unit, bars, draw.WIDE, 230.0))]),
    ]


# --- symmetry


def _symmetry(runs: Runs) -> Section:
    """Symmetry indices of stride figures, ranges of motion, force and power."""
    svgs = []
    for run in runs:
        rows = {
            name: {c: symmetry_index(read(run, c, "r"), read(run, c, "l")) for c in run.conditions}
            for name, read in SYMMETRY_MEASURES.items()
        }
        width = draw.WIDE if len(runs) == 1 else draw.WIDE / 2
        svgs.append(
            draw.svg(
                f"{_label(runs, run)}symmetry indices",
                lambda run=run, rows=rows, width=width: draw.dot_rows(
                    f"{_label(runs, run)}Asymmetry", "symmetry index (%)", rows, condition_colour, width
                ),
            )
        )
    words = (
        "Symmetry index 200 |R \N{MINUS SIGN} L| / (R + L) of the means of both legs (Robinson 1987): 0 % is symmetric."
    )
    legend = condition_legend(_conditions(runs), False, False, False)
    return Section("symmetry", "Symmetry", [text(words, faint=True), legend, pictures(min(len(runs), 2), svgs)])


def _stance_time(run: RunData, condition: str, side: str) -> float:
    share, duration = (run.mean(name, condition, side) for name in ("stance_percent", "duration"))
    return share / 100.0 * duration


def _range_of(joint: str) -> Callable[[RunData, str, str], float]:
    def read(run: RunData, condition: str, side: str) -> float:
        ranges = [
            high - low
            for stride in run.strides
            if (stride["condition"], stride["side"]) == (condition, side)
            for name, low, high in zip(
                stride.get("joint_names", ()), stride.get("angle_min", ()), stride.get("angle_max", ()), strict=False
            )
            if name == f"{joint}_{side}"
        ]
        return float(np.mean(ranges)) if ranges else math.nan

    return read


def _peak_of(variable: str) -> Callable[[RunData, str, str], float]:
    def read(run: RunData, condition: str, side: str) -> float:
        curve = run.curve(condition, variable, side)
        return float(np.nanmax(curve.mean)) if curve is not None and np.isfinite(curve.mean).any() else math.nan

    return read


SYMMETRY_MEASURES: dict[str, Callable[[RunData, str, str], float]] = {
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
    columns = [(run, condition, side) for run in runs for condition in run.conditions for side in SIDES]
    if not columns:
        return Section("strides", "Strides", [text("No full stride was walked in a measured part of the run.")])
    norm = runs[0].norm if len(runs) == 1 else None
    last = [""] if len(runs) == 1 else []
    rows = []
    for name, words, unit, digits, attribute in STRIDE_FIGURES:
        row = [f"{words} ({unit})", *(_mean_sd(r.values(name, c, side), digits) for r, c, side in columns)]
        if last:
            row.append(shown(getattr(norm, attribute), digits) if norm is not None and attribute else DASH)
        rows.append(row)
    counts = [sum((s["condition"], s["side"]) == (c, side) for s in run.strides) for run, c, side in columns]
    rows.append(["Strides", *map(str, counts), *last])
    head = [
        "Mean \N{PLUS-MINUS SIGN} SD",
        *(f"{_label(runs, run)}{c}, {SIDE_NAMES[side]}" for run, c, side in columns),
        *(["children (Schwartz 2008)"] if last else []),
    ]
    return Section("strides", "Strides", [table(head, rows)])


def _health(runs: Runs) -> Section:
    """Faults, falls, rates and latencies."""
    rows = [
        ("Run", lambda r: {True: "complete", False: "interrupted"}.get(r.get("complete"), DASH)),
        ("Falls of the wearer", lambda r: str(r.get("falls", DASH))),
        ("Device faults latched", lambda r: ", ".join(r["device_faults"]) or "none" if "device_faults" in r else DASH),
        ("Device's last cause", lambda r: r.get("device_cause") or DASH),
        ("Time from start to first step (s)", lambda r: shown(r.get("first_step_s", math.nan), 1)),
        ("Duration, wall time (s)", lambda r: shown(r.get("wall_time_s", math.nan), 1)),
    ]
    labels = [run.label if len(runs) > 1 else "" for run in runs]
    graphs = [run.record.get("graph") or {} for run in runs]
    groups = [
        [table(["", *labels], [[name, *(Cell(read(run.record), "text") for run in runs)] for name, read in rows])]
    ]
    latencies = sorted({name for graph in graphs for name in graph.get("latencies", {})})
    if latencies:
        body = [
            [name.replace("_", " "), *(_latency(graph.get("latencies", {}).get(name)) for graph in graphs)]
            for name in latencies
        ]
        groups.append([heading("Round trips, wall time"), table(["median / 99th percentile (ms)", *labels], body)])
    rates = list(dict.fromkeys(topic for graph in graphs for topic in graph.get("rates_hz", {})))
    if rates:
        body = [[t, *(shown(graph.get("rates_hz", {}).get(t, math.nan), 1) for graph in graphs)] for t in rates]
        groups.append([heading("Rates of topics, wall time"), table(["topic (Hz)", *labels], body)])
    else:
        groups.append([text("Rates and round trips are not known: nothing was recorded.", faint=True)])
    return Section("health", "Device health", [beside(groups)])


def _latency(figures: Mapping | None) -> str:
    return f"{shown(figures['median_ms'], 1)} / {shown(figures['p99_ms'], 1)}" if figures else DASH


def _targets(runs: Runs) -> Section:
    """All figures of summary.json, with their targets."""
    by_run = [{f["name"]: Figure.from_entry(f) for f in run.summary.get("figures", [])} for run in runs]
    names = list(dict.fromkeys(name for figures in by_run for name in figures))
    if not names:
        return Section("targets", "Figures and targets", [text("No figures: summary.json is missing or empty.")])
    rows = []
    for name in names:
        known = next(figures[name] for figures in by_run if name in figures)
        row = [
            name.replace("_", " "),
            Cell("" if known.unit == "1" else known.unit, "text"),
            Cell(in_signs(known.target), "text"),
        ]
        for figures in by_run:
            found = figures.get(name)
            digits = 0 if known.unit == "1" and found is not None and float(found.value).is_integer() else 3
            row += [DASH if found is None else figure_value(found, digits), verdict(found.met if found else None)]
        rows.append(row)
    values = [words for run in runs for words in (run.label if len(runs) > 1 else "value", "")]
    head = ["Figure", Cell("unit", "text"), Cell("target", "text"), *values]
    return Section("targets", "Figures and targets", [table(head, rows)])


def _reproduction(runs: Runs) -> Section:
    """Command, versions, revision, seed, configuration."""
    blocks = []
    for run in runs:
        if len(runs) > 1:
            blocks.append(heading(run.label))
        if run.configuration:
            blocks.append(command(command_line(run.configuration)))
            if run.configuration.get("mode") != "lockstep":
                words = "The run was not in lockstep: its numbers depend on the machine's timing and come out close, not equal."
                blocks.append(text(words, faint=True))
        seed = ("Seed", str(run.summary.get("seed", DASH)))
        blocks.append(made_with(run.summary, run.record, seed, ("Run folder", run.folder.path.name)))
        blocks.append(heading("Configuration"))
        blocks.append(
            code(yaml.safe_dump(dict(run.configuration), sort_keys=True))
            if run.configuration
            else text("config.yaml is missing.")
        )
    return Section("reproduction", "How to reproduce it", blocks)


SECTIONS: tuple[Callable[[Runs], Section], ...] = (
    _with_norm("angles", "Joint angles", ANGLES),
    _with_norm(
        "moments",
        "Joint moments",
        MOMENTS,
        "Internal moments of muscles, passive tissue and device together, over the wearer's mass.",
    ),
    _with_norm("powers", "Joint powers", POWERS, "Sagittal plane; muscles, passive tissue and device together."),
    _with_norm("forces", "Ground reaction force", FORCES),
    _muscles,
    _device,
    _metabolic,
    _symmetry,
    _strides,
    _health,
    _targets,
    _reproduction,
)
