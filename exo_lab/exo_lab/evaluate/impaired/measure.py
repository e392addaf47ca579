# SPDX-License-Identifier: Apache-2.0
"""The value of a sign in a walk: one number out of mean curves and stride figures."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from exo_lab.evaluate.impaired.deficits import TOE_OFF, Sign
from exo_sim.gait.stride_metrics import symmetry_index

OTHER = {"r": "l", "l": "r"}
#: Asymmetries that assistance is to reduce, by the stride figure that they are of.
ASYMMETRIES = {"step_length": "step_length", "stance_time": "stance_time", "ankle_range": "ankle_angle_range"}


class Measured(Protocol):
    """What a walk must tell."""

    def curve(self, variable: str, side: str) -> np.ndarray | None:
        """Mean curve over the stride (101,), None where it was not measured."""

    def scalar(self, name: str, side: str | None = None) -> float:
        """Mean of a stride figure of a side, of both for None; NaN where it was not measured."""


def cost_of_transport(walk: Measured) -> float:
    """Gross metabolic energy per distance (J/kg/m), Bhargava 2004; NaN where it was not measured."""
    return walk.scalar("metabolic_power_per_mass") / walk.scalar("speed")


def asymmetry(walk: Measured, name: str) -> float:
    """Symmetry index 200 |r - l| / (r + l) of the means of a walk, percent; one of ASYMMETRIES."""
    return symmetry_index(*(walk.scalar(ASYMMETRIES[name], side) for side in "rl"))


def sign_value(walk: Measured, sign: Sign, side: str) -> float:
    """A sign of somebody whose affected leg is `side`; NaN where the walk does not tell.

    The asymmetry is signed: 200 (affected - opposite) / (affected + opposite), percent.
    """
    affected, opposite = (_of_leg(walk, sign, leg) for leg in (side, OTHER[side]))
    if sign.leg == "asymmetry":
        total = affected + opposite
        return 200.0 * (affected - opposite) / total if total > 0.0 else math.nan
    return {"affected": affected, "opposite": opposite, "both": 0.5 * (affected + opposite)}[sign.leg]


def _of_leg(walk: Measured, sign: Sign, side: str) -> float:
    if sign.stride:
        return walk.scalar(sign.stride, side)
    curve = walk.curve(sign.curve, side)
    first, last = sign.window
    first = walk.scalar("stance_percent", side) if first == TOE_OFF else first
    if curve is None or not math.isfinite(first) or not np.isfinite(curve).all():
        return math.nan
    within = slice(math.ceil(first), math.floor(last) + 1)
    return float(_TAKE[sign.take](curve[within], walk.scalar("duration", side) / (len(curve) - 1)))


def _slope(values: np.ndarray, step_s: float) -> np.ndarray:
    return np.diff(values) / step_s


#: Of a piece of a curve and the time between its points (s).
_TAKE = {
    "max": lambda values, step: values.max(),
    "mean": lambda values, step: values.mean(),
    "negative_mean": lambda values, step: -values.mean(),
    "negative_min": lambda values, step: -values.min(),
    "fastest_fall": lambda values, step: -_slope(values, step).min(),
    "fastest_rise": lambda values, step: _slope(values, step).max(),
    "positive_work": lambda values, step: np.trapezoid(np.maximum(values, 0.0), dx=step),
}
