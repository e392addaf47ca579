# SPDX-License-Identifier: Apache-2.0
"""A map of deviations: one row a curve, the stride from left to right, colour for SD from people."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exo_bringup.html_report import svg
from exo_bringup.html_report.panels import STRIDE_LABEL, STRIDE_TICKS
from exo_bringup.html_report.style import DIVERGING, INK, ramp
from exo_bringup.walker_report.deviation import Deviation

WIDTH, LABELS, RIGHT, TOP, ROW, GAP, BOTTOM = 330.0, 132.0, 8.0, 20.0, 13.0, 5.0, 62.0
COLUMNS, LARGEST_SD = 50, 3.0
#: Colour steps between both ends, an odd number, so that no deviation has a colour of its own.
STEPS = 13


def deviation_map(title: str, deviations: Sequence[Deviation]) -> tuple[str, float]:
    """Content of a figure of WIDTH, and its height."""
    cell = (WIDTH - LABELS - RIGHT) / COLUMNS
    parts, y, before = [svg.text(0, 11, title, 12, kind="title")], TOP, ""
    centres = (np.arange(COLUMNS) + 0.5) * 100.0 / COLUMNS
    for deviation in deviations:
        y += GAP if before not in ("", deviation.kind) else 0.0
        before = deviation.kind
        parts.append(svg.text(LABELS - 5, y + ROW - 3.5, deviation.title, 9, "end"))
        z = np.interp(centres, np.arange(101.0), deviation.z)
        for i, value in enumerate(z):
            level = round((np.clip(value / LARGEST_SD, -1.0, 1.0) + 1.0) / 2.0 * (STEPS - 1)) / (STEPS - 1)
            parts.append(svg.rectangle(LABELS + i * cell, y, cell + 0.2, ROW - 1.0, ramp(DIVERGING, level)))
        y += ROW
    right = WIDTH - RIGHT
    parts.append(svg.line(LABELS, y + 1, right, y + 1, INK, 0.8))
    for tick in STRIDE_TICKS:
        x = LABELS + (right - LABELS) * tick / 100.0
        parts.append(svg.line(x, y + 1, x, y + 4, INK, 0.8))
        parts.append(svg.text(x, y + 13, f"{tick:.0f}", 9.5, "middle"))
    parts.append(svg.text((LABELS + right) / 2, y + 25, STRIDE_LABEL, 9.5, "middle", "faint"))
    step = (right - LABELS) / STEPS
    for i in range(STEPS):
        parts.append(svg.rectangle(LABELS + i * step, y + 32, step + 0.3, 8, ramp(DIVERGING, i / (STEPS - 1))))
    for share, words in ((0.0, f"{svg.MINUS}3"), (0.5, "0"), (1.0, "+3 SD")):
        anchor = {0.0: "start", 1.0: "end"}.get(share, "middle")
        parts.append(svg.text(LABELS + share * (right - LABELS), y + 51, words, 9.5, anchor))
    return "".join(parts), y + BOTTOM
