# SPDX-License-Identifier: Apache-2.0
"""What several sections share: rows of curves, labels, means."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from exo_bringup.html_report import svg
from exo_bringup.html_report.catalogue import (
    Variable,
)
from exo_bringup.html_report.panels import (
    HEIGHT,
    WIDTH,
    stride_panel,
    stride_range,
)
from exo_bringup.html_report.parts import (
    figure,
    grid,
)
from exo_bringup.html_report.run_data import (
    RunData,
)

PANELS_IN_A_ROW = 3


#: As many fill a row of their own.
FULL_ROW = 4


WIDE = 1010.0


DASH = svg.shown(math.nan)


def conditions_of(runs: Sequence[RunData]) -> list[str]:
    """Conditions of all runs, each once."""
    return list(dict.fromkeys(condition for run in runs for condition in run.conditions))


def label_of(runs: Sequence[RunData], run: RunData) -> str:
    """What a figure's title begins with: nothing where there is one run only."""
    return f"{run.label} \N{MIDDLE DOT} " if len(runs) > 1 else ""


def panel_width(columns: int) -> float:
    """Width of a panel, so that text comes out equally large whatever the number of columns."""
    return WIDTH * PANELS_IN_A_ROW / columns


def curve_grid(runs: Sequence[RunData], variables: Sequence[Variable]) -> str:
    """One panel a variable; with several runs one row a variable, side by side on the same scale."""
    columns = len(runs) if len(runs) > 1 else FULL_ROW if len(variables) == FULL_ROW else PANELS_IN_A_ROW
    width = panel_width(columns)
    figures = []
    for variable in variables:
        limits = stride_range(runs, variable.name)
        figures += [
            figure(
                f"{label_of(runs, run)}{variable.title} ({variable.unit}) over the stride",
                width,
                HEIGHT,
                stride_panel(run, variable, limits, label_of(runs, run), width),
            )
            for run in runs
        ]
    return grid(columns, figures)


def mean_sd(values: np.ndarray, digits: int = 3) -> str:
    """Mean and SD as text; a dash without values."""
    if not values.size:
        return svg.shown(float("nan"))
    mean, sd = (svg.shown(float(value), digits) for value in (values.mean(), values.std()))
    return f"{mean} \N{PLUS-MINUS SIGN} {sd}"
