# SPDX-License-Identifier: Apache-2.0
"""A driver of motors on a CAN bus, which a thread of its own runs: read() and write() meet it in memory."""

from __future__ import annotations

import threading
import time
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from exo_device.command import MotorTorque
from exo_device.drivers.base import Driver, DriverError
from exo_device.drivers.can.bus import (
    EMULATED_INTERFACES,
    LOOSEST_PLAUSIBILITY,
    LOOSEST_WORN,
    BusThread,
    CanConfig,
    CanMaster,
)
from exo_device.drivers.can.port import CanPort, PythonCanPort, drain
from exo_device.drivers.imu import ImuSource, make_imu_source
from exo_device.state import DeviceState


def open_port(config: CanConfig) -> CanPort:
    """The bus that config describes. Raises DriverError when it cannot be opened."""
    return PythonCanPort(config.interface, config.channel, config.bitrate, config.bus_options)


class CanDriver(Driver):
    """What motors it has, and what its master says to them, is the subclass's.

    port_factory, imu, steady_s, ros_ns: other bus, IMU and clocks (s; ns of ROS time) than the real ones.
    """

    def __init__(
        self,
        config: CanConfig,
        *,
        port_factory: Callable[[CanConfig], CanPort] = open_port,
        imu: ImuSource | None = None,
        steady_s: Callable[[], float] = time.monotonic,
        ros_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.config = config
        self._port_factory, self._steady_s, self._ros_ns = port_factory, steady_s, ros_ns
        self._imu = imu or make_imu_source(config.imu)
        self._port: CanPort | None = None
        self.master: CanMaster | None = None
        self._thread: BusThread | None = None
        self._condition = threading.Condition()
        self._newest: DeviceState | None = None
        self._woken = False

    @property
    def bus_name(self) -> str:
        return f"{self.config.interface}-{self.config.channel}"

    @property
    def is_emulated(self) -> bool:
        bus = self.config
        return bus.interface in EMULATED_INTERFACES or (bus.interface == "socketcan" and bus.channel.startswith("vcan"))

    def require_wearable(self) -> None:
        plausibility = getattr(self.config, "plausibility", None)
        for settings, loosest, prefix in (
            (self.config, LOOSEST_WORN, ""),
            (plausibility, LOOSEST_PLAUSIBILITY, "plausibility."),
        ):
            for name, limit in loosest.items():
                value = getattr(settings, name, limit)
                if value is None or value > limit:
                    raise DriverError(
                        f"driver '{self.name}': {prefix}{name} is {'off' if value is None else f'{value:g}'}, and at "
                        f"most {limit:g} where somebody wears the motors (emulated ones: use_mock_hardware)"
                    )

    @abstractmethod
    def _check_joints(self, joint_names: tuple[str, ...]) -> None:
        """Raises DriverError for a joint without a motor."""

    @abstractmethod
    def _make_master(self, joint_names: tuple[str, ...], port: CanPort) -> CanMaster:
        """The master of these joints' motors."""

    def connect(self) -> None:
        if self._port is not None:
            return
        self._port = self._port_factory(self.config)
        try:
            self._imu.open()
            self._connected()
        except DriverError:
            self.disconnect()
            raise

    def configure(self, joint_names: tuple[str, ...]) -> None:
        if self._port is None:
            raise DriverError(f"driver '{self.name}': connect it first")
        if not joint_names:
            raise DriverError(f"driver '{self.name}': configure needs at least one joint")
        self._check_joints(joint_names)
        self._end_thread()
        drain(self._port)  # answers from before
        self._newest = None
        self.master = self._make_master(tuple(joint_names), self._port)
        self._thread = self._make_runner(self.master)
        self._thread.start()

    def disconnect(self) -> None:
        if self._port is None:
            return
        self._end_thread()
        self._disconnecting()
        self._imu.close()
        self._port.close()
        self._port = None

    def _connected(self) -> None:
        """What else there is to connect."""

    def _disconnecting(self) -> None:
        """... and to disconnect, once the thread has ended."""

    def _make_runner(self, master: CanMaster) -> BusThread:
        return BusThread(master, self.config.bus_rate_hz, self._after_cycle)

    def _after_cycle(self, is_on: bool) -> str:
        """In the bus thread: somebody who waits hears of a problem at once. Returns a further problem."""
        problem = self._watch(is_on)
        if problem or self.master.problem:
            with self._condition:
                self._condition.notify()
        return problem

    def _watch(self, is_on: bool) -> str:
        """In the bus thread, after each cycle: what is wrong beside the motors, or ""."""
        return ""

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
        applied = [motor.applied_torque(float(value)) for motor, value in zip(self.master.motors, command.torque)]
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
