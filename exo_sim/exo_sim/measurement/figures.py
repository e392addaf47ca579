# SPDX-License-Identifier: Apache-2.0
"""A measured figure with its unit, target and interval, as every measuring command reports it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from exo_sim.measurement.errors import MeasurementError


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    Attributes:
        name: snake_case, unique within a summary.
        value: the figure, in ``unit``; NaN when it could not be measured (which misses any target).
        unit: SI unit or "1", "%", "deg", "W/kg" and so on.
        target: the target in words, for example "<= 6", or None where there is none.
        met: whether the target is met, None without a target.
        interval: (low, high), 95 % confidence unless the name says otherwise, or None.
    """

    name: str
    value: float
    unit: str
    target: str | None = None
    met: bool | None = None
    interval: tuple[float, float] | None = None

    def __post_init__(self):
        if not self.name:
            raise MeasurementError("a figure needs a name")
        if (self.target is None) != (self.met is None):
            raise MeasurementError(f"figure {self.name}: target and met must be given together, or neither")

    @property
    def low(self) -> float:
        """Lower end of the interval; NaN without one."""
        return math.nan if self.interval is None else self.interval[0]

    @property
    def high(self) -> float:
        """Upper end of the interval; NaN without one."""
        return math.nan if self.interval is None else self.interval[1]

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Figure:
        """A figure as a summary.json holds it, where NaN and infinity are null.

        Raises:
            KeyError, TypeError, ValueError: the entry is damaged.
        """

        def number(value) -> float:
            return math.nan if value is None else float(value)

        interval = entry.get("interval")
        return cls(
            entry["name"],
            number(entry["value"]),
            entry["unit"],
            entry.get("target"),
            entry.get("met"),
            None if interval is None else (number(interval[0]), number(interval[1])),
        )

    @classmethod
    def against(
        cls,
        name: str,
        value: float,
        unit: str,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        interval: tuple[float, float] | None = None,
    ) -> Figure:
        """A figure judged against limits (inclusive, in ``unit``); both limits make a range.

        The value itself is judged, not its interval. NaN misses.

        Raises:
            MeasurementError: no limit given, or at_least above at_most.
        """
        if at_least is None and at_most is None:
            raise MeasurementError(f"figure {name}: give at_least, at_most or both")
        if at_least is not None and at_most is not None:
            if at_least > at_most:
                raise MeasurementError(f"figure {name}: at_least {at_least:g} is above at_most {at_most:g}")
            target = f"{at_least:g} to {at_most:g}"
        else:
            target = f"<= {at_most:g}" if at_least is None else f">= {at_least:g}"
        value = float(value)
        met = (
            not math.isnan(value) and (at_least is None or value >= at_least) and (at_most is None or value <= at_most)
        )
        return cls(name, value, unit, target, met, interval)


def missed(figures: Iterable[Figure]) -> list[Figure]:
    """The figures whose target is missed; a command exits 1 under --strict when there are any."""
    return [figure for figure in figures if figure.met is False]
