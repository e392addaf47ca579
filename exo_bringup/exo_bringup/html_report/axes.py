# SPDX-License-Identifier: Apache-2.0
"""A rectangle of a figure with its two scales, ticks and title."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from exo_bringup.html_report import svg
from exo_bringup.html_report.style import INK, RULE

LEFT, RIGHT, TOP, BOTTOM = 42.0, 12.0, 30.0, 30.0
TICKS_WANTED = 5


def nice_ticks(low: float, high: float, wanted: int = TICKS_WANTED) -> list[float]:
    """Round numbers within low to high, about as many as wanted; steps: 1, 2, 2.5, 5 times a power of 10."""
    rough = (high - low) / max(wanted - 1, 1)
    if not (math.isfinite(rough) and rough > 0.0):
        return []
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1.0, 2.0, 2.5, 5.0, 10.0) if s * power >= rough * (1.0 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]


def padded(values: list[np.ndarray], zero: bool = False, share: float = 0.06) -> tuple[float, float] | None:
    """Range of all finite values with some room; with zero in it if wanted; None where there is nothing."""
    finite = [v[np.isfinite(v)] for v in map(np.asarray, values)]
    finite = [v for v in finite if v.size]
    if not finite:
        return None
    low, high = min(v.min() for v in finite), max(v.max() for v in finite)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    room = share * (high - low) or 0.5 * abs(high) or 1.0
    return float(low - (0.0 if zero and low == 0.0 else room)), float(
        high + (0.0 if zero and high == 0.0 > low else room)
    )


@dataclass(frozen=True)
class Axes:
    """Where the values of a figure of width by height come to lie."""

    width: float
    height: float
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    left: float = LEFT
    bottom: float = BOTTOM
    top: float = TOP

    def x(self, value):
        """Place of a value (or array) along x."""
        low, high = self.x_range
        return self.left + (value - low) / (high - low) * (self.width - self.left - RIGHT)

    def y(self, value):
        """Place of a value (or array) along y."""
        low, high = self.y_range
        return self.height - self.bottom - (value - low) / (high - low) * (self.height - self.top - self.bottom)

    def frame(
        self,
        title: str,
        unit: str,
        x_label: str = "",
        x_ticks: list[float] | None = None,
        y_ticks: bool = True,
    ) -> str:
        """Title, unit, both axes with ticks, and a line at zero where zero is inside."""
        floor, left = self.height - self.bottom, self.left
        parts = [svg.text(0, 11, title, 12, kind="title"), svg.text(0, 23, unit, 10, kind="faint")]
        if self.y_range[0] < 0.0 < self.y_range[1]:
            parts.append(svg.line(left, self.y(0.0), self.width - RIGHT, self.y(0.0), RULE, 0.8))
        parts.append(svg.line(left, self.top, left, floor, INK, 0.8))
        parts.append(svg.line(left, floor, self.width - RIGHT, floor, INK, 0.8))
        if y_ticks:
            ticks = nice_ticks(*self.y_range)
            for tick in ticks:
                parts.append(svg.line(left - 3, self.y(tick), left, self.y(tick), INK, 0.8))
                parts.append(svg.text(left - 6, self.y(tick) + 3.5, tick_text(tick, ticks), 10, "end"))
        ticks = nice_ticks(*self.x_range) if x_ticks is None else x_ticks
        for tick in ticks:
            parts.append(svg.line(self.x(tick), floor, self.x(tick), floor + 3, INK, 0.8))
            parts.append(svg.text(self.x(tick), floor + 13, tick_text(tick, ticks), 10, "middle"))
        if x_label:
            parts.append(svg.text((left + self.width - RIGHT) / 2, floor + 26, x_label, 10, "middle", "faint"))
        return "".join(parts)


def tick_text(tick: float, ticks: list[float]) -> str:
    """A tick's number with as many decimals as the ticks' step needs."""
    step = ticks[1] - ticks[0] if len(ticks) > 1 else abs(tick) or 1.0
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    if not math.isclose(round(step, digits), step, rel_tol=1e-6):
        digits += 1
    return svg.shown(tick + 0.0, digits) if tick else "0"
