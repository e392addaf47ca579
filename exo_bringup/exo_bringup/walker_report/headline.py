# SPDX-License-Identifier: Apache-2.0
"""The summary: one line, one picture, four numbers."""

from __future__ import annotations

from html import escape

import numpy as np

from exo_bringup.html_report import svg
from exo_bringup.html_report.parts import paragraph
from exo_bringup.walker_report.data import WalkerData
from exo_bringup.walker_report.misses import misses
from exo_bringup.walker_report.words import shown, title

#: How many of the worst misses the first line names.
NAMED = 3


def opening(data: WalkerData) -> str:
    """Heading, subtitle, verdict and tiles."""
    c = data.configuration
    subject = f"subject {c['subject']}" if c.get("subject") else "the unscaled body (1.70 m, 75 kg)"
    checkpoint = c.get("human") or "the walker that comes with the project"
    subtitle = (
        f"{checkpoint}; {subject}; {c['seeds']} seeds of {c['duration']:g} s at "
        f"{', '.join(f'{speed:g}' for speed in data.speeds)} m/s, {len(data.pushes)} pushes; physics at "
        f"{c['physics_rate']:g} Hz"
    )
    return (
        f"<h1>How human the walker is</h1>{paragraph(subtitle, faint=True)}"
        f'<p class="lead">{escape(verdict(data))}</p>{_tiles(data)}'
    )


def verdict(data: WalkerData) -> str:
    """The result in a sentence or two."""
    met, count = _met(data)
    worst = [title(miss.name)[0].lower() + title(miss.name)[1:] for miss in misses(data)[:NAMED]]
    missed = f" Furthest from people: {'; '.join(worst)}." if worst else ""
    return f"{met} of {count} targets are met.{missed}"


def _met(data: WalkerData) -> tuple[int, int]:
    judged = [figure["met"] for figure in data.figures.values() if figure["met"] is not None]
    return sum(judged), len(judged)


def _tiles(data: WalkerData) -> str:
    met, count = _met(data)
    rmse = np.array([data.values(f"{joint}_angle_rmse") for joint in ("hip", "knee", "ankle")])
    worst = float(np.nanmax(rmse)) if np.isfinite(rmse).any() else float("nan")
    entries = (
        (f"{met} of {count}", "targets met"),
        (f"{svg.shown(100.0 * data.value('walks_without_fall'), 0)} %", "of walks without a fall"),
        (
            f"{svg.shown(worst, 1)}\N{DEGREE SIGN}",
            "largest RMSE of hip, knee and ankle angle, without offset",
        ),
        (shown(data.figure("cost_r_bhargava")), "correlation of metabolic power over speed with people's"),
    )
    return (
        '<div class="tiles">'
        + "".join(f'<div class="tile"><b>{number}</b><span>{words}</span></div>' for number, words in entries)
        + "</div>"
    )
