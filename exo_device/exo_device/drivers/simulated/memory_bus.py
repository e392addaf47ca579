# SPDX-License-Identifier: Apache-2.0
"""A motor bus within one process: for tests, and for running device and simulator in lockstep without ROS."""

from __future__ import annotations

import threading

from exo_device.command import MotorTorque
from exo_device.drivers.simulated.bus import MotorBus
from exo_device.state import DeviceState


class MemoryBus(MotorBus):
    """Both ends of a bus. The motors' end is put_state() and commands; latest wins, as on the topics."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._state: DeviceState | None = None
        self._woken = False
        self._is_open = False
        #: Every frame the motors got, oldest first.
        self.commands: list[MotorTorque] = []

    @property
    def is_open(self) -> bool:
        """Whether the device's end listens."""
        return self._is_open

    def put_state(self, state: DeviceState) -> None:
        """Motors' end: sends a frame. It replaces one not taken yet, and is lost while the bus is closed."""
        with self._condition:
            if self._is_open:
                self._state = state
                self._condition.notify()

    def open(self) -> None:
        self._is_open = True

    def receive(self, timeout_s: float) -> DeviceState | None:
        with self._condition:
            self._condition.wait_for(lambda: self._state is not None or self._woken, timeout_s)
            self._woken = False
            state, self._state = self._state, None
            return state

    def send(self, command: MotorTorque) -> None:
        self.commands.append(command)

    def wake(self) -> None:
        with self._condition:
            self._woken = True
            self._condition.notify()

    def close(self) -> None:
        self._is_open = False
        self._state = None
