# SPDX-License-Identifier: Apache-2.0
"""Driver of simulated motors on any MotorBus."""

from __future__ import annotations

from typing import ClassVar

from exo_device.command import MotorTorque
from exo_device.drivers.base import Driver, DriverError
from exo_device.drivers.simulated.bus import MotorBus
from exo_device.drivers.simulated.config import SimulatedConfig
from exo_device.drivers.simulated.memory_bus import MemoryBus
from exo_device.state import JOINT_FIELDS, DeviceState


class SimulatedDriver(Driver):
    """Motors of the simulator. They give exactly the torque that they are sent."""

    name: ClassVar[str] = "simulated"

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
        for field in JOINT_FIELDS:
            count = len(getattr(frame, field))
            if count != len(frame.names):
                raise DriverError(f"motor states carry {len(frame.names)} names, but {count} of {field}")
        try:
            return frame.select(self._joint_names)
        except KeyError as error:
            raise DriverError(
                f"motor states lack joint {error}, they carry {', '.join(frame.names)}: give "
                "simulator and device node the same device file"
            ) from error

    def write(self, command: MotorTorque) -> MotorTorque:
        self._require_ready()
        if command.names != self._joint_names:
            raise DriverError(f"torque for {command.names}, but configured for {self._joint_names}")
        if not command.enable:
            command = MotorTorque.off(command.names, command.state_stamp_ns, command.sequence)
        self.bus.send(command)
        return command

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
    from exo_device.drivers.simulated.ros_bus import RosMotorBus  # ROS only where it is used

    return RosMotorBus(config)
