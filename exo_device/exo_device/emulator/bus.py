# SPDX-License-Identifier: Apache-2.0
"""All emulated motors of a bus: which frame goes to whom, when the replies go out. No clock, no thread."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from exo_device.drivers.can.frame import Frame
from exo_device.drivers.cubemars_can.config import CubemarsConfig
from exo_device.emulator.faults import FaultPlan
from exo_device.emulator.mechanics import Mechanics
from exo_device.emulator.motor import EmulatedMotor


class EmulatedBus:
    """Motors as config describes them.

    mechanics: makes what the motor of a joint turns. reply: see EmulatedMotor.
    """

    def __init__(
        self, config: CubemarsConfig, mechanics: Callable[[str], Mechanics], plan: FaultPlan | None = None, **reply
    ) -> None:
        self.plan = plan or FaultPlan()
        self.motors = {
            joint: EmulatedMotor(joint, motor, mechanics(joint), self.plan, **reply)
            for joint, motor in config.motors.items()
        }
        self._pending: list[tuple[float, int, Frame]] = []
        self._count = 0

    def on_frame(self, frame: Frame, now_s: float) -> None:
        """A frame on the bus at time now_s; frames that no motor knows are ignored, as on a real bus."""
        for motor in self.motors.values():
            for due_s, reply in motor.on_frame(frame, now_s):
                self.push(due_s, reply)

    def push(self, due_s: float, reply: Frame) -> None:
        """A reply that goes out at due_s."""
        self._count += 1  # equal times keep their order
        heapq.heappush(self._pending, (due_s, self._count, reply))

    def advance(self, now_s: float) -> None:
        """Lets time pass up to now_s."""
        for motor in self.motors.values():
            motor.advance(now_s)

    def next_due_s(self) -> float | None:
        """When the next reply goes out."""
        return self._pending[0][0] if self._pending else None

    def pop_one(self, now_s: float) -> Frame | None:
        """The next reply that has gone out by now_s."""
        if self._pending and self._pending[0][0] <= now_s:
            return heapq.heappop(self._pending)[2]
        return None
