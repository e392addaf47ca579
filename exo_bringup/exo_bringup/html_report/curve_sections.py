# SPDX-License-Identifier: Apache-2.0
"""Sections of curves over the stride: angles, moments, powers, forces, device, muscles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from exo_sim.gait.variables import EMG_MUSCLES

from exo_bringup.html_report import svg
from exo_bringup.html_report.axes import Axes
from exo_bringup.html_report.catalogue import (ACTIVATION, ANGLES, DEVICE, EMG_TITLES, FORCES, MOMENTS, POWERS,
                                               Variable)
from exo_bringup.html_report.heat_map import WIDTH as MAP_WIDTH
from exo_bringup.html_report.heat_map import activation_rows, heat_map
from exo_bringup.html_report.panels import (HEIGHT, STRIDE_LABEL, STRIDE_TICKS, WIDTH, colour_of, legend,
                                            stride_panel, stride_range)
from exo_bringup.html_report.parts import Section, figure, grid, paragraph, table
from exo_bringup.html_report.run_data import CONDITIONS, SIDES, RunData
from exo_bringup.html_report.style import DASHES, NORM_BAND, NORM_LINE, SIDE_NAMES

PANELS_IN_A_ROW = 3
#: As many fill a row of their own.
FULL_ROW = 4


def conditions_of(runs: Sequence[RunData]) -> list[str]:
    """Conditions of all runs, each once."""
    return list(dict.fromkeys(condition for run in runs for condition in run.conditions))


def label_of(runs: Sequence[RunData], run: RunData) -> str:
    """What a figure's title begins with: nothing where there is one run only."""
    return f"{run.label} \N{MIDDLE DOT} " if len(runs) > 1 else ""


def panel_width(columns: int) -> float:
    """Width of a panel, so that text comes out equally large whatever the number of columns."""
    return WIDTH * PANELS_IN_A_ROW / columns


def curve_grid(runs: Sequence[RunData], variables: Sequence[Variable]) -> str:
    """One panel a variable; with several runs one row a variable, side by side on the same scale."""
    columns = len(runs) if len(runs) > 1 else FULL_ROW if len(variables) == FULL_ROW else PANELS_IN_A_ROW
    width = panel_width(columns)
    figures = []
    for variable in variables:
        limits = stride_range(runs, variable.name)
        figures += [figure(f"{label_of(runs, run)}{variable.title} ({variable.unit}) over the stride", width, HEIGHT,
                           stride_panel(run, variable, limits, label_of(runs, run), width)) for run in runs]
    return grid(columns, figures)


def angles(runs: Sequence[RunData]) -> Section:
    """Joint and pelvis angles."""
    return _with_norm("angles", "Joint angles", runs, ANGLES)


def moments(runs: Sequence[RunData]) -> Section:
    """Internal joint moments."""
    return _with_norm("moments", "Joint moments", runs, MOMENTS, paragraph(
        "Internal moments of muscles, passive tissue and device together, over the wearer's mass.", faint=True))


def powers(runs: Sequence[RunData]) -> Section:
    """Sagittal joint powers."""
    return _with_norm("powers", "Joint powers", runs, POWERS, paragraph(
        "Sagittal plane; muscles, passive tissue and device together.", faint=True))


def forces(runs: Sequence[RunData]) -> Section:
    """Ground reaction force."""
    return _with_norm("forces", "Ground reaction force", runs, FORCES)


def _with_norm(name: str, title: str, runs: Sequence[RunData], variables: Sequence[Variable],
               words: str = "") -> Section:
    return Section(name, title, words + legend(conditions_of(runs)) + curve_grid(runs, variables))


def device(runs: Sequence[RunData]) -> Section:
    """Torque and power of the exoskeleton, and its work a stride."""
    driven = [variable for variable in DEVICE if any(variable.name in run.curves.variables for run in runs)]
    if not driven:
        return Section("device", "Exoskeleton", paragraph("No curve of torque or power of a device was recorded."))
    rows = []
    for run in runs:
        for condition in run.conditions:
            for side in SIDES:
                work = [run.values(name, condition, side) for name in ("exo_positive_work", "exo_negative_work")]
                rows.append([f"{label_of(runs, run)}{condition}, {SIDE_NAMES[side]} leg", *map(mean_sd, work),
                             *(mean_sd(peaks) for peaks in _peaks(run, condition, side, driven))])
    joints = _driven_joints(driven)
    content = legend(conditions_of(runs), norm=False) + curve_grid(runs, driven) + table(
        ["Work of a stride", "given (J/kg)", "taken (J/kg)", *(f"peak {joint} (Nm/kg)" for joint in joints)], rows)
    return Section("device", "Exoskeleton torque and power", content)


def _driven_joints(driven: Sequence[Variable]) -> list[str]:
    return [v.name.removeprefix("exo_torque_").removesuffix("_Nm_kg") for v in driven if "torque" in v.name]


