# SPDX-License-Identifier: Apache-2.0
"""Section of muscle timing: activation against EMG, and when both are on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exo_bringup.html_report import svg
from exo_bringup.html_report.axes import RIGHT, Axes
from exo_bringup.html_report.catalogue import ACTIVATION, EMG_TITLES
from exo_bringup.html_report.panels import STRIDE_LABEL
from exo_bringup.html_report.parts import Section, figure, paragraph
from exo_bringup.html_report.style import DASHES, NORM_BAND, NORM_LINE
from exo_bringup.walker_report.data import WalkerData
from exo_bringup.walker_report.look import WALKER, WIDE, curve_legend
from exo_bringup.walker_report.speed_rows import FEW_TICKS, FIRST_LEFT, OTHER_LEFT, SIDES, panel_widths
from exo_bringup.walker_report.words import shown
from exo_sim.gait.scores import ACTIVE_SHARE, is_active
from exo_sim.gait.variables import EMG_MUSCLES

HEIGHT, BARS, BAR, GAP = 196.0, 40.0, 6.0, 2.5
TOP_OF_SCALE = 1.08


def emg(data: WalkerData) -> Section:
    """Five muscles at every speed."""
    words = (
        "Both are shown over their own largest value, since EMG has no absolute scale; several heads under "
        f"one electrode are averaged. Bars below: where each is on, above {100 * ACTIVE_SHARE:.0f} % of its "
        "range in the stride (grey: people; blue: the walker's right leg above its left). "
        "Agreement: share of the "
        "stride on which both are on or both off."
    )
    rows = "".join(_row(data, name, heads) for name, heads in EMG_MUSCLES.items())
    return Section("muscles", "Muscle activation and EMG", paragraph(words, faint=True) + curve_legend() + rows)


def _row(data: WalkerData, name: str, heads: Sequence[str]) -> str:
    parts, x = [], 0.0
    for place, (speed, width) in enumerate(zip(data.speeds, panel_widths(len(data.speeds)))):
        left = OTHER_LEFT if place else FIRST_LEFT
        parts.append(svg.moved(x, 0.0, _panel(data, name, heads, speed, width, left)))
        x += width
    title = EMG_TITLES[name]
    return f"<h3>{title} <small>({', '.join(heads)})</small></h3>" + figure(
        f"{title}: activation against EMG at {len(data.speeds)} speeds", WIDE, HEIGHT, "".join(parts)
    )


def _panel(data: WalkerData, name: str, heads: Sequence[str], speed: float, width: float, left: float) -> str:
    axes = Axes(width, HEIGHT - BARS, (0.0, 100.0), (0.0, TOP_OF_SCALE), left=left, bottom=4.0)
    parts, norm = [], data.norm_curve(name, speed)
    largest = norm.mean.max()
    x = axes.x(norm.phase_percent)
    low, high = (np.clip((norm.mean + k * norm.sd) / largest, 0.0, TOP_OF_SCALE) for k in (-1.0, 1.0))
    parts.append(svg.band(x, axes.y(low), axes.y(high), NORM_BAND))
    parts.append(svg.polyline(x, axes.y(norm.mean / largest), NORM_LINE, 1.0))
    bars = [(norm.phase_percent, is_active(norm.mean), NORM_LINE)]
    for side in SIDES:
        curves = [data.curve(f"{ACTIVATION}{head}", side, speed) for head in heads]
        if all(curve is not None for curve in curves):
            mean = np.mean([curve.mean for curve in curves], axis=0)
            phase = curves[0].phase_percent
            parts.append(svg.polyline(axes.x(phase), axes.y(mean / mean.max()), WALKER, dash=DASHES[side]))
            bars.append((phase, is_active(mean), WALKER))
    for place, (phase, active, colour) in enumerate(bars):
        parts.append(_bar(axes, phase, active, HEIGHT - BARS + 4.0 + place * (BAR + GAP), colour))
    words = f"agreement {shown(data.figure(f'{name}_agreement', speed))}"
    parts.append(axes.frame(f"{speed:g} m/s", words, x_ticks=[], y_ticks=left == FIRST_LEFT))
    for tick in FEW_TICKS:
        parts.append(svg.text(axes.x(tick), HEIGHT - 1.0, f"{tick:.0f}", 10, "middle", "faint"))
    if left == FIRST_LEFT:
        parts.append(
            svg.text(left - 6, HEIGHT - 1.0, STRIDE_LABEL.removeprefix("stride ").strip("()"), 10, "end", "faint")
        )
    return "".join(parts)


def _bar(axes: Axes, phase: np.ndarray, active: np.ndarray, y: float, colour: str) -> str:
    """A rectangle for each stretch that is on."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], active.astype(int), [0]])))
    half = 0.5 * (phase[1] - phase[0])
    parts = [svg.rectangle(axes.left, y, axes.width - RIGHT - axes.left, BAR, "#F3F3F3")]
    for first, behind in zip(edges[::2], edges[1::2]):
        begin, end = max(phase[first] - half, 0.0), min(phase[behind - 1] + half, 100.0)
        parts.append(svg.rectangle(axes.x(begin), y, axes.x(end) - axes.x(begin), BAR, colour))
    return "".join(parts)
