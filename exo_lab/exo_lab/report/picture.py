# SPDX-License-Identifier: Apache-2.0
"""The picture of a run: angles and force over the stride against the norm, assistance, metabolic cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from exo_core.joints import SIDES
from exo_lab.report import draw
from exo_lab.report.run_data import CONDITIONS, METABOLIC_POWER
from exo_lab.report.run_figures import ANGLES, TORQUES, VERTICAL_FORCE
from exo_lab.report.style import (
    COLOURS,
    DASHES,
    DPI,
    FAINT_INK,
    INK,
    NORM_BAND,
    NORM_LINE,
    NORM_WORDS,
    PNG_METADATA,
    SIDE_NAMES,
    condition_colour,
    figure_style,
    minus,
)
from exo_sim.errors import GaitError
from exo_sim.gait.curves import CurveTable
from exo_sim.gait.reference import NormativeGait

WIDTH_IN, HEIGHT_IN = 12.6, 6.3
ANGLE_LABELS = {
    "hip": ("Hip", "flexion (deg)"),
    "knee": ("Knee", "flexion (deg)"),
    "ankle": ("Ankle", "dorsiflexion (deg)"),
}
TORQUE_LABELS = {
    "hip": ("Hip assistance", "+ flexion (Nm/kg)"),
    "ankle": ("Ankle assistance", "+ plantarflexion (Nm/kg)"),
}
#: Axes that start at zero end this much above the largest value.
HEADROOM = 1.3


def draw_run(
    path: Path,
    curves: CurveTable,
    strides: Sequence[Mapping],
    speed_mps: float,
    leg_length_m: float,
    subtitle: str,
) -> None:
    """Write the picture as PNG; panels without data say so. Raises OSError if it cannot be written."""
    with figure_style():
        drawing = Drawing(figsize=(WIDTH_IN, HEIGHT_IN), dpi=DPI)
        panels = drawing.subplots(2, 4)
        norm = NormativeGait(speed_mps, leg_length_m)
        for axes, (joint, variable) in zip(panels[0, :3], ANGLES.items(), strict=True):
            _over_stride(axes, curves, variable, *ANGLE_LABELS[joint], norm)
        _over_stride(panels[0, 3], curves, VERTICAL_FORCE, "Vertical ground reaction", "force (body weights)", norm)
        for axes, (joint, variable) in zip(panels[1, :2], TORQUES.items(), strict=True):
            _over_stride(axes, curves, variable, *TORQUE_LABELS[joint], None)
        known = [stride for stride in strides if stride.get(METABOLIC_POWER) is not None]
        _cost_over_time(panels[1, 2], known)
        _cost_bars(panels[1, 3], known)
        drawing.suptitle(
            "Walking with and without assistance", x=0.05, y=0.985, ha="left", fontsize=13, fontweight="bold"
        )
        drawing.text(0.05, 0.925, subtitle, ha="left", va="center", fontsize=9.5, color=FAINT_INK)
        entries = [Line2D([], [], color=COLOURS[condition], label=condition) for condition in CONDITIONS]
        entries += [Line2D([], [], color=INK, ls=DASHES[side], label=f"{SIDE_NAMES[side]} leg") for side in SIDES]
        entries.append(Patch(color=NORM_BAND, label=NORM_WORDS))
        drawing.legend(handles=entries, loc="lower center", ncols=len(entries), bbox_to_anchor=(0.5, 0.0))
        drawing.subplots_adjust(left=0.05, right=0.985, top=0.85, bottom=0.14, wspace=0.30, hspace=0.48)
        drawing.savefig(path, metadata=PNG_METADATA)


def _over_stride(
    axes: Axes, curves: CurveTable, variable: str, title: str, label: str, norm: NormativeGait | None
) -> None:
    axes.set_title(title)
    axes.set_ylabel(label)
    found = []
    for condition in CONDITIONS:
        for side in SIDES:
            try:
                found.append((condition, curves.get(condition, variable, side)))
            except GaitError:
                continue
    people = norm.curve(variable) if norm is not None else None
    draw.stride_axes(axes, draw.curve_range([curve for _, curve in found], [people]) or (0.0, 1.0))
    draw.draw_norm(axes, people)
    if people is None:
        axes.axhline(0.0, color=NORM_LINE, lw=0.8)
    for condition, curve in found:
        draw.draw_curve(axes, curve, COLOURS[condition], curve.side, 1.7)
    if not found:
        draw.words(axes, "not driven by this device" if norm is None and len(curves) else "no full stride")


def _cost_over_time(axes: Axes, strides: Sequence[Mapping]) -> None:
    axes.set_title("Metabolic power, each stride")
    axes.set_xlabel("simulated time (s); hollow: left leg")
    axes.set_ylabel("gross (W/kg)")
    for stride in strides:
        colour = condition_colour(stride["condition"])
        filled = colour if stride["side"] == "r" else "white"
        axes.plot(stride["end"], stride[METABOLIC_POWER], "o", ms=3.6, mec=colour, mfc=filled, mew=1.0)
    if not strides:
        draw.words(axes, "no full stride")
        return
    axes.set_ylim(0.0, HEADROOM * max(stride[METABOLIC_POWER] for stride in strides))
    axes.set_xlim(left=0.0)


def _cost_bars(axes: Axes, strides: Sequence[Mapping]) -> None:
    axes.set_title("Metabolic power")
    axes.set_ylabel("gross (W/kg)")
    means = {}
    for place, condition in enumerate(CONDITIONS):
        values = [stride[METABOLIC_POWER] for stride in strides if stride["condition"] == condition]
        if values:
            mean, spread = float(np.mean(values)), float(np.std(values))
            means[condition] = mean
            axes.bar(place, mean, width=0.62, color=COLOURS[condition], yerr=spread, capsize=3)
            axes.annotate(f"{mean:.2f}", (place, mean + spread), xytext=(0, 4), textcoords="offset points", ha="center")
    axes.set_xticks(range(len(CONDITIONS)), CONDITIONS)
    axes.set_xlim(-0.6, len(CONDITIONS) - 0.4)
    if not means:
        draw.words(axes, "no full stride")
        return
    axes.set_ylim(0.0, HEADROOM * max(means.values()))
    if len(means) == len(CONDITIONS):
        change = 100.0 * (means["assisted"] / means["unassisted"] - 1.0)
        axes.text(0.5, 0.97, minus(f"{change:+.1f} %"), transform=axes.transAxes, ha="center", va="top",
                  fontweight="bold")  # fmt: skip
