# SPDX-License-Identifier: Apache-2.0
"""Panels that reports are made of: curves over the stride, bars, dots in rows, figures over speed, maps.

A panel is a matplotlib figure of its own, which a page scales; sizes are in points, and text keeps its size relative
to the panel's. What draws onto axes that others made (``draw_*``) serves composed figures as well.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import MaxNLocator

from exo_lab.report.style import (
    DASHES,
    DIVERGING,
    DPI,
    FAINT_INK,
    INK,
    NORM_BAND,
    NORM_LINE,
    PNG_METADATA,
    RULE,
    SEQUENTIAL,
    STRIDE_LABEL,
    STRIDE_TICKS,
    TARGET_BAND,
    figure_style,
    minus,
    shown,
)
from exo_sim.gait.curves import Curve
from exo_sim.measurement import Figure

#: Points for an inch, matplotlib's unit of length.
POINTS = 72.0
WIDTH, HEIGHT = 320.0, 200.0
#: The width of a page.
WIDE = 1010.0
#: Room around a panel's axes.
LEFT, RIGHT, TOP, BOTTOM = 42.0, 12.0, 32.0, 32.0
TITLE_SIZE, SMALL, TICK_SIZE = 12.0, 10.0, 10.0
#: A curve's SD is drawn this faintly, so that lines in front stay clear.
SPREAD_OPACITY = 0.14
#: A scale leaves this share of its range above and below what is drawn.
MARGIN = 0.06
#: A scale of dots reaches at least this far, so that a small difference looks small.
SHORTEST_SCALE = 10.0
#: An interval extends a scale beyond its values by at most this share of their range.
MOST_INTERVAL = 0.5
#: As many speeds stand on an axis themselves; more would overlap.
MOST_SPEED_TICKS = 6
SPEED_ROOM_MPS = 0.1


def svg(title: str, compose: Callable[[], Drawing]) -> str:
    """A figure as an <svg> element that scales with its place; the title is read out and shown as a tooltip."""
    with figure_style():
        stream = io.StringIO()
        compose().savefig(stream, format="svg", metadata={"Date": None, "Creator": "exo_gait"})
    return as_element(stream.getvalue(), title)


def as_element(document: str, title: str) -> str:
    """An SVG document as an element of a page: no prologue, no size of its own, no identifier that nothing uses."""
    element = document[document.index("<svg") :].strip()
    head, rest = element.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', head)
    used = set(re.findall(r'(?:xlink:href="#|url\(#)([^")]+)', rest))
    rest = re.sub(r'\s+id="([^"]*)"', lambda match: match[0] if match[1] in used else "", rest)
    rest = re.sub(r"<metadata>.*?</metadata>\s*", "", rest, flags=re.DOTALL)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {box[0]} role="img">'
        f"<title>{escape(title)}</title>{rest}"
    )


def save(stem: Path, title: str, compose: Callable[[], Drawing]) -> tuple[list[Path], str]:
    """Draw once, write stem.svg and stem.png; returns their paths and the figure as an element.

    Raises:
        OSError: they cannot be written.
    """
    with figure_style():
        drawing, stream = compose(), io.StringIO()
        drawing.savefig(stream, format="svg", metadata={"Date": None, "Creator": "exo_gait"})
        vector, picture = stem.with_suffix(".svg"), stem.with_suffix(".png")
        stem.parent.mkdir(parents=True, exist_ok=True)
        vector.write_text(stream.getvalue(), encoding="utf-8")
        drawing.savefig(picture, dpi=DPI, metadata=PNG_METADATA)
    return [vector, picture], as_element(stream.getvalue(), title)


# --- axes


def panel(
    title: str, unit: str, width: float = WIDTH, height: float = HEIGHT, left: float = LEFT, bottom: float = BOTTOM
) -> tuple[Drawing, Axes]:
    """An empty panel: its title, its unit below, and axes."""
    drawing = Drawing(figsize=(width / POINTS, height / POINTS))
    axes = add_axes(drawing, (left, bottom, width - left - RIGHT, height - TOP - bottom))
    write_title(drawing, 0.0, title, unit)
    return drawing, axes


def add_axes(drawing: Drawing, place: tuple[float, float, float, float]) -> Axes:
    """Axes at left, bottom, width, height in points."""
    width, height = drawing.get_size_inches() * POINTS
    left, bottom, wide, high = place
    axes = drawing.add_axes((left / width, bottom / height, wide / width, high / height))
    axes.tick_params(labelsize=TICK_SIZE, length=3)
    return axes


def write_title(drawing: Drawing, x: float, title: str, unit: str) -> None:
    """A panel's title with its unit, x points from the left, at the top."""
    width, height = drawing.get_size_inches() * POINTS
    drawing.text(x / width, 1.0 - 11.0 / height, title, fontsize=TITLE_SIZE, fontweight="bold")
    drawing.text(x / width, 1.0 - 23.5 / height, unit, fontsize=SMALL, color=FAINT_INK)


