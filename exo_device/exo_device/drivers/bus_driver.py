# SPDX-License-Identifier: Apache-2.0
"""What drivers have in common whose bus is run by a thread of its own: read() and write() meet it in memory."""

from __future__ import annotations

import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from exo_device.command import MotorTorque
from exo_device.drivers.base import Driver, DriverError
from exo_device.drivers.cubemars_can.bus_thread import BusThread
from exo_device.state import DeviceState


class BusDriver(Driver):
    """A driver whose master is cycled by a BusThread. connect(), configure() and disconnect() are the subclass's."""

    def __init__(self, ros_ns: Callable[[], int] = time.time_ns) -> None:
        self._ros_ns = ros_ns
        self.master: Any = None
        self._thread: BusThread | None = None
        self._condition = threading.Condition()
        self._newest: DeviceState | None = None
        self._woken = False

    @abstractmethod
    def _motors(self) -> Sequence[Any]:
        """Motors of the configured joints in their order; each says what `applied_torque(torque)` it can give."""

    def use_clock(self, ros_ns: Callable[[], int]) -> None:
        self._ros_ns = ros_ns

    def read(self, timeout_s: float) -> DeviceState | None:
        self._require_ready()
        with self._condition:
            self._condition.wait_for(lambda: self._newest or self._woken or self._problem(), timeout_s)
            self._woken = False
            problem = self._problem()
            if problem:
                raise DriverError(problem)
            state, self._newest = self._newest, None
            return state

    def write(self, command: MotorTorque) -> MotorTorque:
        self._require_ready()
        if command.names != self.master.joints:
            raise DriverError(f"torque for {command.names}, but configured for {self.master.joints}")
        if self._thread.crash:
            raise DriverError(self._thread.crash)
        if not command.enable:
            self.master.set([0.0] * len(command.names), False)
            return MotorTorque.off(command.names, command.state_stamp_ns, command.sequence)
        if not np.isfinite(command.torque).all():
            self.master.set([0.0] * len(command.names), False)
            raise DriverError("a torque that is no number was to be sent; the motors are switched off")
        self.master.set([float(value) for value in command.torque], True)
        applied = [motor.applied_torque(float(value)) for motor, value in zip(self._motors(), command.torque)]
        return replace(command, torque=np.array(applied))

    def wake(self) -> None:
        with self._condition:
            self._woken = True
            self._condition.notify()

    def _end_thread(self) -> None:
        if self._thread is not None and not self._thread.stop():
            self.master.farewell()  # the thread hangs, and its last words are still to be said
        self._thread = self.master = None

    def _problem(self) -> str:
        return self._thread.crash or self._thread.problem or self.master.problem

    def _on_sample(self, state: DeviceState) -> None:
        with self._condition:
            self._newest = state
            self._condition.notify()

    def _require_ready(self) -> None:
        if self._thread is None:
            raise DriverError(f"driver '{self.name}': connect and configure it first")
