# SPDX-License-Identifier: Apache-2.0
"""Section of all figures: one row a figure, one column a speed."""

from __future__ import annotations

from collections.abc import Mapping

from exo_bringup.html_report import svg
from exo_bringup.html_report.parts import Cell, Section, paragraph, table
from exo_bringup.walker_report.data import WalkerData
from exo_bringup.walker_report.words import DIGITS, OTHER_DIGITS, limits, shown, title, unit
from exo_sim.evaluation.realism.group import split_name

MARKS = {None: "", True: " \N{CHECK MARK}", False: " \N{MULTIPLICATION SIGN}"}
KINDS = {None: "", True: "met", False: "missed"}


def targets(data: WalkerData) -> Section:
    """Figures of all speeds together, then by speed."""
    overall = [figure for name, figure in data.figures.items() if split_name(name)[1] is None]
    words = (
        "Means over walks (both legs averaged within a walk). \N{CHECK MARK} meets its target, "
        "\N{MULTIPLICATION SIGN} "
        "misses it. The norm is taken at the commanded speed, interpolated between the five "
        "measured speeds in "
        "v / \N{SQUARE ROOT}(g L)."
    )
    by_speed = [_row(data, name) for name in data.names_by_speed]
    head = [
        "By speed (m/s)",
        Cell("unit", "text"),
        Cell("target", "text"),
        *(f"{speed:g}" for speed in data.speeds),
    ]
    content = (
        paragraph(words, faint=True)
        + table(
            ["All speeds together", Cell("unit", "text"), Cell("target", "text"), "value", "95 % interval"],
            [_overall(figure) for figure in overall],
        )
        + table(head, by_speed)
    )
    return Section("targets", "Figures and targets", content)


def _overall(figure: Mapping) -> list:
    return [title(figure["name"]), Cell(unit(figure), "text"), Cell(limits(figure["target"]), "text"),
            _value(figure), _interval(figure)]  # fmt: skip


def _row(data: WalkerData, name: str) -> list:
    row = [data.figure(name, speed) for speed in data.speeds]
    known = next(figure for figure in row if figure is not None)
    found = list(dict.fromkeys(figure["target"] for figure in row if figure and figure["target"]))
    return [title(name), Cell(unit(known), "text"), Cell(limits(", ".join(found)), "text"), *map(_value, row)]


def _value(figure: Mapping | None) -> Cell:
    met = None if figure is None else figure["met"]
    return Cell(shown(figure) + MARKS[met], f"number {KINDS[met]}".strip())


def _interval(figure: Mapping) -> str:
    if not figure.get("interval"):
        return ""
    digits = DIGITS.get(figure["unit"], OTHER_DIGITS)
    low, high = (svg.shown(end, digits) for end in figure["interval"])
    return f"{low} to {high}"