def padded(values: Sequence[np.ndarray], zero: bool = False) -> tuple[float, float] | None:
    """Range of all finite values with some room; with zero in it if wanted; None where there is nothing."""
    finite = np.concatenate([np.ravel(v)[np.isfinite(np.ravel(v))] for v in values]) if values else np.empty(0)
    if not finite.size:
        return None
    low, high = float(finite.min()), float(finite.max())
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    room = MARGIN * (high - low) or 0.5 * abs(high) or 1.0
    return low - (0.0 if zero and low == 0.0 else room), high + (0.0 if zero and high == 0.0 > low else room)


def stride_axes(axes: Axes, limits: tuple[float, float] | None, label: bool = True, few: bool = False) -> None:
    """Scale of the stride below, and the given scale at the side (none where nothing is known)."""
    axes.set_xlim(0, 100)
    axes.set_xticks(STRIDE_TICKS[::2] + STRIDE_TICKS[-1:] if few else STRIDE_TICKS)
    if label:
        axes.set_xlabel(STRIDE_LABEL, fontsize=SMALL, labelpad=2)
    if limits is None:
        axes.set_yticks([])
        return
    axes.set_ylim(*limits)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    if limits[0] < 0.0 < limits[1]:
        axes.axhline(0.0, color=RULE, lw=0.8, zorder=0)


def words(axes: Axes, what: str) -> None:
    """Words in the middle of an empty panel."""
    axes.text(0.5, 0.5, what, transform=axes.transAxes, ha="center", va="center", color=FAINT_INK, fontsize=11)


# --- curves over the stride


def draw_norm(axes: Axes, norm: Curve | None) -> None:
    """Mean and SD of people, in grey."""
    if norm is not None:
        axes.fill_between(norm.phase_percent, norm.mean - norm.sd, norm.mean + norm.sd, color=NORM_BAND, lw=0)
        axes.plot(norm.phase_percent, norm.mean, color=NORM_LINE, lw=1.0)


def draw_curve(axes: Axes, curve: Curve, colour: str, side: str = "r", width: float = 1.6) -> None:
    """Mean and SD of a curve, dashed for the left leg."""
    spread = np.nan_to_num(curve.sd)
    axes.fill_between(
        curve.phase_percent, curve.mean - spread, curve.mean + spread, color=colour, alpha=SPREAD_OPACITY, lw=0
    )
    axes.plot(curve.phase_percent, curve.mean, color=colour, ls=DASHES[side], lw=width)


def draw_toe_off(axes: Axes, stance_percent: float, colour: str) -> None:
    """A small triangle on the time axis where stance ends."""
    if math.isfinite(stance_percent):
        axes.plot(
            [stance_percent], [0.03], "^", ms=5, color=colour, transform=axes.get_xaxis_transform(), clip_on=False
        )


def curve_range(curves: Sequence[Curve], norms: Sequence[Curve | None] = ()) -> tuple[float, float] | None:
    """Common range of curves with their SD, norms included; None without curves."""
    if not curves:
        return None
    known = [*curves, *(norm for norm in norms if norm is not None)]
    return padded([v for c in known for v in (c.mean, c.mean - c.sd, c.mean + c.sd)])


# --- bars, dots and figures over speed


@dataclass(frozen=True)
class Bar:
    """One bar: mean and SD (NaN for none) in a colour, under the group of its name."""

    group: str
    mean: float
    sd: float
    colour: str


