# SPDX-License-Identifier: Apache-2.0
"""A motor as the master of a bus sees it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from exo_device.drivers.can.frame import Frame


@dataclass(frozen=True)
class Measurement:
    """What a motor said last of how it moves, on the joint side: rad, rad/s, Nm, degC, V (NaN: not said)."""

    #: When it arrived: s of the steady clock, ns of ROS time.
    steady_s: float
    ros_ns: int
    position: float
    velocity: float
    torque: float
    temperature: float
    bus_voltage: float
    #: The motor's own code.
    error: int


class CanMotor(ABC):
    """What to send to one motor, and what it said last. Joint side, except frames."""

    #: Joint that it drives; how people call the motor on its bus, as `id 3`.
    joint: str
    address: str
    newest: Measurement | None = None

    @abstractmethod
    def applied_torque(self, torque: float) -> float:
        """Joint torque (Nm) that the motor understands when it is asked for this one."""

    @abstractmethod
    def frames(self, torque: float, enable: bool, now_s: float) -> list[Frame]:
        """What to send in a cycle."""

    @abstractmethod
    def off_frames(self) -> list[Frame]:
        """The last words to this motor: zero torque, and off."""

    @abstractmethod
    def take(self, frame: Frame, now_s: float, now_ns: int) -> bool:
        """Takes in a frame if this motor sent it."""

    @abstractmethod
    def silence_s(self, now_s: float) -> float:
        """Time (s) since the motor was heard, or since it could first have been."""

    @property
    @abstractmethod
    def error(self) -> int:
        """What DeviceState.error says of this motor."""

    def host_fell_silent(self) -> None:
        """The device node has said nothing for too long with the motors on."""

    def switched_off(self) -> None:
        """The motors are not to be on any more: what was found wrong with them may be forgotten."""

    def is_echo(self, frame: Frame) -> bool:
        """Whether frame is what a host sends to this motor: some buses return what was sent."""
        return False
