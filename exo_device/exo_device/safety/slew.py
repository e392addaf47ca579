# SPDX-License-Identifier: Apache-2.0
"""Slew limit that holds however often it is called, for changes that comfort asks to be slow."""

from __future__ import annotations

import numpy as np


class SlewLimiter:
    """Lets torque change by slew times elapsed time, saved up for one period at most.

    Several outputs may answer one state (at its arrival, and when its command comes), all at the same ROS
    time. A plain difference limit would either forbid the second or allow each the full step; here each
    output spends from one allowance per joint, which time refills.
    """

    def __init__(self, slew_nm_per_s: np.ndarray, period_s: float) -> None:
        self._slew = slew_nm_per_s
        self._most = slew_nm_per_s * period_s
        self._allowance = self._most.copy()
        #: Last output (Nm); shape (J,), of n devices (n, J).
        self.torque = np.zeros_like(slew_nm_per_s)

    def restart(self, row: int) -> None:
        """Of n devices, this one begins anew without torque."""
        self.torque[row], self._allowance[row] = 0.0, self._most[row]

    def refill(self, elapsed_s: float) -> None:
        """Time has passed since the last refill."""
        self._allowance = np.minimum(self._allowance + self._slew * elapsed_s, self._most)

    def towards(self, target: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Moves as far towards target (Nm) as is allowed now, and returns where it got.

        low, high: what range, speed and power allow now (Nm). Beyond them torque is gone at once, however large the step:
        comfort asks for slow changes, safety for quick ones.
        """
        step = np.clip(target - self.torque, -self._allowance, self._allowance)
        self._allowance = self._allowance - np.abs(step)
        self.torque = np.clip(self.torque + step, low, high)
        return self.torque

    def follow(self, torque: np.ndarray) -> None:
        """Takes over an output (Nm) made elsewhere, as by a stopping ramp."""
        self._allowance = np.maximum(self._allowance - np.abs(torque - self.torque), 0.0)
        self.torque = torque
