# SPDX-License-Identifier: Apache-2.0
"""The figures on a terminal: one row a figure, one column a speed."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from exo_lab.evaluate.realism.group import split_name
from exo_sim.measurement import Figure

STYLES = {None: "", True: "green", False: "bold red"}
MARKS = {None: "  ", True: "  ", False: " ✗"}


def speed_table(figures: Sequence[Figure]) -> Table:
    """Figures that were measured by speed; a target that some speeds have holds for those."""
    by_name: dict[str, dict[float, Figure]] = {}
    for figure in figures:
        name, speed = split_name(figure.name)
        if speed is not None:
            by_name.setdefault(name, {})[speed] = figure
    speeds = sorted({speed for row in by_name.values() for speed in row})
    table = _table("by speed (m/s); ✗ misses its target")
    for speed in speeds:
        table.add_column(f"{speed:g}", justify="right", no_wrap=True)
    for name, row in by_name.items():
        targets = {figure.target for figure in row.values()} - {None}
        cells = [_cell(row.get(speed)) for speed in speeds]
        table.add_row(name, next(iter(row.values())).unit, ", ".join(sorted(targets)), *cells)
    return table


def overall_table(figures: Sequence[Figure]) -> Table:
    """Figures of all speeds together."""
    table = _table("all speeds")
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("95 % interval", no_wrap=True)
    for figure in figures:
        if split_name(figure.name)[1] is None:
            interval = "" if figure.interval is None else f"{figure.interval[0]:.3f} to {figure.interval[1]:.3f}"
            table.add_row(figure.name, figure.unit, figure.target or "", _cell(figure), interval)
    return table


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE)
    for name in ("figure", "unit", "target"):
        table.add_column(name, no_wrap=True)
    return table


def _cell(figure: Figure | None) -> Text:
    if figure is None:
        return Text("")
    return Text(f"{figure.value:.3g}{figure.left_out_words}{MARKS[figure.met]}", style=STYLES[figure.met])
