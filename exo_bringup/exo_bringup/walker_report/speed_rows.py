# SPDX-License-Identifier: Apache-2.0
"""A curve over the stride at every speed, side by side on one scale, over the norm of that speed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exo_bringup.html_report import svg
from exo_bringup.html_report.axes import Axes, padded
from exo_bringup.html_report.catalogue import Variable
from exo_bringup.html_report.panels import STRIDE_LABEL, STRIDE_TICKS, nothing
from exo_bringup.html_report.parts import figure
from exo_bringup.html_report.style import DASHES, NORM_BAND, NORM_LINE
from exo_bringup.walker_report.data import WalkerData
from exo_bringup.walker_report.look import SPREAD_OPACITY, WALKER, WIDE
from exo_bringup.walker_report.words import shown

HEIGHT, FIRST_LEFT, OTHER_LEFT = 190.0, 42.0, 16.0
SIDES = tuple(DASHES)
#: Ticks that leave room between narrow panels.
FEW_TICKS = STRIDE_TICKS[::2] + STRIDE_TICKS[-1:]


def speed_row(data: WalkerData, variable: Variable, scores: Sequence[tuple[str, str]] = ()) -> str:
    """A figure of one variable: a panel a speed.

    Args:
        scores: names of figures that are written above each panel, with their short word ("r", "RMSE").
    """
    limits = _limits(data, variable.name)
    widths = panel_widths(len(data.speeds))
    parts, x = [], 0.0
    for place, (speed, width) in enumerate(zip(data.speeds, widths)):
        axes = Axes(width, HEIGHT, (0.0, 100.0), limits or (0.0, 1.0), left=OTHER_LEFT if place else FIRST_LEFT)
        parts.append(svg.moved(x, 0.0, _panel(data, variable, speed, axes, place == 0, scores)))
        x += width
    words = f"{variable.title} ({variable.unit}) over the stride at {len(data.speeds)} speeds"
    return f"<h3>{variable.title} <small>({variable.unit})</small></h3>" + figure(words, WIDE, HEIGHT, "".join(parts))


def panel_widths(count: int) -> list[float]:
    """Widths of panels that are equally wide inside; the first has the scale's numbers."""
    inner = (WIDE - FIRST_LEFT - OTHER_LEFT * (count - 1)) / count
    return [inner + FIRST_LEFT, *([inner + OTHER_LEFT] * (count - 1))]


def _panel(data: WalkerData, variable: Variable, speed: float, axes: Axes, first: bool, scores) -> str:
    parts, drawn = [], False
    norm = data.norm_curve(variable.name, speed)
    if norm is not None:
        x = axes.x(norm.phase_percent)
        low, middle, high = (axes.y(np.clip(norm.mean + k * norm.sd, *axes.y_range)) for k in (-1.0, 0.0, 1.0))
        parts.append(svg.band(x, low, high, NORM_BAND))
        parts.append(svg.polyline(x, middle, NORM_LINE, 1.0))
    for side in SIDES:
        curve = data.curve(variable.name, side, speed)
        if curve is not None and np.isfinite(curve.mean).any():
            drawn, x = True, axes.x(curve.phase_percent)
            spread = np.nan_to_num(curve.sd)
            parts.append(svg.band(x, axes.y(curve.mean - spread), axes.y(curve.mean + spread), WALKER, SPREAD_OPACITY))
            parts.append(svg.polyline(x, axes.y(curve.mean), WALKER, dash=DASHES[side]))
    words = ", ".join(f"{word} {shown(data.figure(name, speed))}" for word, name in scores)
    parts.append(axes.frame(f"{speed:g} m/s", words, STRIDE_LABEL if first else "", FEW_TICKS, y_ticks=first))
    return "".join(parts) if drawn else "".join([*parts, nothing(axes, "no stride")])


def _limits(data: WalkerData, variable: str) -> tuple[float, float] | None:
    values = []
    for speed in data.speeds:
        for side in SIDES:
            curve = data.curve(variable, side, speed)
            if curve is not None:
                values += [curve.mean, curve.mean - curve.sd, curve.mean + curve.sd]
        norm = data.norm_curve(variable, speed)
        if norm is not None:
            values += [norm.mean - norm.sd, norm.mean + norm.sd]
    return padded(values)
