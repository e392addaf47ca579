# SPDX-License-Identifier: Apache-2.0
"""Severity series: the leading sign of each deficit and the cost per distance against the strength that is left."""

from __future__ import annotations

import math
import textwrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from exo_bringup.exo_report.figure import INK, LINE
from exo_bringup.html_report.style import MET, MISSED
from exo_bringup.impaired_report.data import ImpairedEvaluation
from exo_bringup.impaired_report.look import COLOURS, error_bar, words
from exo_sim.evaluation.impaired.clinical import COST, SHOWN, shows
from exo_sim.evaluation.impaired.deficits import Deficit, Sign
from exo_sim.evaluation.impaired.patients import HEALTHY, WALKED_STRENGTHS, series_name

WIDTH_IN, HEIGHT_IN = 2.45, 5.6
SIGN_COLOUR, COST_COLOUR = COLOURS["no_device"], COLOURS["learned"]
AXIS = "strength left (%)"
#: Letters of a sign's title in a line.
WRAP = 34


def compose(evaluation: ImpairedEvaluation) -> Drawing:
    """One column a deficit: sign above, cost below."""
    deficits = evaluation.deficits
    drawing = Drawing(figsize=(max(WIDTH_IN * len(deficits), 2.0 * WIDTH_IN), HEIGHT_IN))
    grid = drawing.add_gridspec(
        2, len(deficits), left=0.065, right=0.99, top=0.80, bottom=0.1, hspace=0.40, wspace=0.42
    )
    costs = [evaluation.figure(COST, series_name(d, s)).value for d in deficits for s in WALKED_STRENGTHS]
    known = [cost for cost in costs if math.isfinite(cost)]
    limits = (0.94 * min(known), 1.06 * max(known)) if known else (0.0, 1.0)
    for column, deficit in enumerate(deficits):
        _sign(drawing.add_subplot(grid[0, column]), evaluation, deficit)
        axes = drawing.add_subplot(grid[1, column])
        axes.set_ylim(*limits)
        _cost(axes, evaluation, deficit, first=column == 0)
    drawing.text(0.065, 0.955, "Severity", fontsize=13, fontweight="bold", color=INK)
    drawing.text(
        0.065,
        0.925,
        "above: change of the leading sign against the healthy run, dashed where it begins to "
        "count; below: metabolic cost per distance. Mean and 95 % interval over walks.",
        fontsize=9,
        color="#555555",
    )
    return drawing


def leading_sign(evaluation: ImpairedEvaluation, deficit: Deficit) -> Sign:
    """Of the leading finding's signs the one that shows most, in multiples of what counts."""

    def strength(sign: Sign) -> float:
        changes = [evaluation.figure(f"{sign.name}_change", series_name(deficit, s)) for s in WALKED_STRENGTHS[1:]]
        sizes = [sign.towards * c.value / sign.least for c in changes if math.isfinite(c.value)]
        return max(sizes, default=-math.inf) + (1000.0 if any(shows(c, sign) for c in changes) else 0.0)

    return max(deficit.findings[0].signs, key=strength)


def _scale(axes: Axes) -> None:
    axes.set_xlim(105, 5)
    axes.set_xticks([100.0 * strength for strength in WALKED_STRENGTHS])


def _sign(axes: Axes, evaluation: ImpairedEvaluation, deficit: Deficit) -> None:
    sign = leading_sign(evaluation, deficit)
    seen = evaluation.of_deficit(SHOWN, deficit.name).value
    axes.set_title(deficit.title.capitalize(), fontsize=9.5, pad=26)
    axes.text(
        0.0,
        1.03,
        "\n".join(textwrap.wrap(sign.title, WRAP)),
        transform=axes.transAxes,
        fontsize=7.5,
        color="#555555",
        va="bottom",
    )
    axes.set_ylabel(f"change ({sign.unit})")
    _scale(axes)
    axes.axhline(0.0, color=LINE, lw=0.7)
    axes.axhline(sign.towards * sign.least, color=LINE, lw=0.8, ls=(0, (4, 3)))
    x, y = [100.0], [0.0]
    for strength in WALKED_STRENGTHS[1:]:
        change = evaluation.figure(f"{sign.name}_change", series_name(deficit, strength))
        if math.isfinite(change.value):
            error_bar(axes, 100.0 * strength, change)
            x.append(100.0 * strength)
            y.append(change.value)
    axes.plot(x, y, color=SIGN_COLOUR, marker="o", ms=4.5)
    if len(x) == 1:
        words(axes, "nobody walked")
    axes.set_xlabel(
        "as in the clinic" if seen else "not as in the clinic",
        fontsize=8.5,
        fontweight="bold",
        color=MET if seen else MISSED,
    )


def _cost(axes: Axes, evaluation: ImpairedEvaluation, deficit: Deficit, first: bool) -> None:
    axes.set_xlabel(AXIS)
    if first:
        axes.set_ylabel("cost (J/kg/m)")
    _scale(axes)
    x, y = [], []
    for strength in WALKED_STRENGTHS:
        name = HEALTHY if strength == 1.0 else series_name(deficit, strength)
        cost = evaluation.figure(COST, name)
        if math.isfinite(cost.value):
            error_bar(axes, 100.0 * strength, cost)
            x.append(100.0 * strength)
            y.append(cost.value)
    axes.plot(x, y, color=COST_COLOUR, marker="o", ms=4.5)