def bar_panel(
    title: str, unit: str, bars: Sequence[Bar], width: float = WIDTH, height: float = HEIGHT, digits: int = 2
) -> Drawing:
    """Bars from zero, side by side within their group, each with its value above."""
    drawing, axes = panel(title, unit, width, height)
    groups = list(dict.fromkeys(bar.group for bar in bars))
    for place, group in enumerate(groups):
        members = [bar for bar in bars if bar.group == group]
        share = 0.8 / len(members)
        for i, bar in enumerate(members):
            if not math.isfinite(bar.mean):
                continue
            x, sd = place - 0.4 + share * (i + 0.5), bar.sd if math.isfinite(bar.sd) else 0.0
            axes.bar(x, bar.mean, 0.9 * share, color=bar.colour)
            if sd > 0.0:
                axes.errorbar(x, bar.mean, sd, color=INK, lw=1.0, capsize=3)
            end = bar.mean + math.copysign(sd, bar.mean or 1.0)
            above = end >= 0.0
            axes.annotate(
                shown(bar.mean, digits),
                (x, end),
                xytext=(0, 3 if above else -3),
                textcoords="offset points",
                ha="center",
                va="bottom" if above else "top",
                fontsize=SMALL if len(bars) <= 12 else 8.5,
            )
    axes.set_xticks(range(len(groups)), groups)
    axes.set_xlim(-0.5, max(len(groups), 1) - 0.5)
    axes.margins(y=0.16)
    if any(math.isfinite(bar.mean) for bar in bars):
        axes.axhline(0.0, color=INK, lw=0.8)
    else:
        axes.set_yticks([])
        words(axes, "not measured")
    return drawing


def dot_rows(
    title: str, unit: str, rows: Mapping[str, Mapping[str, float]], colour_of: Callable[[str], str], width: float
) -> Drawing:
    """A dot a condition in each row, on a scale from zero."""
    drawing, axes = panel(title, "", width, 62.0 + 24.0 * len(rows), left=160.0)
    highest = max([SHORTEST_SCALE, *(v for row in rows.values() for v in row.values() if math.isfinite(v))])
    axes.set_xlim(0.0, 1.04 * highest)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set_xlabel(unit, fontsize=SMALL, labelpad=2)
    for place, row in enumerate(rows.values()):
        axes.axhline(place, color="#EEEEEE", lw=1.0, zorder=0)
        known = {condition: value for condition, value in row.items() if math.isfinite(value)}
        for condition, value in known.items():
            axes.plot(value, place, "o", ms=8, color=colour_of(condition), clip_on=False)
        if not known:
            axes.text(0.01 * highest, place, "not measured on both sides", va="center", color=FAINT_INK, fontsize=9.5)
    return drawing


@dataclass(frozen=True)
class Points:
    """Values (S,) at speeds (S,) m/s with intervals (S, 2), NaN for none, and how they are drawn.

    ``dots`` false draws a dashed curve, as for what was measured on people.
    """

    speed: np.ndarray
    value: np.ndarray
    colour: str
    interval: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))
    dots: bool = True

    @classmethod
    def norm(cls, speeds: Sequence[float], values: Sequence[float]) -> Points:
        """What was measured on people."""
        return cls(np.array(speeds, dtype=float), np.array(values, dtype=float), INK, dots=False)


def speed_panel(
    title: str,
    unit: str,
    points: Sequence[Points],
    target: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
    zero: bool = False,
    ticks: Sequence[float] = (),
    width: float = WIDTH,
    height: float = HEIGHT,
) -> Drawing:
    """Figures against walking speed.

    Args:
        target: speeds (n,), low and high (n,) of a target, drawn in green.
        zero: whether the scale begins at zero.
        ticks: speeds on the axis, unless they are too many.
    """
    drawing, axes = panel(title, unit, width, height)
    limits = _range_with_intervals(points, target, zero)
    speeds = np.concatenate([p.speed for p in points])
    axes.set_xlim(speeds.min() - SPEED_ROOM_MPS, speeds.max() + SPEED_ROOM_MPS)
    if 0 < len(ticks) <= MOST_SPEED_TICKS:
        axes.set_xticks(ticks, [f"{speed:g}" for speed in ticks])
    axes.set_xlabel("speed (m/s)", fontsize=SMALL, labelpad=2)
    if limits is None:
        axes.set_yticks([])
        words(axes, "not measured")
        return drawing
    axes.set_ylim(*limits)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    if limits[0] < 0.0 < limits[1]:
        axes.axhline(0.0, color=RULE, lw=0.8, zorder=0)
    if target is not None:
        axes.fill_between(*target, color=TARGET_BAND, lw=0, zorder=0)
    for p in points:
        axes.plot(p.speed, p.value, color=p.colour, ls="-" if p.dots else (0, (5, 3)), marker="o" if p.dots else None)
        for speed, value, (low, high) in zip(p.speed, p.value, p.interval, strict=False):
            if all(map(math.isfinite, (value, low, high))):
                spread = [[max(value - low, 0.0)], [max(high - value, 0.0)]]
                axes.errorbar(speed, value, spread, color=p.colour, lw=1.2, capsize=3)
    return drawing


