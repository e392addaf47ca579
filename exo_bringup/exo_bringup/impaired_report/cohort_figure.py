# SPDX-License-Identifier: Apache-2.0
"""A cohort's figure: saving against severity, a dot a patient, one panel a device."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from scipy import stats

from exo_bringup.exo_report.figure import INK, LINE
from exo_bringup.impaired_report.data import ImpairedEvaluation
from exo_bringup.impaired_report.look import COLOURS, words
from exo_sim.evaluation.exo.conditions import LEARNED, UNPOWERED
from exo_sim.evaluation.impaired.cohort import FEWEST_FOR_TREND, whole

WIDTH_IN, HEIGHT_IN = 5.6, 4.6
GRID_POINTS = 60
ONE_SIDED, BOTH = COLOURS[UNPOWERED], COLOURS[LEARNED]


def devices(evaluation: ImpairedEvaluation) -> list[str]:
    """Devices of the cohort, in the order of the rows."""
    return list(dict.fromkeys(str(row["device"]) for row in evaluation.cohort))


def compose(evaluation: ImpairedEvaluation) -> Drawing:
    """The whole figure."""
    worn = devices(evaluation)
    drawing = Drawing(figsize=(max(WIDTH_IN * len(worn), 1.4 * WIDTH_IN), HEIGHT_IN))
    grid = drawing.add_gridspec(1, len(worn), left=0.09, right=0.98, top=0.80, bottom=0.12, wspace=0.2)
    first = None
    for place, device in enumerate(worn):
        first = axes = drawing.add_subplot(grid[place], sharey=first)
        rows = [row for row in evaluation.cohort if str(row["device"]) == device]
        _panel(axes, rows, Path(device).stem, evaluation)
    drawing.text(0.09, 0.94, "Saving against severity", fontsize=13, fontweight="bold", color=INK)
    drawing.text(
        0.09,
        0.895,
        f"random patients at {evaluation.speed:g} m/s; band: 95 % interval of the trend; "
        "crosses at the edge fell in one of the two walks",
        fontsize=9,
        color="#555555",
    )
    return drawing


def _panel(axes: Axes, rows: list[dict], device: str, evaluation: ImpairedEvaluation) -> None:
    upright = whole(rows)
    axes.set_title(f"{device.replace('_', ' ')}: {len(rows)} patients, {len(rows) - len(upright)} fell")
    axes.set_xlabel("muscle force of both legs that is missing (%)")
    axes.set_ylabel("saved against unpowered (%)")
    axes.axhline(0.0, color=LINE, lw=0.8)
    if not upright:
        words(axes, "nobody walked to the end")
        return
    lost = 100.0 * np.array([row["severity"] for row in upright])
    saving = np.array([row["saving_percent"] for row in upright])
    colours = [ONE_SIDED if _one_sided(row) else BOTH for row in upright]
    axes.scatter(lost, saving, s=22, c=colours, alpha=0.8, lw=0)
    if len(upright) >= FEWEST_FOR_TREND and np.ptp(lost) > 0.0:
        _trend(axes, lost, saving)
    fell = [100.0 * row["severity"] for row in rows if row["fell_unpowered"] or row["fell_learned"]]
    low, high = axes.get_ylim()
    axes.scatter(fell, [low] * len(fell), marker="x", s=20, color=LINE, clip_on=False, zorder=5)
    axes.set_ylim(low, high)
    axes.legend(
        handles=[
            Line2D([], [], ls="", marker="o", color=ONE_SIDED, label="one side weak"),
            Line2D([], [], ls="", marker="o", color=BOTH, label="both sides weak"),
        ],
        fontsize=8,
        loc="best",
    )


def _trend(axes: Axes, lost: np.ndarray, saving: np.ndarray) -> None:
    trend = stats.linregress(lost, saving)
    x = np.linspace(lost.min(), lost.max(), GRID_POINTS)
    line = trend.intercept + trend.slope * x
    residual = saving - trend.intercept - trend.slope * lost
    spread = math.sqrt(float(residual @ residual) / (len(lost) - 2))
    half = (
        stats.t.ppf(0.975, len(lost) - 2)
        * spread
        * np.sqrt(1.0 / len(lost) + (x - lost.mean()) ** 2 / ((lost - lost.mean()) ** 2).sum())
    )
    axes.fill_between(x, line - half, line + half, color=INK, alpha=0.12, lw=0)
    axes.plot(x, line, color=INK, lw=1.2)


def _one_sided(row: dict) -> bool:
    sides = {name[-1] for name, value in row.items() if name.startswith("strength_") and value < 1.0}
    return len(sides) < 2
