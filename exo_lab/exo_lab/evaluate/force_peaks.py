# SPDX-License-Identifier: Apache-2.0
"""The highest vertical force on a foot in every stride, impact of the heel included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from exo_core.joints import SIDES
from exo_sim.gait.reference import GRAVITY_M_S2
from exo_sim.gait.stride_metrics import StrideMetrics


class ForcePeaks:
    """Streaming peaks of the vertical force on both feet.

    What a mean curve over strides hides, a single stride shows. The samples are means over 10 ms, about what the
    low-pass filters of gait laboratories (25 to 50 Hz) leave of an impact.

    Args:
        body_mass: of the wearer without device (kg).

    Attributes:
        values: one peak a closed stride and side, in body weights.
    """

    def __init__(self, body_mass: float):
        self._weight = body_mass * GRAVITY_M_S2
        self._highest = dict.fromkeys(SIDES, 0.0)
        self.values: list[float] = []

    def feed(self, grf: Mapping[str, np.ndarray], closed: Sequence[StrideMetrics]) -> None:
        """One sample: forces (3,) in N by side, and the strides that it closed."""
        for stride in closed:
            self.values.append(self._highest[stride.side] / self._weight)
            self._highest[stride.side] = 0.0
        for side in SIDES:
            self._highest[side] = max(self._highest[side], float(grf[side][2]))
