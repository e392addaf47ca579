# SPDX-License-Identifier: Apache-2.0
"""Section of what differs most from people: missed targets by severity, and curves by SD of people."""

from __future__ import annotations

from collections.abc import Sequence

from exo_bringup.html_report import svg
from exo_bringup.html_report.parts import Cell, Section, figure, grid, paragraph, table
from exo_bringup.walker_report.data import WalkerData
from exo_bringup.walker_report.deviation import Deviation, deviations
from exo_bringup.walker_report.deviation_map import WIDTH, deviation_map
from exo_bringup.walker_report.misses import Miss, misses
from exo_bringup.walker_report.words import limits, shown, title, unit

MOST_ROWS, MOST_CURVES = 12, 8
#: Digits of a curve's value by the end of its variable's unit.
CURVE_DIGITS = {"deg": 1}


def differences(data: WalkerData) -> Section:
    """The furthest from people first."""
    found = deviations(data)
    parts = [_misses(misses(data))]
    if found:
        parts.append(_curves(found))
        parts.append(_maps(data, found))
    return Section("differences", "What differs most from people", "".join(parts))


def _misses(found: Sequence[Miss]) -> str:
    if not found:
        return paragraph("Every target is met.")
    rows = [
        [
            title(miss.name),
            Cell(unit(miss.worst), "text"),
            Cell(limits(miss.worst["target"]), "text"),
            Cell(shown(miss.worst), "missed"),
            "" if miss.worst_speed is None else f"{miss.worst_speed:g}",
            Cell(", ".join(f"{speed:g}" for speed in miss.speeds), "text"),
        ]
        for miss in found[:MOST_ROWS]
    ]
    head = ["Missed target, furthest first", Cell("unit", "text"), Cell("target", "text"),
            Cell("worst", "text"), "at (m/s)", Cell("missed at (m/s)", "text")]  # fmt: skip
    rest = f" and {len(found) - MOST_ROWS} more, see the table of all figures" if len(found) > MOST_ROWS else ""
    words = f"{len(found)} figures miss their target at one speed or more{rest}."
    return paragraph(words) + table(head, rows)


def _curves(found: Sequence[Deviation]) -> str:
    """One row a variable, at the speed where it is worst."""
    worst: dict[str, Deviation] = {}
    for deviation in found:
        known = worst.get(deviation.variable.name)
        if known is None or deviation.rms > known.rms:
            worst[deviation.variable.name] = deviation
    rows = []
    for d in sorted(worst.values(), key=lambda d: -d.rms)[:MOST_CURVES]:
        at, short = d.largest, d.variable.unit.partition(",")[0]
        digits = CURVE_DIGITS.get(short, 2)
        rows.append(
            [
                d.title.capitalize(),
                f"{d.speed:g}",
                svg.shown(d.rms, 1),
                svg.shown(float(d.z[at]), 1, sign=True),
                f"{at} %",
                svg.shown(float(d.mean[at]), digits),
                f"{svg.shown(float(d.norm[at]), digits)} \N{PLUS-MINUS SIGN} {svg.shown(float(d.sd[at]), digits)}",
                Cell(short, "text"),
            ]
        )
    head = ["Curve, furthest first", "speed (m/s)", "RMS (SD)", "largest (SD)", "at", "walker", "people",
            Cell("unit", "text")]  # fmt: skip
    words = (
        "Curves in SD of people: root mean square over the stride and the largest deviation, at the speed "
        "where each curve is worst; angles without their mean offset."
    )
    return paragraph(words, faint=True) + table(head, rows)


def _maps(data: WalkerData, found: Sequence[Deviation]) -> str:
    speeds = data.speeds
    shown_speeds = speeds if len(speeds) <= 3 else [speeds[0], speeds[len(speeds) // 2], speeds[-1]]
    figures = []
    for speed in shown_speeds:
        own = [deviation for deviation in found if deviation.speed == speed]
        if own:
            content, height = deviation_map(f"{speed:g} m/s", own)
            figures.append(figure(f"Deviation from people over the stride at {speed:g} m/s", WIDTH, height, content))
    words = "Brown: the walker is above people, purple: below; white: alike."
    return paragraph(words, faint=True) + grid(3, figures)
