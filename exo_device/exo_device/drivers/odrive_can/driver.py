# SPDX-License-Identifier: Apache-2.0
"""Driver of ODrives on a CAN bus (CANSimple).

SIGKILL: the ODrive's own watchdog must switch the motor off (`axis0.config.enable_watchdog`, 0.1 s), which
every torque frame feeds. docs/bench.md says how to set an ODrive up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from exo_device.command import MotorTorque
from exo_device.drivers.base import Driver, DriverError
from exo_device.drivers.cubemars_can.bus_thread import BusThread
from exo_device.drivers.cubemars_can.port import CanPort, PythonCanPort, drain
from exo_device.drivers.imu import make_imu_source
from exo_device.drivers.odrive_can.config import ODriveConfig
from exo_device.drivers.odrive_can.master import ODriveMaster
from exo_device.state import DeviceState


class ODriveDriver(Driver):
    """ODrives. A thread of its own sends torque at the bus rate; read() and write() meet it in memory."""

    name = "odrive_can"

    def __init__(self, config: ODriveConfig) -> None:
        self.config = config
        self._imu = make_imu_source(config.imu)
        self._ros_ns: Callable[[], int] = time.time_ns
        self._port: CanPort | None = None
        self.master: ODriveMaster | None = None
        self._thread: BusThread | None = None
        self._condition = threading.Condition()
        self._newest: DeviceState | None = None
        self._woken = False

    def use_clock(self, ros_ns: Callable[[], int]) -> None:
        self._ros_ns = ros_ns

    def connect(self) -> None:
        if self._port is not None:
            return
        config = self.config
        self._port = PythonCanPort(config.interface, config.channel, config.bitrate, config.bus_options)
        try:
            self._imu.open()
        except DriverError:
            self.disconnect()
            raise

    def configure(self, joint_names: tuple[str, ...]) -> None:
        if self._port is None:
            raise DriverError("driver 'odrive_can': connect it first")
        if not joint_names:
            raise DriverError("driver 'odrive_can': configure needs at least one joint")
        for name in joint_names:
            if name not in self.config.axes:
                raise DriverError(f"driver 'odrive_can' has no axis for {name}; its configuration has "
                                  f"{', '.join(self.config.axes)}")
        self._end_thread()
        drain(self._port)
        self._newest = None
        self.master = ODriveMaster(self.config, tuple(joint_names), self._port, self._imu,
                                   steady_s=time.monotonic, ros_ns=self._ros_ns, on_sample=self._on_sample)
        self._thread = BusThread(self.master, self.config.bus_rate_hz, self._after_cycle)
        self._thread.start()

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
        master = self.master
        if command.names != master.joints:
            raise DriverError(f"torque for {command.names}, but configured for {master.joints}")
        if self._thread.crash:
            raise DriverError(self._thread.crash)
        if not command.enable or not np.isfinite(command.torque).all():
            master.set([0.0] * len(command.names), False)
            if command.enable:
                raise DriverError("a torque that is no number was to be sent; the motors are switched off")
            return MotorTorque.off(command.names, command.state_stamp_ns, command.sequence)
        master.set([float(value) for value in command.torque], True)
        applied = [axis.applied_torque(float(value)) for axis, value in zip(master.axes, command.torque)]
        return replace(command, torque=np.array(applied))

    def wake(self) -> None:
        with self._condition:
            self._woken = True
            self._condition.notify()

    def disconnect(self) -> None:
        if self._port is None:
            return
        self._end_thread()
        self._imu.close()
        self._port.close()
        self._port = None

    def _end_thread(self) -> None:
        if self._thread is not None and not self._thread.stop():
            self.master.farewell()  # the thread hangs, and its last words are still to be said
        self._thread = self.master = None

    def _after_cycle(self, is_on: bool) -> str:
        """In the bus thread: somebody who waits hears of a problem at once."""
        master = self.master
        if master is not None and master.problem:
            with self._condition:
                self._condition.notify()
        return ""

    def _problem(self) -> str:
        return self._thread.crash or self.master.problem

    def _on_sample(self, state: DeviceState) -> None:
        with self._condition:
            self._newest = state
            self._condition.notify()

    def _require_ready(self) -> None:
        if self._thread is None:
            raise DriverError("driver 'odrive_can': connect and configure it first")
