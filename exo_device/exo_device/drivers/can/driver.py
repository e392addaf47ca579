# SPDX-License-Identifier: Apache-2.0
"""A driver of motors on a CAN bus, which a thread of its own runs: read() and write() meet it in memory."""

from __future__ import annotations

import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np

from exo_device.drivers.base import Driver, DriverError, require_at_most
from exo_device.drivers.can.bus import (
    EMULATED_INTERFACES,
    LOOSEST_PLAUSIBILITY,
    LOOSEST_WORN,
    BusThread,
    CanConfig,
    CanMaster,
    CanMotor,
    ZeroTrust,
)
from exo_device.drivers.can.port import CanPort, Frame, PythonCanPort, drain
from exo_device.drivers.guardian import Guardian, OwnGuardian, call
from exo_device.drivers.imu import LOOSEST_WORN_IMU, ImuSource, make_imu_source
from exo_device.signals import DeviceState, MotorTorque

#: What happens to a bus that nobody guards.
UNGUARDED = "nothing takes the torque away when this process is killed: there is no guardian on {bus}{firmware}"


def open_port(config: CanConfig) -> CanPort:
    """The bus that config describes, as its one master. Raises DriverError when it cannot be opened, or has one."""
    return PythonCanPort(config.interface, config.channel, config.bitrate, config.bus_options, is_master=True)


