# SPDX-License-Identifier: Apache-2.0
"""Driver of simulated motors on any MotorBus: its settings, the bus, and one within the process."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from exo_device.drivers.base import Driver, DriverError, Settings
from exo_device.signals import DeviceState, MotorTorque


class SimulatedConfig(Settings):
    """Settings: where the simulated motors are."""

    #: ros: topics sim/motor_states and sim/motor_command. memory: within one process, for tests.
    transport: Literal["ros", "memory"] = "ros"
    #: Name of the ROS node that holds the bus's end.
    node_name: str = "_device_motor_bus"
    #: Namespace of that node; empty: as the process's ROS arguments say.
    namespace: str = ""


class MotorBus(ABC):
    """The device's end of a bus. receive and send are called from one thread, wake from any."""

    @abstractmethod
    def open(self) -> None:
        """Starts listening. Raises DriverError when it cannot."""

    @abstractmethod
    def receive(self, timeout_s: float) -> DeviceState | None:
        """The newest frame since the last call, as it came. None after timeout_s, or on wake()."""

    @abstractmethod
    def send(self, command: MotorTorque) -> None:
        """Sends a frame to the motors."""

    @abstractmethod
    def wake(self) -> None:
        """Makes a waiting receive() return early."""

    @abstractmethod
    def close(self) -> None:
        """Stops listening; may be called twice."""


class MemoryBus(MotorBus):
    """A bus within the process, both ends of it.

    The motors' end is put_state() and commands; latest wins, as on the topics.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._state: DeviceState | None = None
        self._woken = False
        self._is_open = False
        #: Every frame the motors got, oldest first.
        self.commands: list[MotorTorque] = []

    @property
    def is_open(self) -> bool:
        """Tells whether the device's end listens."""
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


class SimulatedDriver(Driver):
    """Motors of the simulator. They give exactly the torque that they are sent."""

    name: ClassVar[str] = "simulated"
    has_real_motors = False
    is_simulation = True

    def __init__(self, config: SimulatedConfig = SimulatedConfig(), bus: MotorBus | None = None) -> None:
        #: The bus that config asks for, or the one given.
        self.bus = bus or _make_bus(config)
        self._is_connected = False
        self._joint_names: tuple[str, ...] = ()

    def connect(self) -> None:
        self.bus.open()
        self._is_connected = True

    def configure(self, joint_names: tuple[str, ...]) -> None:
        if not joint_names:
            raise DriverError("driver 'simulated': configure needs at least one joint")
        self._joint_names = tuple(joint_names)

    def read(self, timeout_s: float) -> DeviceState | None:
        self._require_ready()
        frame = self.bus.receive(timeout_s)
        if frame is None:
            return None
        if contradiction := frame.contradiction():
            raise DriverError(f"motor states carry {contradiction}")
        try:
            return frame.select(self._joint_names)
        except KeyError as error:
            raise DriverError(
                f"motor states lack joint {error}, they carry {', '.join(frame.names)}: give "
                "simulator and device node the same device file"
            ) from error

    def write(self, motor_torque: MotorTorque) -> MotorTorque:
        self._require_ready()
        motor_torque = self.checked(motor_torque, self._joint_names)
        self.bus.send(motor_torque)
        return motor_torque

    def wake(self) -> None:
        self.bus.wake()

    def disconnect(self) -> None:
        if not self._is_connected:
            return
        self._is_connected = False
        try:
            if self._joint_names:
                self.bus.send(MotorTorque.off(self._joint_names))
        except Exception:  # a bus that is gone cannot be told, and a caller on its way out must not fail here
            pass
        self.bus.close()

    def _require_ready(self) -> None:
        if not self._is_connected or not self._joint_names:
            raise DriverError("driver 'simulated': connect and configure it first")


def _make_bus(config: SimulatedConfig) -> MotorBus:
    if config.transport == "memory":
        return MemoryBus()
    from exo_device.drivers.ros import RosMotorBus

    return RosMotorBus(config)
