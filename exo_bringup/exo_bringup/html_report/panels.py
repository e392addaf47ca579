# SPDX-License-Identifier: Apache-2.0
"""The kinds of figure in a report: curves over the stride, bars with spread, dots in rows, points in time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from exo_bringup.html_report import svg
from exo_bringup.html_report.axes import RIGHT, Axes, padded
from exo_bringup.html_report.catalogue import Variable
from exo_bringup.html_report.run_data import SIDES, RunData
from exo_bringup.html_report.style import (
    COLOURS,
    DASHES,
    FAINT_INK,
    INK,
    NORM_BAND,
    NORM_LINE,
    OTHER_COLOUR,
    SIDE_NAMES,
)

WIDTH, HEIGHT = 320.0, 200.0
#: A curve's SD is drawn this faintly, so that lines in front stay clear.
SPREAD_OPACITY = 0.13
STRIDE_TICKS = [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]
STRIDE_LABEL = "stride (%)"
#: A scale of dots reaches at least this far, so that a small difference looks small.
SHORTEST_SCALE = 10.0
#: Half height of the mark of toe-off on the time axis.
MARK = 4.0


@dataclass(frozen=True)
class Series:
    """A mean curve with SD over the stride, and how it is drawn."""

    phase_percent: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    colour: str
    dash: str = ""


def colour_of(condition: str) -> str:
    """Colour of a condition."""
    return COLOURS.get(condition, OTHER_COLOUR)


def series_of(run: RunData, variable: str) -> list[Series]:
    """Curves of a variable in every condition and on both sides."""
    found = []
    for condition in run.conditions:
        for side in SIDES:
            curve = run.curve(condition, variable, side)
            if curve is not None and np.isfinite(curve.mean).any():
                found.append(Series(curve.phase_percent, curve.mean, curve.sd, colour_of(condition), DASHES[side]))
    return found


def stride_range(runs: Sequence[RunData], variable: str) -> tuple[float, float] | None:
    """Common range of a variable in several runs, norm included; None where none has it."""
    values = []
    for run in runs:
        series = series_of(run, variable)
        values += [np.concatenate([s.mean - s.sd, s.mean + s.sd, s.mean]) for s in series]
        norm = run.norm_curve(variable)
        if norm is not None and series:
            values += [norm.mean - norm.sd, norm.mean + norm.sd]
    return padded(values)


def stride_panel(
    run: RunData,
    variable: Variable,
    limits: tuple[float, float] | None = None,
    label: str = "",
    width: float = WIDTH,
    height: float = HEIGHT,
) -> str:
    """Content of a figure (width by height): a variable over the stride and, if it has one, its norm.

    `label` goes before the title.
    """
    series, norm = series_of(run, variable.name), run.norm_curve(variable.name)
    limits = limits or stride_range([run], variable.name) or (0.0, 1.0)
    axes = Axes(width, height, (0.0, 100.0), limits)
    parts = []
    if norm is not None:
        x = axes.x(norm.phase_percent)
        low, middle, high = (axes.y(np.clip(norm.mean + k * norm.sd, *limits)) for k in (-1.0, 0.0, 1.0))
        parts.append(svg.band(x, low, high, NORM_BAND))
        parts.append(svg.polyline(x, middle, NORM_LINE, 1.0))
    for s in series:
        x = axes.x(s.phase_percent)
        parts.append(svg.band(x, axes.y(s.mean - s.sd), axes.y(s.mean + s.sd), s.colour, SPREAD_OPACITY))
    parts += [svg.polyline(axes.x(s.phase_percent), axes.y(s.mean), s.colour, dash=s.dash) for s in series]
    parts.append(axes.frame(label + variable.title, variable.unit, STRIDE_LABEL, STRIDE_TICKS, y_ticks=bool(series)))
    parts.append(_toe_off(run, axes) if series else nothing(axes, "not measured"))
    return "".join(parts)


def _toe_off(run: RunData, axes: Axes) -> str:
    """A small triangle on the time axis where stance ends, one a condition."""
    parts = []
    for condition in run.conditions:
        x, y = axes.x(run.mean("stance_percent", condition)), axes.height - axes.bottom
        if math.isfinite(x):
            corners = f"M{svg.number(x)} {svg.number(y - 2 * MARK)}l{MARK:g} {2 * MARK:g}h{-2 * MARK:g}z"
            parts.append(f'<path d="{corners}" fill="{colour_of(condition)}"/>')
    return "".join(parts)


def nothing(axes: Axes, why: str) -> str:
    """Words in the middle of an empty figure."""
    return svg.text(
        (axes.left + axes.width) / 2, (axes.top + axes.height - axes.bottom) / 2, why, 11, "middle", "faint"
    )


@dataclass(frozen=True)
class Bar:
    """One bar: mean and SD (NaN for none) in a colour, under the group of its name."""

    group: str
    mean: float
    sd: float
    colour: str


def bar_panel(
    title: str,
    unit: str,
    bars: Sequence[Bar],
    width: float = WIDTH,
    height: float = HEIGHT,
    digits: int = 2,
    top: float | None = None,
) -> str:
    """Content of a figure with bars from zero, side by side within their group, each with its value above."""
    known = [bar for bar in bars if math.isfinite(bar.mean)]
    spread = {id(bar): bar.sd if math.isfinite(bar.sd) else 0.0 for bar in known}
    highest = top or max((bar.mean + spread[id(bar)] for bar in known), default=1.0) * 1.18 or 1.0
    lowest = min(0.0, min((bar.mean - spread[id(bar)] for bar in known), default=0.0) * 1.18)
    groups = list(dict.fromkeys(bar.group for bar in bars))
    axes = Axes(width, height, (-0.5, max(len(groups), 1) - 0.5), (lowest, highest))
    parts = []
    for place, group in enumerate(groups):
        members = [bar for bar in bars if bar.group == group]
        share = 0.8 / len(members)
        for i, bar in enumerate(members):
            if not math.isfinite(bar.mean):
                continue
            left, right = (axes.x(place - 0.4 + share * (i + edge)) for edge in (0.06, 0.94))
            y, zero, middle = axes.y(bar.mean), axes.y(0.0), (left + right) / 2
            parts.append(svg.rectangle(left, min(y, zero), right - left, abs(zero - y), bar.colour))
            sd = spread[id(bar)]
            if sd > 0.0:
                low, high = axes.y(bar.mean - sd), axes.y(bar.mean + sd)
                parts.append(svg.line(middle, low, middle, high, INK, 1.0))
                parts += [svg.line(middle - 4, y_end, middle + 4, y_end, INK, 1.0) for y_end in (low, high)]
            above = axes.y(bar.mean + math.copysign(sd, bar.mean or 1.0))
            parts.append(
                svg.text(
                    middle,
                    above - 4 if bar.mean >= 0.0 else above + 12,
                    svg.shown(bar.mean, digits),
                    10,
                    "middle",
                )
            )
        parts.append(svg.text(axes.x(place), height - axes.bottom + 13, group, 10, "middle"))
    parts.insert(0, axes.frame(title, unit, x_ticks=[], y_ticks=bool(known)))
    if not known:
        parts.append(nothing(axes, "not measured"))
    return "".join(parts)


def dot_rows(
    title: str,
    unit: str,
    rows: Mapping[str, Mapping[str, float]],
    width: float,
    row_height: float = 24.0,
    label_width: float = 150.0,
) -> tuple[str, float]:
    """A dot a condition in each row, on a scale from zero; returns content and height."""
    height = 30.0 + row_height * len(rows) + 30.0
    values = np.array([value for row in rows.values() for value in row.values()])
    _, highest = padded([values], zero=True) or (0.0, 1.0)
    axes = Axes(width, height, (0.0, max(highest, SHORTEST_SCALE)), (0.0, max(len(rows), 1)), left=label_width)
    parts = [axes.frame(title, unit, x_label=unit, y_ticks=False)]
    for place, (name, row) in enumerate(rows.items()):
        y = axes.y(len(rows) - place - 0.5)
        parts.append(svg.line(label_width, y, width - RIGHT, y, "#EEEEEE", 1.0))
        parts.append(svg.text(label_width - 8, y + 3.5, name, 10.5, "end"))
        known = {condition: value for condition, value in row.items() if math.isfinite(value)}
        if not known:
            parts.append(svg.text(label_width + 6, y + 3.5, "not measured on both sides", 9.5, kind="faint"))
        parts += [svg.circle(axes.x(value), y, 4.5, colour_of(condition)) for condition, value in known.items()]
    return "".join(parts), height


def points_over_time(
    title: str, unit: str, run: RunData, name: str, width: float = WIDTH, height: float = HEIGHT
) -> str:
    """A stride figure of every stride over simulated time: dots for the right, rings for the left leg."""
    known = [stride for stride in run.strides if stride.get(name) is not None]
    times = [stride["end"] for stride in known]
    limits = padded([np.array([stride[name] for stride in known])], zero=True) or (0.0, 1.0)
    axes = Axes(width, height, (0.0, 1.02 * max(times, default=1.0)), limits)
    parts = [axes.frame(title, unit, "simulated time (s)", y_ticks=bool(known))]
    parts += [
        svg.circle(axes.x(s["end"]), axes.y(s[name]), 2.6, colour_of(s["condition"]), s["side"] == "r") for s in known
    ]
    return "".join(parts) if known else "".join([*parts, nothing(axes, "no full stride")])


def legend(run_conditions: Sequence[str], sides: bool = True, norm: bool = True, toe_off: bool = True) -> str:
    """HTML: what the colours and dashes mean."""
    entries = [(svg.line(0, 5, 26, 5, colour_of(condition), 2.4), condition) for condition in run_conditions]
    if sides:
        entries += [(svg.line(0, 5, 26, 5, INK, 1.8, DASHES[side]), f"{SIDE_NAMES[side]} leg") for side in SIDES]
    if norm:
        swatch = svg.rectangle(0, 0, 26, 10, NORM_BAND) + svg.line(0, 5, 26, 5, NORM_LINE)
        entries.append((swatch, "able-bodied people, mean \N{PLUS-MINUS SIGN} SD (Schwartz et al. 2008)"))
    if toe_off:
        entries.append((f'<path d="M13 1l4 8h-8z" fill="{FAINT_INK}"/>', "toe-off"))
    items = "".join(
        f'<span><svg width="26" height="10" viewBox="0 0 26 10" aria-hidden="true">{swatch}</svg>{words}</span>'
        for swatch, words in entries
    )
    return f'<div class="legend">{items}</div>'