class CanDriver(Driver):
    """The common part of such drivers; the subclass says which motors there are.

    port_factory, imu, steady_s, ros_ns: other bus, IMU and clocks (s; ns of ROS time) than the real ones.
    """

    #: What people look after when a motor is not heard.
    advice: ClassVar[str] = "check power, wiring and ids"
    config: CanConfig

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
        self._guardian: Guardian | None = None
        self._zeros = ZeroTrust()

    @property
    @abstractmethod
    def _motor_names(self) -> tuple[str, ...]:
        """Joints that have a motor in the settings."""

    @property
    def bus_name(self) -> str:
        return f"{self.config.interface}-{self.config.channel}"

    @property
    def is_emulated(self) -> bool:
        bus = self.config
        return bus.interface in EMULATED_INTERFACES or (bus.interface == "socketcan" and bus.channel.startswith("vcan"))

    def require_wearable(self) -> None:
        require_at_most(self.name, self.config, LOOSEST_WORN)
        require_at_most(self.name, self.config.imu, LOOSEST_WORN_IMU, "imu.")
        require_at_most(self.name, getattr(self.config, "plausibility", None), LOOSEST_PLAUSIBILITY, "plausibility.")

    @abstractmethod
    def _make_motors(self, joint_names: tuple[str, ...]) -> Sequence[CanMotor]:
        """The motors of these joints, in this order."""

    @property
    def has_verified_watchdog(self) -> bool:
        """Tells whether every motor has said that its firmware takes torque back by itself when it hears nothing."""
        return self.master is not None and all(motor.has_watchdog for motor in self.master.motors)

    def off_frames(self) -> list[Frame]:
        """Zero torque, then off, to every motor in the settings: what a guardian says."""
        return [frame for motor in self._make_motors(self._motor_names) for frame in motor.off_frames()]

    def connect(self) -> None:
        if self._port is not None:
            return
        self._port = self._port_factory(self.config)
        try:
            self._imu.open()
            self._guardian = self._find_guardian()
        except DriverError:
            self.disconnect()
            raise

    def configure(self, joint_names: tuple[str, ...]) -> None:
        if self._port is None:
            raise DriverError(f"driver '{self.name}': connect it first")
        if not joint_names:
            raise DriverError(f"driver '{self.name}': configure needs at least one joint")
        for name in joint_names:
            if name not in self._motor_names:
                known = ", ".join(self._motor_names)
                raise DriverError(f"driver '{self.name}' has no motor for {name}; its configuration has {known}")
        self._end_thread()
        drain(self._port)  # answers from before
        self._newest = None
        master = CanMaster(
            self.config,
            self._make_motors(tuple(joint_names)),
            self._port,
            self._imu,
            steady_s=self._steady_s,
            ros_ns=self._ros_ns,
            on_sample=self._on_sample,
            advice=self.advice,
            zeros=self._zeros,
        )
        self.master, self._thread = master, self._make_runner(master)
        self._thread.start()

    def disconnect(self) -> None:
        if self._port is None:
            return
        self._end_thread()
        if self._guardian is not None:
            self._guardian.close()
            self._guardian = None
        self._imu.close()
        self._port.close()
        self._port = None

    def limit(self, torque_nm: dict[str, float]) -> None:
        master, _ = self._ready()
        master.limits = [torque_nm[joint] for joint in master.joints]

    def arming_obstacle(self) -> str:
        master, _ = self._ready()
        return master.obstacle() or ("" if self.config.unguarded else self._lacks_guard())

    def warnings(self) -> list[str]:
        lacking = self._lacks_guard()
        if lacking and self.config.unguarded:
            lacking += "; torque is given all the same, as the driver's settings say (unguarded)"
        return [lacking] if lacking else []

    def confirm_zeros(self) -> str:
        master, _ = self._ready()
        confirmed = master.confirm_zeros()
        return f"the zero of {', '.join(confirmed)} is trusted again" if confirmed else super().confirm_zeros()

    def doubted_zeros(self) -> dict[str, str]:
        return self._zeros.doubts()

    def doubt_zeros(self, doubts: Mapping[str, str]) -> None:
        for joint, why in doubts.items():
            self._zeros.doubt(joint, why)

    def _lacks_guard(self) -> str:
        if self._guardian is not None or self.has_verified_watchdog:
            return ""
        return UNGUARDED.format(bus=f"{self.config.interface} {self.config.channel}", firmware=self._firmware_note())

    def _firmware_note(self) -> str:
        """Says why a firmware's own watchdog does not count, and what to do."""
        return ", and this protocol cannot tell whether the firmware has a watchdog; see docs/guardian.md"

    def _find_guardian(self) -> Guardian | None:
        if self.config.guarded_by == "own":
            return OwnGuardian([self.name, "--settings", self.config.model_dump_json()])
        if self.config.guarded_by == "external":
            return call(self.config.guardian_socket, self.name, self.config)
        return None

    def _make_runner(self, master: CanMaster) -> BusThread:
        return BusThread(master, self.config.bus_rate_hz, self._after_cycle)

    def _after_cycle(self, is_on: bool) -> str:
        """Wakes, in the bus thread, somebody who waits where there is a problem. Returns a further problem."""
        problem = self._guardian.beat(is_on) if self._guardian else ""
        if problem or (self.master is not None and self.master.problem):
            with self._condition:
                self._condition.notify()
        return problem

    def use_clock(self, ros_ns: Callable[[], int]) -> None:
        self._ros_ns = ros_ns
        self._imu.use_clock(ros_ns)

    def read(self, timeout_s: float) -> DeviceState | None:
        self._ready()
        with self._condition:
            self._condition.wait_for(lambda: self._newest or self._woken or self._problem(), timeout_s)
            self._woken = False
            problem = self._problem()
            if problem:
                raise DriverError(problem)
            state, self._newest = self._newest, None
            return state

    def write(self, motor_torque: MotorTorque) -> MotorTorque:
        master, thread = self._ready()
        motor_torque = self.checked(motor_torque, master.joints)
        if thread.crash:
            raise DriverError(thread.crash)
        is_finite = bool(np.isfinite(motor_torque.torque).all())
        if not (motor_torque.enable and is_finite):
            master.set([0.0] * len(motor_torque.names), False)
            if not is_finite:
                raise DriverError("a torque that is no number was to be sent; the motors are switched off")
            return motor_torque
        values = motor_torque.torque.tolist()
        sent = [min(max(value, -limit), limit) for value, limit in zip(values, master.limits, strict=True)]
        master.set(sent, True)
        applied = [motor.applied_torque(value) for motor, value in zip(master.motors, sent, strict=True)]
        return replace(motor_torque, torque=np.array(applied))

    def wake(self) -> None:
        with self._condition:
            self._woken = True
            self._condition.notify()

    def _end_thread(self) -> None:
        if self._thread is not None and not self._thread.stop() and self.master is not None:
            self.master.farewell()  # the thread hangs, and its last words are still to be said
        self._thread = self.master = None

    def _problem(self) -> str:
        master, thread = self._ready()
        return thread.crash or thread.problem or master.problem

    def _on_sample(self, state: DeviceState) -> None:
        with self._condition:
            self._newest = state
            self._condition.notify()

    def _ready(self) -> tuple[CanMaster, BusThread]:
        """The master and the thread that runs it. Raises DriverError before configure."""
        if self.master is None or self._thread is None:
            raise DriverError(f"driver '{self.name}': connect and configure it first")
        return self.master, self._thread