def _range_with_intervals(points: Sequence[Points], target, zero: bool) -> tuple[float, float] | None:
    """Range of a scale. Wide intervals of few walks end at its edge, else only they could be seen."""
    values = [p.value for p in points] + list(target or ())[1:]
    limits = padded(values, zero)
    if limits is None:
        return None
    room = MOST_INTERVAL * (limits[1] - limits[0])
    lowest = limits[0] if zero and limits[0] == 0.0 else limits[0] - room
    return padded([*values, *(np.clip(p.interval, lowest, limits[1] + room) for p in points)], zero)


def error_bar(axes: Axes, x: float, figure: Figure, colour: str = INK) -> float:
    """The interval of a figure, where it has one; returns the highest point drawn."""
    if figure.interval is None or not all(map(math.isfinite, figure.interval)):
        return figure.value
    low, high = figure.interval
    spread = [[max(figure.value - low, 0.0)], [max(high - figure.value, 0.0)]]
    axes.errorbar(x, figure.value, spread, color=colour, lw=0.9, capsize=2)
    return high


def percent_above(
    axes: Axes, x: float, y: float, percent: float, colour: str, size: float = 8.5, turn: int = 0
) -> None:
    """A change in percent above a bar."""
    axes.annotate(
        minus(f"{percent:+.0f} %"),
        (x, y),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        fontsize=size,
        fontweight="bold",
        rotation=turn,
        color=colour,
    )


# --- maps over the stride


def stride_map(
    title: str,
    unit: str,
    groups: Mapping[str, Mapping[str, np.ndarray]],
    limits: tuple[float, float],
    labels: float,
    row: float,
) -> Drawing:
    """A map of colour: one row a curve, the stride from left to right.

    Args:
        groups: curves (101,) by name, by group; a gap stands between groups.
        limits: values at both ends of the scale; symmetric ones get diverging colours.
        labels: room for names (points).
        row: height of a row (points).
    """
    names = [name for group in groups.values() for name in group]
    gap, floor = 5.0, 62.0
    height = 30.0 + row * len(names) + gap * (len(groups) - 1) + floor
    drawing = Drawing(figsize=(WIDTH / POINTS, height / POINTS))
    write_title(drawing, 0.0, title, unit)
    colours = matplotlib.colormaps[DIVERGING if limits[0] < 0.0 else SEQUENTIAL].resampled(17)
    y, mesh, axes = height - 30.0, None, None
    for place, (group, curves) in enumerate(groups.items()):
        high = row * len(curves)
        axes = add_axes(drawing, (labels, y - high, WIDTH - labels - RIGHT, high))
        values = np.stack(list(curves.values()))
        mesh = axes.imshow(
            values, aspect="auto", extent=(-0.5, 100.5, len(curves), 0), cmap=colours, vmin=limits[0], vmax=limits[1],
            interpolation="nearest",
        )  # fmt: skip
        axes.set_xlim(0, 100)
        axes.set_yticks(np.arange(len(curves)) + 0.5, list(curves), fontsize=min(0.88 * row, 9.0))
        axes.tick_params(axis="y", length=0, pad=3)
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.set_xticks(STRIDE_TICKS if place == len(groups) - 1 else [])
        if group:
            drawing.text(0.0, (y - 0.5 * high) / height, group, fontsize=8.5, color=FAINT_INK, va="center")
        y -= high + gap
    axes.set_xlabel(STRIDE_LABEL, fontsize=SMALL, labelpad=1)
    scale = add_axes(drawing, (labels, 16.0, WIDTH - labels - RIGHT, 8.0))
    bar = drawing.colorbar(mesh, cax=scale, orientation="horizontal", ticks=[limits[0], sum(limits) / 2.0, limits[1]])
    bar.outline.set_visible(False)
    return drawing
