# SPDX-License-Identifier: Apache-2.0
"""The clinical table: one row a sign, healthy value and change with severity, as a file and on the terminal."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from exo_lab.conditions import NO_DEVICE
from exo_lab.evaluate.exo.figures import at
from exo_lab.evaluate.impaired.clinical import COST, MONOTONY, SHOWN, finding_name, shows
from exo_lab.evaluate.impaired.deficits import Deficit
from exo_lab.evaluate.impaired.patients import HEALTHY, WALKED_STRENGTHS, series_name
from exo_sim.measurement import Figure
from exo_sim.world.walk import strides_key

LEVELS = WALKED_STRENGTHS[1:]
DIGITS = {"deg": 1, "deg/s": 0, "BW/s": 1, "m": 3, "J/kg": 3, "W/kg": 2, "Nm/kg": 3, "%": 1, "J/kg/m": 2}
COST_TITLE = "metabolic cost per distance"
#: Asked for at the same speed. At a speed of their own, patients may spend less: a foot drop with little push-off walked
#: slowly and cheaply, an isolated one dearly (Don et al. 2007).
COST_SOURCE = "Waters and Mulroy 1999, Gait Posture 9:207, at the same speed (not in general: Don et al. 2007)"


@dataclass(frozen=True)
class Row:
    """A sign of a deficit.

    Attributes:
        expected: "up" or "down".
        healthy: its value in the healthy run.
        changes: against it, by strength left, rising severity.
        intervals: of the changes, None where there is none.
        shown: whether it shows at each of these strengths.
        monotony: Kendall's correlation with severity, 1 where it grows at every step.
        finding_shown: verdict on the finding that the sign belongs to; None for the cost, which is no finding.
    """

    deficit: str
    finding: str
    sign: str
    unit: str
    expected: str
    source: str
    healthy: float
    changes: tuple[float, ...]
    intervals: tuple[tuple[float, float] | None, ...]
    shown: tuple[bool, ...]
    monotony: float
    finding_shown: bool | None


def clinical_rows(figures: Mapping[str, Figure], deficits: Sequence[Deficit], speed: float) -> list[Row]:
    """Rows of all deficits, with a row of the cost at the end of each."""
    rows, healthy_key = [], strides_key(HEALTHY, NO_DEVICE)
    for deficit in deficits:
        people = [strides_key(series_name(deficit, strength), NO_DEVICE) for strength in LEVELS]
        for place, finding in enumerate(deficit.findings):
            verdict = bool(figures[at(finding_name(place), deficit.name, speed)].value)
            for sign in finding.signs:
                changes = [figures[at(f"{sign.name}_change", key, speed)] for key in people]
                rows.append(
                    Row(
                        deficit.title,
                        finding.title,
                        sign.title,
                        sign.unit,
                        sign.direction,
                        finding.source,
                        figures[at(f"{sign.name}_in_{deficit.name}", healthy_key, speed)].value,
                        tuple(c.value for c in changes),
                        tuple(c.interval for c in changes),
                        tuple(shows(c, sign) for c in changes),
                        figures[at(f"{sign.name}_{MONOTONY}", deficit.name, speed)].value,
                        verdict,
                    )
                )
        costs = [figures[at(f"{COST}_rise", key, speed)] for key in people]
        rows.append(
            Row(
                deficit.title,
                COST_TITLE,
                COST_TITLE,
                "J/kg/m",
                "up",
                COST_SOURCE,
                figures[at(COST, healthy_key, speed)].value,
                tuple(cost.value for cost in costs),
                tuple(cost.interval for cost in costs),
                tuple(cost.interval is not None and cost.interval[0] > 0.0 for cost in costs),
                figures[at(f"{COST}_{MONOTONY}", deficit.name, speed)].value,
                None,
            )
        )
    return rows


def verdict(figures: Mapping[str, Figure], deficit: Deficit, speed: float) -> bool:
    """Whether a deficit looks like the clinic."""
    return bool(figures[at(SHOWN, deficit.name, speed)].value)


def falls_words(figures: Mapping[str, Figure], deficit: Deficit, speed: float) -> str:
    """How many walks of the series ended by a fall: "falls at 75, 50, 25 %: 0, 0, 2 of 5 walks"."""
    people = [strides_key(series_name(deficit, strength), NO_DEVICE) for strength in LEVELS]
    falls = ", ".join(f"{figures[at('falls', key, speed)].value:.0f}" for key in people)
    walks = figures[at("walks", people[0], speed)].value
    return f"falls at {', '.join(f'{100 * level:g}' for level in LEVELS)} %: {falls} of {walks:.0f} walks"


def as_csv(rows: Sequence[Row]) -> str:
    """One line a sign; numbers as they are."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        [
            "deficit",
            "finding",
            "sign",
            "unit",
            "expected",
            "healthy",
            *(f"change_at_{100 * level:g}_percent" for level in LEVELS),
            *(f"shown_at_{100 * level:g}_percent" for level in LEVELS),
            "monotony",
            "source",
        ]
    )
    for row in rows:
        writer.writerow(
            [
                row.deficit,
                row.finding,
                row.sign,
                row.unit,
                row.expected,
                _number(row.healthy),
                *map(_number, row.changes),
                *(int(shown) for shown in row.shown),
                _number(row.monotony),
                row.source,
            ]
        )
    return stream.getvalue()


def as_markdown(rows: Sequence[Row]) -> str:
    """The same for people; bold: in the expected direction, large enough and beyond chance."""
    head = ["deficit", "sign", "expected", "healthy", *(f"{100 * level:g} %" for level in LEVELS), "monotony", "source"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        lines.append(
            "| "
            + " | ".join(
                [
                    row.deficit,
                    f"{row.sign} ({row.unit})",
                    row.expected,
                    shown(row.healthy, row.unit),
                    *cells(row),
                    shown(row.monotony, "1"),
                    row.source,
                ]
            )
            + " |"
        )
    return "\n".join(lines) + "\n"


def cells(row: Row, mark: str = "**") -> list[str]:
    """Changes as text with their sign; those that show between marks."""
    found = []
    for value, seen in zip(row.changes, row.shown):
        text = shown(value, row.unit, sign=True)
        found.append(f"{mark}{text}{mark}" if seen else text)
    return found


def shown(value: float, unit: str, sign: bool = False) -> str:
    """A number with the decimals of its unit, a dash where it is not known."""
    if not math.isfinite(value):
        return "-"
    return f"{value:{'+' if sign else ''}.{DIGITS.get(unit, 2)}f}"


def _number(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""
