# SPDX-License-Identifier: Apache-2.0
"""Section of recovery from pushes."""

from __future__ import annotations

import math

from exo_bringup.html_report import svg
from exo_bringup.html_report.axes import Axes
from exo_bringup.html_report.parts import Section, figure, paragraph
from exo_bringup.html_report.style import MISSED
from exo_bringup.walker_report.data import WalkerData
from exo_bringup.walker_report.look import WALKER, WIDE, legend
from exo_sim.evaluation.push import PUSH_DIRECTIONS, PUSH_N, PUSH_S, WATCHED_S
from exo_sim.evaluation.realism.targets import PUSH_SPEED_MPS

ROW, LABELS, RIGHT_WORDS = 30.0, 90.0, 110.0
CROSS = 4.0
WORDS = {
    "behind": "from behind",
    "front": "from the front",
    "left": "from the left",
    "right": "from the right",
}


def pushes(data: WalkerData) -> Section:
    """Every trial: where in the stride the push came, and whether the walker walked on."""
    if not data.pushes:
        return Section("pushes", "Pushes", paragraph("No pushes were tried."))
    words = (
        f"{PUSH_N:g} N for {PUSH_S:g} s at the pelvis, at {PUSH_SPEED_MPS:g} m/s, at a random "
        f"instant of the stride. "
        f"Recovered: no fall within {WATCHED_S:g} s."
    )
    entries = [
        (svg.circle(13, 5, 4, WALKER), "walked on"),
        (_cross(13, 5), "fell"),
    ]
    height = 34.0 + ROW * len(PUSH_DIRECTIONS) + 32.0
    axes = Axes(WIDE - RIGHT_WORDS, height, (0.0, 100.0), (0.0, len(PUSH_DIRECTIONS)), left=LABELS)
    parts = [axes.frame("Pushes", "by side and instant", "stride of the right leg when the push begins (%)",
                        y_ticks=False)]  # fmt: skip
    for place, origin in enumerate(PUSH_DIRECTIONS):
        y = axes.y(len(PUSH_DIRECTIONS) - place - 0.5)
        own = [trial for trial in data.pushes if trial["origin"] == origin]
        parts.append(svg.line(LABELS, y, axes.x(100.0), y, "#EEEEEE"))
        parts.append(svg.text(LABELS - 8, y + 3.5, WORDS[origin], 10.5, "end"))
        recovered = sum(trial["recovered"] for trial in own)
        parts.append(svg.text(axes.x(100.0) + 14, y + 3.5, f"{recovered} of {len(own)}", 10.5))
        for trial in own:
            phase = math.nan if trial["phase"] is None else trial["phase"]
            if math.isfinite(phase):
                x = axes.x(100.0 * phase)
                parts.append(svg.circle(x, y, 4.5, WALKER) if trial["recovered"] else _cross(x, y))
    content = figure("Pushes by side and phase of the stride, and whether the walker recovered", WIDE, height,
                     "".join(parts))  # fmt: skip
    return Section("pushes", "Pushes", paragraph(words) + legend(entries) + content)


def _cross(x: float, y: float) -> str:
    return svg.line(x - CROSS, y - CROSS, x + CROSS, y + CROSS, MISSED, 2.2) + svg.line(
        x - CROSS, y + CROSS, x + CROSS, y - CROSS, MISSED, 2.2
    )
