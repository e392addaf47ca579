# SPDX-License-Identifier: Apache-2.0
"""Torque to zero in bounded time, whatever the clocks do."""

from __future__ import annotations

import numpy as np

from exo_device.safety.clock import Instant
from exo_device.safety.config import SafetyConfig

#: Less than this share of the torque is rounding of the line's end, and zero.
ROUNDING = 1e-9


class StoppingRamp:
    """Straight line from the torque at the stop to zero.

    It reaches zero two periods before ramp_down_s is over: outputs come one period apart, so the last one before the
    end of ramp_down_s is zero even when each is late by a period. Time is the larger of the two clocks': with the
    simulator gone ROS time stands still, and on a slow machine it is slower than the wall clock.
    """

    def __init__(self, config: SafetyConfig, torque: np.ndarray, start: Instant) -> None:
        self._start_torque = torque
        self._start = start
        self._period_s = config.period_s
        self._span_s = config.ramp_down_s - config.period_s
        self._lockstep = config.lockstep
        self._silence_s = config.state_silence_s

    def share(self, now: Instant) -> float:
        """Share of the starting torque that is left, 1 to 0."""
        elapsed_s = now.ros_since(self._start)
        steady_s = now.steady_since(self._start)
        if not self._lockstep:
            elapsed_s = max(elapsed_s, steady_s)
        elif steady_s >= self._silence_s:
            return 0.0
        left = 1.0 - (elapsed_s + self._period_s) / self._span_s
        return left if left > ROUNDING else 0.0

    def torque(self, now: Instant) -> np.ndarray:
        """Torque (Nm) to give now; shape (J,)."""
        return self._start_torque * self.share(now)
