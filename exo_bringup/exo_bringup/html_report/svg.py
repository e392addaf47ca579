# SPDX-License-Identifier: Apache-2.0
"""Pieces of SVG as text. Coordinates in SVG's user units, y down."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

import numpy as np

MINUS = "\N{MINUS SIGN}"


def number(value: float, digits: int = 1) -> str:
    """A coordinate, as short as it gets."""
    text = f"{value:.{digits}f}".rstrip("0").rstrip(".") if digits else f"{value:.0f}"
    return "0" if text in ("-0", "") else text


def shown(value: float, digits: int = 2, sign: bool = False) -> str:
    """A value for people: minus sign instead of hyphen, a dash where it is not known."""
    if value is None or not np.isfinite(value):
        return "\N{EN DASH}"
    text = f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
    return text.replace("-", MINUS)


def document(width: float, height: float, title: str, content: Iterable[str]) -> str:
    """A figure that scales with its place; the title is read out and shown as a tooltip."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {number(width)} {number(height)}" role="img">'
        f"<title>{escape(title)}</title>{''.join(content)}</svg>"
    )


def moved(x: float, y: float, content: str) -> str:
    """Content shifted by x, y."""
    return f'<g transform="translate({number(x)} {number(y)})">{content}</g>'


def text(
    x: float,
    y: float,
    content: str,
    size: float = 10.5,
    anchor: str = "start",
    kind: str = "",
    colour: str = "",
) -> str:
    """One line of text with its baseline at y; anchor: start, middle or end; kind: CSS class."""
    extra = (
        (f' text-anchor="{anchor}"' if anchor != "start" else "")
        + (f' class="{kind}"' if kind else "")
        + (f' style="fill:{colour}"' if colour else "")
    )
    return f'<text x="{number(x)}" y="{number(y)}" font-size="{number(size)}"{extra}>{escape(content)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1.0, dash: str = "") -> str:
    """A straight line."""
    return (
        f'<path d="M{number(x1)} {number(y1)}L{number(x2)} {number(y2)}" stroke="{colour}" '
        f'stroke-width="{number(width)}"{_dash(dash)} fill="none"/>'
    )


def rectangle(x: float, y: float, width: float, height: float, colour: str, opacity: float = 1.0) -> str:
    """A filled rectangle."""
    faint = f' fill-opacity="{number(opacity, 2)}"' if opacity < 1.0 else ""
    return (
        f'<rect x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}" '
        f'fill="{colour}"{faint}/>'
    )


def circle(x: float, y: float, radius: float, colour: str, filled: bool = True) -> str:
    """A dot, or a ring."""
    fill = colour if filled else "#fff"
    return (
        f'<circle cx="{number(x)}" cy="{number(y)}" r="{number(radius)}" fill="{fill}" stroke="{colour}" '
        'stroke-width="1.2"/>'
    )


def polyline(x: np.ndarray, y: np.ndarray, colour: str, width: float = 1.6, dash: str = "") -> str:
    """A curve through points (n,); it breaks where a value is not finite."""
    parts, pen_down = [], False
    for a, b in zip(x, y):
        if not (np.isfinite(a) and np.isfinite(b)):
            pen_down = False
            continue
        parts.append(f"{'L' if pen_down else 'M'}{number(a)} {number(b)}")
        pen_down = True
    return (
        (
            f'<path d="{"".join(parts)}" stroke="{colour}" stroke-width="{number(width)}"{_dash(dash)} '
            'fill="none" stroke-linejoin="round"/>'
        )
        if parts
        else ""
    )


def band(x: np.ndarray, low: np.ndarray, high: np.ndarray, colour: str, opacity: float = 1.0) -> str:
    """A filled band between two curves (n,); points that are not finite are left out."""
    known = np.isfinite(low) & np.isfinite(high)
    if known.sum() < 2:
        return ""
    around = list(zip(x[known], high[known])) + list(zip(x[known][::-1], low[known][::-1]))
    points = "".join(f"{'L' if i else 'M'}{number(a)} {number(b)}" for i, (a, b) in enumerate(around))
    faint = f' fill-opacity="{number(opacity, 2)}"' if opacity < 1.0 else ""
    return f'<path d="{points}Z" fill="{colour}"{faint}/>'


def _dash(pattern: str) -> str:
    return f' stroke-dasharray="{pattern}"' if pattern else ""
