# SPDX-License-Identifier: Apache-2.0
"""Torque to zero in bounded time, whatever the clocks do."""

from __future__ import annotations

import numpy as np

from exo_device.safety.clock import Instant
from exo_device.safety.config import SafetyConfig

#: Less than this share of the torque is rounding of the line's end, and zero.
ROUNDING = 1e-9


#: ROS time counts for at most this many periods from one output to the next: a leap of it is no passing of
#: time.
LARGEST_ROS_STEP = 2.0


class StoppingRamp:
    """Straight line from the torque at the stop to zero.

    It reaches zero two periods before ramp_down_s is over: outputs come one period apart, so the last one
    before the end of ramp_down_s is zero even when each is late by a period. Time passes as on the faster of
    the two clocks: with the simulator gone ROS time stands still, and a slow simulator is slower than the
    wall clock.
    """

    def __init__(self, config: SafetyConfig, torque: np.ndarray, start: Instant) -> None:
        self._start_torque = torque
        self._start = self._last = start
        self._elapsed_s = 0.0
        self._period_s = config.period_s
        self._span_s = config.ramp_down_s - config.period_s
        self._lockstep = config.lockstep
        self._silence_s = config.state_silence_s

    def torque(self, now: Instant) -> np.ndarray:
        """Torque (Nm) to give now; shape (J,). All zero from the end of the ramp on."""
        step_s = min(now.ros_since(self._last), LARGEST_ROS_STEP * self._period_s)
        simulator_is_gone = now.steady_since(self._start) >= self._silence_s
        if not self._lockstep or simulator_is_gone:
            step_s = max(step_s, now.steady_since(self._last))
        self._elapsed_s += step_s
        self._last = now
        left = 1.0 - (self._elapsed_s + self._period_s) / self._span_s
        if left <= ROUNDING:
            return np.zeros_like(self._start_torque)
        return self._start_torque * left
