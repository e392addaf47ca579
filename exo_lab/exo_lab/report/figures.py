# SPDX-License-Identifier: Apache-2.0
"""The kinds of figures: curves with bands, bars and points with intervals, dots in rows, maps of colour.

A panel is a matplotlib figure of its own, which a page scales; its sizes are in points, and text keeps its size relative
to the panel's. What draws onto axes (``draw_*``) serves panels and composed figures alike.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
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

#: Points for an inch, matplotlib's unit of length.
POINTS = 72.0
#: A panel, and the width of a page.
WIDTH, HEIGHT, WIDE = 320.0, 200.0, 1010.0
#: Room around a panel's axes.
LEFT, RIGHT, TOP, BOTTOM = 42.0, 12.0, 32.0, 32.0
TITLE_SIZE, SMALL, TICK_SIZE = 12.0, 10.0, 10.0
#: A curve's SD is drawn this faintly, so that lines in front stay clear.
SPREAD_OPACITY = 0.14
#: A scale leaves this share of its range above and below what is drawn, and this share above bars for their words.
MARGIN, HEADROOM = 0.06, 0.16
#: A scale of dots reaches at least this far, so that a small difference looks small.
SHORTEST_SCALE = 10.0
#: An interval extends a scale beyond its values by at most this share of their range.
MOST_INTERVAL = 0.5
#: As many speeds stand on an axis themselves; more would overlap.
MOST_SPEED_TICKS = 6
SPEED_ROOM_MPS = 0.1
FAINT_RULE = "#EEEEEE"
Compose = Callable[[], Drawing]


# --- figures as files and elements


def svg(title: str, compose: Compose) -> str:
    """A figure as an <svg> element that scales with its place; the title is read out and shown as a tooltip."""
    with figure_style():
        return as_element(_document(compose()), title)


def save(stem: Path, title: str, compose: Compose) -> str:
    """Draw once, write stem.svg and stem.png; returns the figure as an element.

    Raises:
        OSError: they cannot be written.
    """
    with figure_style():
        drawing = compose()
        document = _document(drawing)
        stem.parent.mkdir(parents=True, exist_ok=True)
        stem.with_suffix(".svg").write_text(document, encoding="utf-8")
        drawing.savefig(stem.with_suffix(".png"), dpi=DPI, metadata=PNG_METADATA)
    return as_element(document, title)


def _document(drawing: Drawing) -> str:
    stream = io.StringIO()
    drawing.savefig(stream, format="svg", metadata={"Date": None, "Creator": "exo_gait"})
    return stream.getvalue()


def as_element(document: str, title: str) -> str:
    """An SVG document as an element of a page: no prologue, no size of its own, no identifier that nothing uses."""
    element = document[document.index("<svg") :].strip()
    head, rest = element.split(">", 1)
    box = re.search(r'viewBox="[^"]*"', head)
    used = set(re.findall(r'(?:xlink:href="#|url\(#)([^")]+)', rest))
    rest = re.sub(r'\s+id="([^"]*)"', lambda match: match[0] if match[1] in used else "", rest)
    rest = re.sub(r"<metadata>.*?</metadata>\s*", "", rest, flags=re.DOTALL)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'{box[0] if box else ""} role="img"><title>{escape(title)}</title>{rest}'
    )


# --- panels and axes


def panel(
    title: str, unit: str, width: float = WIDTH, height: float = HEIGHT, left: float = LEFT
) -> tuple[Drawing, Axes]:
    """An empty panel: its title, its unit below, and axes."""
    drawing = Drawing(figsize=(width / POINTS, height / POINTS))
    axes = add_axes(drawing, (left, BOTTOM, width - left - RIGHT, height - TOP - BOTTOM))
    write_title(drawing, 0.0, title, unit)
    return drawing, axes


def row_of_panels(
    entries: Sequence, height: float, draw: Callable[[Drawing, tuple[float, float, float, float], int], None]
) -> Drawing:
    """A row of panels, equally wide inside; the first has room for the scale's numbers.

    Args:
        draw: is given the drawing, a panel's place (points) and its number.
    """
    drawing, gap = Drawing(figsize=(WIDE / POINTS, height / POINTS)), 16.0
    inner = (WIDE - LEFT - RIGHT - gap * (len(entries) - 1)) / len(entries)
    for place in range(len(entries)):
        draw(drawing, (LEFT + place * (inner + gap), BOTTOM, inner, height - TOP - BOTTOM), place)
    return drawing


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


def sheet(size_in: tuple[float, float], title: str, subtitle: str, x: float = 0.06, room_in: float = 0.3) -> Drawing:
    """A composed figure with its title at the top and words below it; `room_in`: of the title from the edge (inches)."""
    drawing = Drawing(figsize=size_in)
    drawing.text(x, 1.0 - room_in / size_in[1], title, fontsize=13, fontweight="bold")
    drawing.text(x, 1.0 - (room_in + 0.22) / size_in[1], subtitle, fontsize=9, color=FAINT_INK)
    return drawing


def words(axes: Axes, what: str) -> None:
    """Words in the middle of an empty panel."""
    axes.text(0.5, 0.5, what, transform=axes.transAxes, ha="center", va="center", color=FAINT_INK, fontsize=11)


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


def scale(axes: Axes, limits: tuple[float, float] | None) -> None:
    """The given scale at the side, with a line at zero; none where nothing is known."""
    if limits is None:
        axes.set_yticks([])
        return
    axes.set_ylim(*limits)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    if limits[0] < 0.0 < limits[1]:
        axes.axhline(0.0, color=RULE, lw=0.8, zorder=0)


# --- curves over the stride


@dataclass(frozen=True)
class Line:
    """A curve over the stride and how it is drawn; its SD is drawn unless it is None."""

    phase: np.ndarray
    mean: np.ndarray
    sd: np.ndarray | None
    colour: str
    dash: str | tuple = "-"
    width: float = 1.6

    @classmethod
    def of(cls, curve: Curve, colour: str, width: float = 1.6) -> Line:
        """A measured curve, dashed for the left leg."""
        return cls(curve.phase_percent, curve.mean, np.nan_to_num(curve.sd), colour, DASHES[curve.side], width)


def draw_stride(
    axes: Axes,
    lines: Sequence[Line],
    norm: Curve | None = None,
    limits: tuple[float, float] | None = None,
    empty: str = "not measured",
    label: bool = True,
    few: bool = False,
) -> None:
    """Curves with their SD over the stride, people's mean and SD behind them in grey.

    Args:
        limits: of the scale; None for what is drawn.
        empty: words where there is no curve.
        label: whether the time axis is named; few: whether it has few ticks.
    """
    axes.set_xlim(0, 100)
    axes.set_xticks(STRIDE_TICKS[::2] + STRIDE_TICKS[-1:] if few else STRIDE_TICKS)
    if label:
        axes.set_xlabel(STRIDE_LABEL, fontsize=SMALL, labelpad=2)
    if norm is not None:
        axes.fill_between(norm.phase_percent, norm.mean - norm.sd, norm.mean + norm.sd, color=NORM_BAND, lw=0)
        axes.plot(norm.phase_percent, norm.mean, color=NORM_LINE, lw=1.0)
    for line in lines:
        if line.sd is not None:
            low, high = line.mean - line.sd, line.mean + line.sd
            axes.fill_between(line.phase, low, high, color=line.colour, alpha=SPREAD_OPACITY, lw=0)
        axes.plot(line.phase, line.mean, color=line.colour, ls=line.dash, lw=line.width)
    if not lines:
        words(axes, empty)
    scale(axes, limits or (curve_range(lines, [norm]) if lines else None))


def curve_range(lines: Sequence[Line], norms: Sequence[Curve | None] = ()) -> tuple[float, float] | None:
    """Common range of curves with their SD, norms included; None without curves."""
    if not lines:
        return None
    spreads = [(line.mean, line.sd if line.sd is not None else 0.0) for line in lines]
    spreads += [(norm.mean, norm.sd) for norm in norms if norm is not None]
    return padded([v for mean, sd in spreads for v in (mean - sd, mean, mean + sd)])


def over_largest(curve: Curve | None) -> Curve | None:
    """A curve over its own largest value, as EMG is shown."""
    if curve is None:
        return None
    largest = curve.mean.max()
    return replace(curve, mean=curve.mean / largest, sd=curve.sd / largest)


def draw_toe_off(axes: Axes, stance_percent: float, colour: str) -> None:
    """A small triangle on the time axis where stance ends."""
    if math.isfinite(stance_percent):
        axes.plot(
            [stance_percent], [0.03], "^", ms=5, color=colour, transform=axes.get_xaxis_transform(), clip_on=False
        )


# --- bars, dots and points


def draw_interval(axes: Axes, at: float, value: float, low: float, high: float, colour: str = INK,
                  horizontal: bool = False) -> float:  # fmt: skip
    """An interval where it is known; returns its upper end, or the value."""
    if not all(map(math.isfinite, (value, low, high))):
        return value
    spread = [[max(value - low, 0.0)], [max(high - value, 0.0)]]
    x, y = (value, at) if horizontal else (at, value)
    axes.errorbar(x, y, **{"xerr" if horizontal else "yerr": spread}, color=colour, lw=1.0, capsize=2.5)
    return max(high, value)


def sample_sd(values: np.ndarray) -> float:
    """Standard deviation (n - 1) of values (n,), as that of the curves; one value alone has none (NaN)."""
    return float(values.std(ddof=1)) if values.size > 1 else math.nan


@dataclass(frozen=True)
class Bar:
    """A bar from zero under the name of its group, its interval (NaN for none), and words above it in its colour."""

    group: str
    value: float
    colour: str
    low: float = math.nan
    high: float = math.nan
    words: str = ""

    @classmethod
    def of(cls, group: str, values: np.ndarray, colour: str, digits: int = 2) -> Bar:
        """Mean and SD of values, the mean written above."""
        if not values.size:
            return cls(group, math.nan, colour)
        mean, sd = float(values.mean()), sample_sd(values)
        return cls(group, mean, colour, mean - sd, mean + sd, shown(mean, digits))


def draw_bars(
    axes: Axes,
    bars: Sequence[Bar],
    share: float = 0.72,
    size: float = SMALL,
    bold: bool = False,
    turn: float = 0.0,
    most_interval: float = math.inf,
    empty: str = "not measured",
    gap: str = "",
) -> float:
    """Bars side by side within their group; returns how high they reach with their intervals.

    Args:
        share: of a group's room that its bars take.
        size, bold, turn: of the words above bars; bold ones stand above the whole group, in the bar's colour.
        most_interval: an interval may be wider than all bars are tall, and is taken for at most so high.
        gap: words in place of a bar that is not known.
    """
    groups = list(dict.fromkeys(bar.group for bar in bars))
    highest = 0.0
    for place, group in enumerate(groups):
        members, tops = [bar for bar in bars if bar.group == group], [0.0]
        wide = share / len(members)
        for i, bar in enumerate(members):
            x = place - 0.5 * share + wide * (i + 0.5)
            if not math.isfinite(bar.value):
                axes.text(x, 0.0, gap, ha="center", va="bottom", fontsize=8, color=NORM_LINE)
                continue
            axes.bar(x, bar.value, 0.92 * wide, color=bar.colour)
            end = draw_interval(axes, x, bar.value, bar.low, bar.high)
            tops.append(min(end, max(most_interval, 2.0 * bar.value)))
            up = bar.value >= 0.0
            y = (max(tops) if bold and not turn else tops[-1]) if up else min(bar.value, bar.low)
            axes.annotate(
                bar.words, (x, y), xytext=(0, 3 if up else -3), textcoords="offset points", ha="center",
                va="bottom" if up else "top", fontsize=size, rotation=turn,
                fontweight="bold" if bold else "normal", color=bar.colour if bold else INK,
            )  # fmt: skip
        highest = max(highest, *tops)
    axes.set_xticks(range(len(groups)), groups)
    axes.set_xlim(-0.5, max(len(groups), 1) - 0.5)
    axes.margins(y=HEADROOM)
    if any(math.isfinite(bar.value) for bar in bars):
        axes.axhline(0.0, color=INK, lw=0.8)
    else:
        axes.set_yticks([])
        words(axes, empty)
    return highest


def bar_panel(title: str, unit: str, bars: Sequence[Bar], width: float = WIDTH, height: float = HEIGHT) -> Drawing:
    """A panel of bars."""
    drawing, axes = panel(title, unit, width, height)
    draw_bars(axes, bars, size=SMALL if len(bars) <= 12 else 8.5)
    return drawing


def draw_rows(axes: Axes, names: Sequence[str], unit: str) -> None:
    """Rows for dots, the first one on top."""
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), list(names))
    axes.set_xlabel(unit, fontsize=SMALL, labelpad=2)
    for place in range(len(names)):
        axes.axhline(place, color=FAINT_RULE, lw=1.0, zorder=0)


def dot_rows(
    title: str, unit: str, rows: Mapping[str, Mapping[str, float]], colour_of: Callable[[str], str], width: float
) -> Drawing:
    """A dot a condition in each row, on a scale from zero."""
    drawing, axes = panel(title, "", width, 62.0 + 24.0 * len(rows), left=160.0)
    highest = max([SHORTEST_SCALE, *(v for row in rows.values() for v in row.values() if math.isfinite(v))])
    axes.set_xlim(0.0, 1.04 * highest)
    draw_rows(axes, list(rows), unit)
    for place, row in enumerate(rows.values()):
        known = {condition: value for condition, value in row.items() if math.isfinite(value)}
        for condition, value in known.items():
            axes.plot(value, place, "o", ms=8, color=colour_of(condition), clip_on=False)
        if not known:
            axes.text(0.01 * highest, place, "not measured on both sides", va="center", color=FAINT_INK, fontsize=9.5)
    return drawing


@dataclass(frozen=True)
class Points:
    """Values (n,) at x (n,) with intervals (n, 2), NaN for none, and how they are drawn.

    ``dots`` false draws a dashed curve, as for what was measured on people.
    """

    x: np.ndarray
    value: np.ndarray
    colour: str
    interval: np.ndarray | None = None
    dots: bool = True

    @classmethod
    def norm(cls, x: Sequence[float] | np.ndarray, value: Sequence[float] | np.ndarray) -> Points:
        """What was measured on people."""
        return cls(np.array(x, dtype=float), np.array(value, dtype=float), INK, dots=False)


def draw_points(axes: Axes, points: Points) -> None:
    """Points with their intervals."""
    style = {"ls": "-", "marker": "o"} if points.dots else {"ls": (0, (5, 3))}
    axes.plot(points.x, points.value, color=points.colour, **style)
    if points.interval is not None:
        for x, value, (low, high) in zip(points.x, points.value, points.interval, strict=True):
            draw_interval(axes, x, value, low, high, points.colour)


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
    speeds, limits = np.concatenate([p.x for p in points]), _range_with_intervals(points, target, zero)
    axes.set_xlim(speeds.min() - SPEED_ROOM_MPS, speeds.max() + SPEED_ROOM_MPS)
    if 0 < len(ticks) <= MOST_SPEED_TICKS:
        axes.set_xticks(ticks, [f"{speed:g}" for speed in ticks])
    axes.set_xlabel("speed (m/s)", fontsize=SMALL, labelpad=2)
    scale(axes, limits)
    if limits is None:
        words(axes, "not measured")
        return drawing
    if target is not None:
        axes.fill_between(*target, color=TARGET_BAND, lw=0, zorder=0)
    for p in points:
        draw_points(axes, p)
    return drawing


def _range_with_intervals(points: Sequence[Points], target, zero: bool) -> tuple[float, float] | None:
    """Range of a scale. Wide intervals of few walks end at its edge, else only they could be seen."""
    values = [p.value for p in points] + list(target or ())[1:]
    limits = padded(values, zero)
    if limits is None:
        return None
    room = MOST_INTERVAL * (limits[1] - limits[0])
    lowest = limits[0] if zero and limits[0] == 0.0 else limits[0] - room
    intervals = [np.clip(p.interval, lowest, limits[1] + room) for p in points if p.interval is not None]
    return padded([*values, *intervals], zero)


def percent(value: float) -> str:
    """A change in percent for the words above a bar; nothing where it is not known."""
    return minus(f"{value:+.0f} %") if math.isfinite(value) else ""


# --- legends of composed figures


def line_entry(colour: str, label: str, dash: str | tuple = "-", width: float = 1.6) -> Line2D:
    """A line and what it stands for."""
    return Line2D([], [], color=colour, ls=dash, lw=width, label=label)


def dot_entry(colour: str, label: str) -> Line2D:
    """A dot and what it stands for."""
    return Line2D([], [], ls="", marker="o", color=colour, label=label)


def band_entry(colour: str, label: str) -> Patch:
    """A band or bar and what it stands for."""
    return Patch(color=colour, label=label)


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
    gap, floor = 5.0, 62.0
    height = 30.0 + row * sum(map(len, groups.values())) + gap * (len(groups) - 1) + floor
    drawing = Drawing(figsize=(WIDTH / POINTS, height / POINTS))
    write_title(drawing, 0.0, title, unit)
    colours = matplotlib.colormaps[DIVERGING if limits[0] < 0.0 else SEQUENTIAL].resampled(17)
    y = height - 30.0
    for place, (group, curves) in enumerate(groups.items()):
        high = row * len(curves)
        axes = add_axes(drawing, (labels, y - high, WIDTH - labels - RIGHT, high))
        mesh = axes.imshow(
            np.stack(list(curves.values())), aspect="auto", extent=(-0.5, 100.5, len(curves), 0), cmap=colours,
            vmin=limits[0], vmax=limits[1], interpolation="nearest",
        )  # fmt: skip
        axes.set_xlim(0, 100)
        axes.set_yticks(np.arange(len(curves)) + 0.5, list(curves), fontsize=min(0.88 * row, 9.0))
        axes.tick_params(axis="y", length=0, pad=3)
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.set_xticks(STRIDE_TICKS if place == len(groups) - 1 else [])
        drawing.text(0.0, (y - 0.5 * high) / height, group, fontsize=8.5, color=FAINT_INK, va="center")
        y -= high + gap
    axes.set_xlabel(STRIDE_LABEL, fontsize=SMALL, labelpad=1)
    bar_axes = add_axes(drawing, (labels, 16.0, WIDTH - labels - RIGHT, 8.0))
    ticks = [limits[0], sum(limits) / 2.0, limits[1]]
    drawing.colorbar(mesh, cax=bar_axes, orientation="horizontal", ticks=ticks).outline.set_visible(False)
    return drawing