def _peaks(run: RunData, condition: str, side: str, driven: Sequence[Variable]) -> list[np.ndarray]:
    """Largest torque of each stride, one array for each driven joint."""
    found = []
    for joint in _driven_joints(driven):
        peaks = [peak for stride in run.strides if (stride["condition"], stride["side"]) == (condition, side)
                 for name, peak in zip(stride.get("exo_joint_names", ()), stride.get("exo_torque_peak", ()))
                 if name.split("_")[0] == joint and peak is not None]
        found.append(np.array(peaks, dtype=float))
    return found


def mean_sd(values: np.ndarray, digits: int = 3) -> str:
    """Mean and SD as text; a dash without values."""
    if not values.size:
        return svg.shown(float("nan"))
    return f"{svg.shown(float(values.mean()), digits)} \N{PLUS-MINUS SIGN} {svg.shown(float(values.std()), digits)}"


def muscles(runs: Sequence[RunData]) -> Section:
    """Activation maps of both legs, and five muscles against measured EMG."""
    parts = [paragraph("Activation from 0 (light) to 1 (dark) over the stride from that leg's heel strike, muscles "
                       "from hip to foot. The third map is assisted minus unassisted: purple where assistance "
                       "relieves a muscle, brown where it works more.", faint=True)]
    for run in runs:
        for side in SIDES:
            parts.append(_maps(runs, run, side))
    if not any("<figure>" in part for part in parts):
        parts.append(paragraph("No activation was recorded."))
    parts.append("<h3>Against measured EMG</h3>" + paragraph(
        "Grey: linear envelope of able-bodied people (Schwartz et al. 2008). Both are shown over their own largest "
        "value, since EMG has no absolute scale; several heads under one electrode are averaged.", faint=True))
    columns = PANELS_IN_A_ROW if len(runs) == 1 else len(runs)
    width = panel_width(columns)
    figures = [figure(f"{label_of(runs, run)}{EMG_TITLES[emg]}: activation against EMG", width, HEIGHT,
                      _emg_panel(run, emg, heads, label_of(runs, run), width))
               for emg, heads in EMG_MUSCLES.items() for run in runs]
    parts.append(legend(conditions_of(runs), norm=False, toe_off=False) + grid(columns, figures))
    return Section("muscles", "Muscle activation", "".join(parts))


def _maps(runs: Sequence[RunData], run: RunData, side: str) -> str:
    figures, by_condition = [], {}
    for condition in run.conditions:
        rows = activation_rows(run, condition, side)
        if rows is not None:
            by_condition[condition] = rows
            figures.append((f"{label_of(runs, run)}{SIDE_NAMES[side].capitalize()} leg, {condition}", "activation",
                            heat_map, rows, False))
    if set(CONDITIONS) <= set(by_condition):
        before, after = (by_condition[condition] for condition in CONDITIONS)
        figures.append((f"{label_of(runs, run)}{SIDE_NAMES[side].capitalize()} leg, change", "assisted minus unassisted",
                        heat_map, {m: after[m] - before[m] for m in before if m in after}, True))
    drawn = []
    for title, subtitle, draw, rows, change in figures:
        content, height = draw(title, subtitle, rows, change)
        drawn.append(figure(f"{title}: activation of {len(rows)} muscles over the stride", MAP_WIDTH, height, content))
    return grid(3, drawn) if drawn else ""


def _emg_panel(run: RunData, emg: str, heads: Sequence[str], label: str, width: float) -> str:
    axes = Axes(width, HEIGHT, (0.0, 100.0), (0.0, 1.08))
    parts = []
    norm = run.norm_curve(emg)
    if norm is not None:
        largest = norm.mean.max()
        low, high = (np.clip((norm.mean + sign * norm.sd) / largest, 0.0, 1.08) for sign in (-1.0, 1.0))
        parts.append(svg.band(axes.x(norm.phase_percent), axes.y(low), axes.y(high), NORM_BAND))
        parts.append(svg.polyline(axes.x(norm.phase_percent), axes.y(norm.mean / largest), NORM_LINE, 1.0))
    for condition in run.conditions:
        for side in SIDES:
            curves = [run.curve(condition, f"{ACTIVATION}{head}", side) for head in heads]
            if all(curve is not None for curve in curves):
                mean = np.mean([curve.mean for curve in curves], axis=0)
                if np.nanmax(mean) > 0.0:
                    parts.append(svg.polyline(axes.x(curves[0].phase_percent), axes.y(mean / np.nanmax(mean)),
                                              colour_of(condition), dash=DASHES[side]))
    names = ", ".join(heads)
    return "".join(parts) + axes.frame(f"{label}{EMG_TITLES[emg]}", f"over its largest value; {names}", STRIDE_LABEL,
                                       STRIDE_TICKS)
