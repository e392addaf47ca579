# SPDX-License-Identifier: Apache-2.0
"""All walks at one speed, and figures as means over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from exo_core.joints import SIDES
from exo_sim.errors import GaitError
from exo_sim.gait.curves import Curve
from exo_sim.gait.reference import NormativeGait
from exo_sim.measurement import Figure
from exo_sim.world.walk import WalkResult

#: Between the name of a figure and the speed that it was measured at.
AT = "_at_"


def at_speed(name: str, speed_mps: float) -> str:
    """Name of a figure at a speed: "cadence_at_1.25"."""
    return f"{name}{AT}{speed_mps:g}"


def split_name(name: str) -> tuple[str, float | None]:
    """The reverse of at_speed; None for a figure of all speeds together."""
    stem, found, speed = name.rpartition(AT)
    return (stem, float(speed)) if found else (name, None)


@dataclass(frozen=True)
class SpeedGroup:
    """Walks at one commanded speed (m/s)."""

    speed_mps: float
    walks: Sequence[WalkResult]

    @cached_property
    def norm(self) -> NormativeGait:
        """The norm (children and adolescents, Schwartz 2008) for this leg length at this speed."""
        return NormativeGait(self.speed_mps, self.walks[0].leg_length_m)

    def per_side(self, walk: WalkResult, variable: str, measure: Callable[[Curve], float]) -> float:
        """Mean of a measure of a curve over both legs of a walk; NaN where it was not walked long enough."""
        try:
            return float(np.mean([measure(walk.curves.get(walk.task.key, variable, side)) for side in SIDES]))
        except GaitError:
            return float("nan")

    def figure(self, name: str, values: Sequence[float], unit: str, **limits: float) -> Figure:
        """Mean over walks with its interval, judged against limits if there are any; walks without a value (NaN)
        are left out and counted."""
        return Figure.mean_of(at_speed(name, self.speed_mps), values, unit, **limits)
