# SPDX-License-Identifier: Apache-2.0
"""Muscle activation over the stride as a map: one row a muscle, from hip to foot."""

from __future__ import annotations

import numpy as np

from exo_bringup.html_report import svg
from exo_bringup.html_report.axes import RIGHT
from exo_bringup.html_report.catalogue import ACTIVATION, grouped_muscles
from exo_bringup.html_report.panels import STRIDE_LABEL, STRIDE_TICKS
from exo_bringup.html_report.run_data import RunData
from exo_bringup.html_report.style import DIVERGING, INK, SEQUENTIAL, ramp

ROW, GROUP_GAP, LABELS, COLUMNS = 8.5, 5.0, 112.0, 50
WIDTH, TOP, BOTTOM = 330.0, 30.0, 62.0
#: Colour steps between both ends; more could not be told apart. An odd number, so that no change has its own.
STEPS = 17
#: Largest activation change that the map of differences resolves.
LARGEST_CHANGE = 0.5


def activation_rows(run: RunData, condition: str, side: str) -> dict[str, np.ndarray] | None:
    """Mean activation (101,) over the stride by muscle; None without curves of that side and condition."""
    rows = {}
    for muscle in run.muscles:
        curve = run.curve(condition, f"{ACTIVATION}{muscle}", side)
        if curve is not None:
            rows[muscle] = np.interp(np.arange(101.0), curve.phase_percent, curve.mean)
    return rows or None


def heat_map(title: str, subtitle: str, rows: dict[str, np.ndarray], change: bool = False) -> tuple[str, float]:
    """Content of a figure of WIDTH, and its height.

    Args:
        rows: (101,) by muscle; 0 to 1, or a difference of two such if `change`.
    """
    groups = grouped_muscles(list(rows))
    low, high, colours = (-LARGEST_CHANGE, LARGEST_CHANGE, DIVERGING) if change else (0.0, 1.0, SEQUENTIAL)
    cell = (WIDTH - LABELS - RIGHT) / COLUMNS
    cells: dict[int, list[str]] = {}
    parts = [svg.text(0, 11, title, 12, kind="title"), svg.text(0, 23, subtitle, 10, kind="faint")]
    y = TOP
    for group, members in groups.items():
        parts.append(svg.text(0, y + ROW * len(members) / 2 + 3, group, 8.5, kind="faint"))
        for muscle in members:
            parts.append(svg.text(LABELS - 4, y + ROW - 1.8, muscle, 7.5, "end"))
            for level, first, last in _runs(_levels(rows[muscle], low, high)):
                x = LABELS + cell * first
                cells.setdefault(level, []).append(
                    f"M{svg.number(x)} {svg.number(y)}h{svg.number(cell * (last - first))}v{ROW}h"
                    f"{svg.number(-cell * (last - first))}z"
                )
            y += ROW
        y += GROUP_GAP
    parts += [
        f'<path d="{"".join(paths)}" fill="{ramp(colours, level / (STEPS - 1))}"/>'
        for level, paths in sorted(cells.items())
    ]
    floor, right = y - GROUP_GAP + 2.0, WIDTH - RIGHT
    parts.append(svg.line(LABELS, floor, right, floor, INK, 0.8))
    for tick in STRIDE_TICKS:
        x = LABELS + (right - LABELS) * tick / 100.0
        parts.append(svg.line(x, floor, x, floor + 3, INK, 0.8))
        parts.append(svg.text(x, floor + 12, f"{tick:.0f}", 9.5, "middle"))
    parts.append(svg.text((LABELS + right) / 2, floor + 24, STRIDE_LABEL, 9.5, "middle", "faint"))
    parts.append(_scale(colours, low, high, floor + 32))
    return "".join(parts), floor + BOTTOM


def _levels(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Colour step (COLUMNS,) of the mean of each column; -1 where nothing is known."""
    edges = np.linspace(0.0, 100.0, COLUMNS + 1)
    centres = 0.5 * (edges[1:] + edges[:-1])
    shares = (np.interp(centres, np.arange(101.0), values) - low) / (high - low)
    return np.where(np.isfinite(shares), np.round(np.clip(shares, 0.0, 1.0) * (STEPS - 1)), -1).astype(int)


def _runs(levels: np.ndarray) -> list[tuple[int, int, int]]:
    """(level, first column, column behind the last) of stretches of the same level."""
    cuts = [0, *(np.flatnonzero(np.diff(levels)) + 1), len(levels)]
    return [(int(levels[a]), int(a), int(b)) for a, b in zip(cuts, cuts[1:]) if levels[a] >= 0]


def _scale(colours: tuple[str, ...], low: float, high: float, y: float) -> str:
    width = (WIDTH - LABELS - RIGHT) / STEPS
    parts = [svg.rectangle(LABELS + i * width, y, width + 0.3, 8, ramp(colours, i / (STEPS - 1))) for i in range(STEPS)]
    for share in (0.0, 0.5, 1.0):
        anchor = {0.0: "start", 1.0: "end"}.get(share, "middle")
        parts.append(
            svg.text(
                LABELS + share * width * STEPS,
                y + 18,
                f"{low + share * (high - low):g}".replace("-", svg.MINUS),
                9.5,
                anchor,
            )
        )
    return "".join(parts)
