# SPDX-License-Identifier: Apache-2.0
"""What an emulated motor turns. Joint side: rad, rad/s, Nm."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

#: Longest step of the integration (s): far below the period of the stiffest joint here.
LARGEST_STEP_S = 0.001


class Mechanics(ABC):
    """A joint that the motor's torque acts on."""

    position: float = 0.0
    velocity: float = 0.0

    @abstractmethod
    def advance(self, duration_s: float, torque: float) -> None:
        """Lets this time (s) pass under this torque (Nm)."""

    def measured_torque(self, torque: float) -> float:
        """Torque (Nm) that the motor reports while it was asked for this one."""
        return torque


@dataclass
class SpringDamper(Mechanics):
    """A leg on a spring whose other end swings: it moves as in walking, and torque deflects it.

    Natural frequency sqrt(20 / 0.2) / 2 pi = 1.6 Hz with the defaults, near critical damping.
    """

    inertia_kgm2: float = 0.2
    stiffness_nm_per_rad: float = 20.0
    damping_nms_per_rad: float = 3.0
    #: Swing of the spring's other end: amplitude (rad), frequency (Hz), phase (rad).
    swing_rad: float = 0.0
    swing_hz: float = 0.9
    swing_phase_rad: float = 0.0

    def __post_init__(self) -> None:
        self.position = self.velocity = self._t = 0.0

    def advance(self, duration_s: float, torque: float) -> None:
        steps = max(1, math.ceil(duration_s / LARGEST_STEP_S))
        step_s = duration_s / steps
        for _ in range(steps):
            self._t += step_s
            anchor = self.swing_rad * math.sin(2.0 * math.pi * self.swing_hz * self._t + self.swing_phase_rad)
            total = (
                torque - self.stiffness_nm_per_rad * (self.position - anchor) - self.damping_nms_per_rad * self.velocity
            )
            self.velocity += step_s * total / self.inertia_kgm2
            self.position += step_s * self.velocity


class Followed(Mechanics):
    """A joint whose motion comes from elsewhere: from the simulator, or from a test."""

    def __init__(self, position: float = 0.0, velocity: float = 0.0) -> None:
        self.position, self.velocity = position, velocity
        #: Torque (Nm) that the motor gives according to that source; None: just what it was asked for.
        self.torque: float | None = None

    def advance(self, duration_s: float, torque: float) -> None:
        pass

    def measured_torque(self, torque: float) -> float:
        return torque if self.torque is None else self.torque
