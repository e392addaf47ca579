# SPDX-License-Identifier: Apache-2.0
"""Metabolic cost of strides with and without assistance, told apart by the torque that was there."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

#: Peak torque in a stride (Nm/kg): above the first it was assisted, below the second it was not, in between
#: assistance was fading. The weakest published profiles peak at some tenths; friction leaves less than 0.01.
ASSISTED_NM_PER_KG, UNASSISTED_NM_PER_KG = 0.08, 0.02
#: Strides that count, and that are drawn.
KEPT_STRIDES = 60
#: After a change the body needs some strides; these do not count.
SETTLING_STRIDES = 6


@dataclass(frozen=True)
class StrideCost:
    """When a stride ended (s), its gross metabolic power (W/kg), whether it was assisted (None: fading)."""

    time_s: float
    power_w_per_kg: float
    assisted: bool | None
    counts: bool


class CostComparison:
    """A running comparison over the last strides of both kinds."""

    def __init__(self):
        self.strides: deque[StrideCost] = deque(maxlen=KEPT_STRIDES)
        self._counted = {kind: deque(maxlen=KEPT_STRIDES) for kind in (False, True)}
        self._kind: bool | None = None
        self._since_change = 0

    def add(self, time_s: float, power_w_per_kg: float, peak_torque_nm_per_kg: Iterable[float]) -> None:
        """Take one stride of one side; peak torques of that side's driven joints. Time that goes back, as
        after a restart of the simulator, begins anew."""
        if self.strides and time_s < self.strides[-1].time_s - 2.0:
            self.__init__()
        if not math.isfinite(power_w_per_kg):
            return
        peak = max((abs(value) for value in peak_torque_nm_per_kg), default=0.0)
        kind = True if peak > ASSISTED_NM_PER_KG else False if peak < UNASSISTED_NM_PER_KG else None
        self._since_change = self._since_change + 1 if kind == self._kind else 0
        self._kind = kind
        counts = kind is not None and self._since_change >= SETTLING_STRIDES
        if counts:
            self._counted[kind].append(power_w_per_kg)
        self.strides.append(StrideCost(time_s, power_w_per_kg, kind, counts))

    def mean(self, assisted: bool) -> float:
        """Mean power (W/kg) of the strides that count; NaN before the first."""
        counted = self._counted[assisted]
        return float(np.mean(counted)) if counted else math.nan

    def count(self, assisted: bool) -> int:
        """How many strides the mean is over."""
        return len(self._counted[assisted])

    @property
    def change_percent(self) -> float:
        """Assisted against unassisted (percent, negative: cheaper); NaN until both are known."""
        return 100.0 * (self.mean(True) / self.mean(False) - 1.0)

    def text(self) -> str:
        """Two lines of Markdown."""

        def one(assisted: bool) -> str:
            if not self.count(assisted):
                return "-"
            return f"{self.mean(assisted):.2f} W/kg ({self.count(assisted)} strides)"

        change = self.change_percent
        known = math.isfinite(change)
        verdict = f"**{change:+.1f} %** with assistance" if known else "walk with both to compare"
        return f"Without: {one(False)}  \nWith: {one(True)}  \n{verdict}"
