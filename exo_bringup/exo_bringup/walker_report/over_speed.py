# SPDX-License-Identifier: Apache-2.0
"""Figures against walking speed, beside the norm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from exo_bringup.html_report import svg
from exo_bringup.html_report.axes import Axes, padded
from exo_bringup.html_report.panels import HEIGHT, WIDTH, nothing
from exo_bringup.html_report.style import INK

SPEED_LABEL = "speed (m/s)"
SPEED_ROOM_MPS = 0.1
WHISKER = 3.0
#: An interval extends the scale beyond the values by at most this share of their range.
MOST_INTERVAL = 0.5
#: As many speeds stand on the axis themselves; more would overlap.
MOST_TICKS = 6


@dataclass(frozen=True)
class Points:
    """Values (S,) at speeds (S,) with intervals (S, 2), NaN for none, and how they are drawn.

    ``dots`` false draws a curve without dots, as for what was measured on people.
    """

    speed: np.ndarray
    value: np.ndarray
    colour: str
    interval: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))
    dash: str = ""
    dots: bool = True


def speed_panel(
    title: str,
    unit: str,
    points: Sequence[Points],
    band: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
    zero: bool = False,
    ticks: list[float] | None = None,
    width: float = WIDTH,
    height: float = HEIGHT,
) -> str:
    """Content of a figure (width by height).

    Args:
        band: speeds (n,), low and high (n,) of a target, drawn in grey.
        zero: whether the scale begins at zero.
        ticks: on the axis of speed; None for round numbers.
    """
    speeds = np.concatenate([p.speed for p in points])
    limits = _limits([p.value for p in points] + list(band or ())[1:], [p.interval for p in points], zero)
    axes = Axes(width, height, (speeds.min() - SPEED_ROOM_MPS, speeds.max() + SPEED_ROOM_MPS), limits or (0.0, 1.0))
    parts = []
    if band is not None:
        parts.append(svg.band(axes.x(band[0]), axes.y(band[1]), axes.y(band[2]), "#E4EFE9"))
    for p in points:
        parts.append(svg.polyline(axes.x(p.speed), axes.y(p.value), p.colour, 1.6, p.dash))
        if p.dots:
            for speed, value in zip(p.speed, p.value):
                if np.isfinite(value):
                    parts.append(svg.circle(axes.x(speed), axes.y(value), 3.2, p.colour))
        for speed, (low, high) in zip(p.speed, np.clip(p.interval, *axes.y_range)):
            if np.isfinite(low) and np.isfinite(high):
                x = axes.x(speed)
                parts.append(svg.line(x, axes.y(low), x, axes.y(high), p.colour, 1.2))
                parts += [
                    svg.line(x - WHISKER, axes.y(end), x + WHISKER, axes.y(end), p.colour, 1.2) for end in (low, high)
                ]
    parts.append(axes.frame(title, unit, SPEED_LABEL, ticks, y_ticks=limits is not None))
    return "".join(parts) if limits else "".join([*parts, nothing(axes, "not measured")])


def _limits(values: list[np.ndarray], intervals: list[np.ndarray], zero: bool) -> tuple[float, float] | None:
    """Range of the scale. Wide intervals of few walks end at its edge, else only they could be seen."""
    limits = padded(values, zero=zero)
    if limits is None:
        return None
    low, high = limits
    room = MOST_INTERVAL * (high - low)
    lowest = low if zero and low == 0.0 else low - room
    return padded([*values, *(np.clip(interval, lowest, high + room) for interval in intervals)], zero=zero)


def norm_points(speeds: Sequence[float], values: Sequence[float]) -> Points:
    """What was measured on people."""
    return Points(np.array(speeds), np.array(values, dtype=float), INK, dash="5 3", dots=False)


def speed_ticks(speeds: Sequence[float]) -> list[float] | None:
    """The speeds themselves as ticks, unless they are too many."""
    return list(speeds) if len(speeds) <= MOST_TICKS else None
