# SPDX-License-Identifier: Apache-2.0
"""All emulated motors of a bus: which frame goes to whom, when the replies go out; and the bus in real time."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable

from exo_device.drivers.can.port import CanPort, Frame, PortError
from exo_device.drivers.cubemars_can.config import CubemarsConfig
from exo_device.emulator.mechanics import Mechanics
from exo_device.emulator.motor import EmulatedMotor, FaultPlan


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


#: Mechanics and watchdogs of the motors move on at least this often (s).
LONGEST_WAIT_S = 0.005


def _nothing() -> None:
    pass


def serve(bus: EmulatedBus, port: CanPort, stop: threading.Event, after_frame: Callable[[], None] = _nothing) -> None:
    """Answers frames until stop is set. A bus that is lost for a moment is waited for.

    after_frame: called when a frame has been obeyed and answered.
    """
    advanced_s = time.monotonic()
    while not stop.is_set():
        now_s = time.monotonic()
        due_s = bus.next_due_s()
        wait_s = LONGEST_WAIT_S if due_s is None else min(max(due_s - now_s, 0.0), LONGEST_WAIT_S)
        try:
            frame = port.receive(wait_s)
            now_s = time.monotonic()
            if frame is not None:
                bus.on_frame(frame, now_s)
            if frame is None or now_s - advanced_s > LONGEST_WAIT_S:  # also those that nobody speaks to
                bus.advance(now_s)
                advanced_s = now_s
            while (reply := bus.pop_one(now_s)) is not None:
                port.send(reply)
            if frame is not None:
                after_frame()
        except PortError:
            stop.wait(LONGEST_WAIT_S)
