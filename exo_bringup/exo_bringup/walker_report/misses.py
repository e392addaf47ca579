# SPDX-License-Identifier: Apache-2.0
"""Targets that are missed, the furthest first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from exo_bringup.walker_report.data import WalkerData
from exo_sim.evaluation.realism.group import split_name

_NUMBER = r"[-+]?\d*\.?\d+(?:e[-+]?\d+)?"


@dataclass(frozen=True)
class Miss:
    """A figure that misses its target, at some speeds or, with none, over all speeds together.

    Attributes:
        worst: the figure where it misses by most.
        worst_speed: m/s, or None.
        severity: by how much it misses, over what the target leaves room for; for ranking.
    """

    name: str
    worst: Mapping
    worst_speed: float | None
    speeds: tuple[float, ...]
    severity: float


def misses(data: WalkerData) -> list[Miss]:
    """All missed figures, worst first; one entry a figure, whatever the number of speeds."""
    by_name: dict[str, list[tuple[float, float | None, Mapping]]] = {}
    for name, figure in data.figures.items():
        if figure["met"] is False:
            stem, speed = split_name(name)
            by_name.setdefault(stem, []).append((severity(figure), speed, figure))
    found = []
    for name, entries in by_name.items():
        how, speed, figure = max(entries, key=lambda entry: entry[0])
        found.append(Miss(name, figure, speed, tuple(s for _, s, _ in entries if s is not None), how))
    return sorted(found, key=lambda miss: -miss.severity)


def severity(figure: Mapping) -> float:
    """How far a missed figure lies beyond its target: 0 on the target, 1 when the distance to perfection is
    twice what is allowed (perfect is 1 for shares and correlations, 0 for errors, the middle of a range);
    infinite if unknown."""
    if figure["value"] is None:
        return float("inf")
    value, target = float(figure["value"]), figure["target"]
    limits = [float(number) for number in re.findall(_NUMBER, target)]
    if len(limits) == 2:
        middle, room = sum(limits) / 2.0, (limits[1] - limits[0]) / 2.0
        return abs(value - middle) / room - 1.0 if room > 0.0 else abs(value / middle - 1.0)
    if target.startswith("<="):
        return value / limits[0] - 1.0
    return (1.0 - value) / (1.0 - limits[0]) - 1.0
