# SPDX-License-Identifier: Apache-2.0
"""The simulated motors' end of the bus: which torque holds, and whether the newest state has been answered."""

from __future__ import annotations

import math

from exo_msgs.msg import MotorCommand

#: A motor that hears nothing for this long (s, sim time) gives no torque: ten missed frames.
MOTOR_TIMEOUT_S = 0.1


class MotorBusEnd:
    """Keeps the newest motor command.

    Args:
        joints: that there are motors for.
    """

    def __init__(self, joints: tuple[str, ...]):
        self._joints = joints
        self._torque: dict[str, float] = {}
        self._received_at = -math.inf
        self.answered_sequence = -1
        self.rejected = 0

    def receive(self, command: MotorCommand, now: float) -> None:
        """Takes over a command at sim time now (s); one that no motor could obey is counted and dropped."""
        valid = (
            len(command.names) == len(command.torque)
            and all(name in self._joints for name in command.names)
            and all(math.isfinite(torque) for torque in command.torque)
        )
        if not valid:
            self.rejected += 1
            return
        self._torque = dict(zip(command.names, command.torque)) if command.enable else {}
        self._received_at = now
        self.answered_sequence = command.sequence

    def torque(self, now: float) -> dict[str, float]:
        """Torques by joint (Nm) that hold at sim time now; none once the bus has fallen silent."""
        return self._torque if now - self._received_at <= MOTOR_TIMEOUT_S else {}
