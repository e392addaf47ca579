# SPDX-License-Identifier: Apache-2.0
"""What the firmwares of AK motors have in common, and the frames that they do not.

A codec speaks of one motor and in the units of its output shaft: rad, rad/s, Nm, with the motor's own sign.
It has the host's half (command, decode_reply) and the motor's half (decode_command, reply), which the
emulator uses.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum, auto

from exo_device.drivers.can.frame import Frame

#: Stiffness (Nm/rad) and damping (Nm s/rad) ranges of MIT mode, all models and firmwares.
KP_MAX, KD_MAX = 500.0, 5.0


@dataclass(frozen=True)
class MitRange:
    """Ranges that a model's firmware maps its codes to, both signs. They differ by model and by firmware."""

    position_rad: float
    velocity_rad_s: float
    torque_nm: float


@dataclass(frozen=True)
class MitCommand:
    """What a motor is asked for. This project uses torque alone: both gains stay zero."""

    position: float = 0.0
    velocity: float = 0.0
    kp: float = 0.0
    kd: float = 0.0
    torque: float = 0.0


class Special(Enum):
    """Frames that carry no set point."""

    ENABLE = auto()
    DISABLE = auto()
    ZERO = auto()


@dataclass(frozen=True)
class Reply:
    """What a motor reports of itself."""

    motor_id: int
    position: float
    velocity: float
    torque: float
    #: degC, NaN where the reply has none.
    temperature: float
    #: The motor's own code, 0 for none.
    error: int


class MotorCodec(ABC):
    """Frames of one motor."""

    #: Distance between the two ends of the position field, where it wraps around (rad).
    position_span: float
    #: Smallest difference that the fields of a reply can carry (rad, rad/s, Nm).
    reply_steps: tuple[float, float, float]

    def __init__(self, motor_id: int, ranges: MitRange) -> None:
        self.motor_id = motor_id
        self.ranges = ranges

    @abstractmethod
    def command(self, command: MitCommand) -> Frame:
        """Set point. Raises ValueError for numbers that are not finite."""

    @abstractmethod
    def applied_torque(self, torque: float) -> float:
        """Torque (Nm) that the motor understands when it is asked for this one."""

    @abstractmethod
    def enable(self) -> Frame | None:
        """Switches the motor on; None where the firmware has no such frame."""

    @abstractmethod
    def disable(self) -> Frame:
        """Switches the motor off."""

    @abstractmethod
    def idle(self) -> Frame:
        """Asks a motor that is off how it is, without giving torque."""

    @abstractmethod
    def zero(self) -> Frame:
        """Makes the present position the motor's zero."""

    @abstractmethod
    def decode_reply(self, frame: Frame) -> Reply | None:
        """The reply of this motor; None for any other frame."""

    @abstractmethod
    def decode_command(self, frame: Frame) -> MitCommand | Special | None:
        """What a frame asks this motor for; None for a frame that is not for it."""

    @abstractmethod
    def reply(self, position: float, velocity: float, torque: float, temperature: float, error: int) -> Frame:
        """The motor's answer. Position wraps around at the ends of its field, the others are limited."""
