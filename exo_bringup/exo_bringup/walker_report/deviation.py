# SPDX-License-Identifier: Apache-2.0
"""How far the walker's curves lie from people's, in SD of people, over the stride."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exo_bringup.html_report.catalogue import ANGLES, FORCES, MOMENTS, POWERS, Variable
from exo_bringup.html_report.style import DASHES
from exo_bringup.walker_report.data import WalkerData

#: Curves that are compared, with their kind; hip rotation differs too much between laboratories
#: (SD 11 degrees).
COMPARED = tuple(
    (kind, variable)
    for kind, variables in (("angle", ANGLES), ("force", FORCES), ("moment", MOMENTS), ("power", POWERS))
    for variable in variables
    if variable.name != "hip_rotation"
)
#: An SD is taken at least this large, as a share of the norm's range: where all people agree (a foot in the
#: air bears no load) any difference would be many SD.
SMALLEST_SD_SHARE = 0.04


@dataclass(frozen=True)
class Deviation:
    """A variable at a speed: the walker less people, in SD of people.

    Attributes:
        z: (101,) over the stride; for angles without the mean offset.
        mean, norm, sd: (101,) the walker (mean of both legs), people, SD of people, in the variable's unit.
    """

    kind: str
    variable: Variable
    speed: float
    z: np.ndarray
    mean: np.ndarray
    norm: np.ndarray
    sd: np.ndarray

    @property
    def rms(self) -> float:
        """Root mean square of z."""
        return float(np.sqrt(np.mean(self.z**2)))

    @property
    def largest(self) -> int:
        """Percent of the stride where z is largest."""
        return int(np.argmax(np.abs(self.z)))

    @property
    def title(self) -> str:
        """Variable in words: "hip moment"."""
        words = self.variable.title.lower()
        return words if self.kind == "angle" or self.kind in words else f"{words} {self.kind}"


def deviations(data: WalkerData) -> list[Deviation]:
    """Every compared variable at every speed that has both curves."""
    found = (_deviation(data, kind, variable, speed) for kind, variable in COMPARED for speed in data.speeds)
    return [deviation for deviation in found if deviation is not None]


def _deviation(data: WalkerData, kind: str, variable: Variable, speed: float) -> Deviation | None:
    norm = data.norm_curve(variable.name, speed)
    curves = [data.curve(variable.name, side, speed) for side in DASHES]
    if norm is None or any(curve is None or not np.isfinite(curve.mean).all() for curve in curves):
        return None
    mean = np.mean([curve.mean for curve in curves], axis=0)
    difference = mean - norm.mean
    if kind == "angle":
        difference = difference - difference.mean()
    sd = np.maximum(norm.sd, SMALLEST_SD_SHARE * np.ptp(norm.mean))
    return Deviation(kind, variable, speed, difference / sd, mean, norm.mean, norm.sd)
