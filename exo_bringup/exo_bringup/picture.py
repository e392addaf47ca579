# SPDX-License-Identifier: Apache-2.0
"""The picture of a run: angles and force over the stride against the norm, assistance, metabolic cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from exo_bringup.run_figures import ANGLES, CONDITIONS, METABOLIC_POWER, SIDES, TORQUES, VERTICAL_FORCE
from exo_sim.gait.curves import CurveTable
from exo_sim.gait.errors import GaitError
from exo_sim.gait.normative import NormativeGait

#: Okabe and Ito's palette: told apart with any kind of colour vision.
COLOURS = {"unassisted": "#0072B2", "assisted": "#D55E00"}
NORM_BAND, NORM_LINE = "#DDDDDD", "#888888"
SIDE_STYLES = {"r": "-", "l": (0, (4, 1.5))}
SIDE_NAMES = {"r": "right", "l": "left"}
WIDTH_IN, HEIGHT_IN, DPI = 12.6, 6.3, 150
STYLE = {
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "lines.linewidth": 1.7,
    "legend.frameon": False,
    "xtick.direction": "out",
    "ytick.direction": "out",
}
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
STRIDE_LABEL = "stride (%)"


def draw_run(
    path: Path,
    curves: CurveTable,
    strides: Sequence[Mapping],
    speed_mps: float,
    leg_length_m: float,
    subtitle: str,
) -> None:
    """Write the picture as PNG; panels without data say so. Raises OSError if it cannot be written."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), dpi=DPI)
        panels = figure.subplots(2, 4)
        norm = NormativeGait(speed_mps, leg_length_m)
        for axes, (joint, variable) in zip(panels[0, :3], ANGLES.items()):
            _stride_panel(axes, curves, variable, *ANGLE_LABELS[joint], norm)
        _stride_panel(panels[0, 3], curves, VERTICAL_FORCE, "Vertical ground reaction", "force (body weights)", norm)
        for axes, (joint, variable) in zip(panels[1, :2], TORQUES.items()):
            _stride_panel(axes, curves, variable, *TORQUE_LABELS[joint], None)
        _cost_over_time(panels[1, 2], strides)
        _cost_bars(panels[1, 3], strides)
        figure.suptitle(
            "Walking with and without assistance", x=0.05, y=0.985, ha="left", fontsize=13, fontweight="bold"
        )
        figure.text(0.05, 0.925, subtitle, ha="left", va="center", fontsize=9.5, color="#444444")
        _legend(figure)
        figure.subplots_adjust(left=0.05, right=0.985, top=0.85, bottom=0.14, wspace=0.30, hspace=0.48)
        figure.savefig(path, metadata={"Software": "exo_gait"})


def _stride_panel(
    axes: Axes, curves: CurveTable, variable: str, title: str, label: str, norm: NormativeGait | None
) -> None:
    axes.set_title(title)
    axes.set_xlabel(STRIDE_LABEL)
    axes.set_ylabel(label)
    axes.set_xlim(0, 100)
    axes.set_xticks(range(0, 101, 20))
    drawn = False
    if norm is not None:
        band = norm.curve(variable)
        axes.fill_between(band.phase_percent, band.mean - band.sd, band.mean + band.sd, color=NORM_BAND, lw=0)
        axes.plot(band.phase_percent, band.mean, color=NORM_LINE, lw=1.0)
    else:
        axes.axhline(0.0, color=NORM_LINE, lw=0.8)
    for condition in CONDITIONS:
        for side in SIDES:
            try:
                curve = curves.get(condition, variable, side)
            except GaitError:
                continue
            drawn = True
            axes.plot(curve.phase_percent, curve.mean, color=COLOURS[condition], ls=SIDE_STYLES[side])
            axes.fill_between(
                curve.phase_percent,
                curve.mean - curve.sd,
                curve.mean + curve.sd,
                color=COLOURS[condition],
                alpha=0.12,
                lw=0,
            )
    if not drawn:
        _say_nothing_there(axes, "not driven by this device" if norm is None and len(curves) else "no full stride")


def _cost_over_time(axes: Axes, strides: Sequence[Mapping]) -> None:
    axes.set_title("Metabolic power, each stride")
    axes.set_xlabel("simulated time (s); hollow: left leg")
    axes.set_ylabel("gross (W/kg)")
    if not strides:
        _say_nothing_there(axes, "no full stride")
        return
    for stride in strides:
        if stride.get(METABOLIC_POWER) is not None:
            colour = COLOURS.get(stride["condition"], NORM_LINE)
            filled = colour if stride["side"] == "r" else "white"
            axes.plot(stride["end"], stride[METABOLIC_POWER], "o", ms=3.6, mec=colour, mfc=filled, mew=1.0)
    powers = [stride[METABOLIC_POWER] for stride in strides if stride.get(METABOLIC_POWER) is not None]
    axes.set_ylim(0.0, HEADROOM * max(powers, default=1.0))
    axes.set_xlim(left=0.0)


def _cost_bars(axes: Axes, strides: Sequence[Mapping]) -> None:
    axes.set_title("Metabolic power")
    axes.set_ylabel("gross (W/kg)")
    means = []
    for place, condition in enumerate(CONDITIONS):
        values = [
            s[METABOLIC_POWER] for s in strides if s["condition"] == condition and s.get(METABOLIC_POWER) is not None
        ]
        if not values:
            continue
        mean, spread = float(np.mean(values)), float(np.std(values))
        means.append(mean)
        axes.bar(
            place,
            mean,
            width=0.62,
            color=COLOURS[condition],
            yerr=spread,
            capsize=3,
            error_kw={"lw": 1.0, "ecolor": "#222222"},
        )
        axes.annotate(f"{mean:.2f}", (place, mean + spread), xytext=(0, 4), textcoords="offset points", ha="center")
    axes.set_xticks(range(len(CONDITIONS)), CONDITIONS)
    axes.set_xlim(-0.6, len(CONDITIONS) - 0.4)
    if not means:
        _say_nothing_there(axes, "no full stride")
        return
    axes.set_ylim(0.0, HEADROOM * max(means))
    if len(means) == len(CONDITIONS):
        change = 100.0 * (means[1] / means[0] - 1.0)
        axes.text(
            0.5,
            0.97,
            f"{change:+.1f} %".replace("-", "\N{MINUS SIGN}"),
            transform=axes.transAxes,
            ha="center",
            va="top",
            fontweight="bold",
        )


def _say_nothing_there(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=NORM_LINE)


def _legend(figure: Figure) -> None:
    entries = [Line2D([], [], color=COLOURS[condition], label=condition) for condition in CONDITIONS]
    entries += [
        Line2D([], [], color="#333333", ls=SIDE_STYLES[side], label=f"{SIDE_NAMES[side]} leg") for side in SIDES
    ]
    entries.append(Patch(color=NORM_BAND, label="able-bodied mean \N{PLUS-MINUS SIGN} SD (Schwartz et al. 2008)"))
    figure.legend(handles=entries, loc="lower center", ncols=len(entries), bbox_to_anchor=(0.5, 0.0))
