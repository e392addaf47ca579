# SPDX-License-Identifier: Apache-2.0
"""Frames of AK motors: what the firmwares have in common, V1 and V2, and V3.

A codec speaks of one motor and in the units of its output shaft: rad, rad/s, Nm, with the motor's own sign. It has
the host's half (command, decode_reply) and the motor's half (decode_command, reply), which the emulator uses.
"""

from __future__ import annotations

import math
import struct
from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum, IntFlag, auto
from typing import ClassVar

from exo_device.drivers.can.port import Frame


class MotorFault(IntFlag):
    """Found by the driver. Each stays until the motors are switched off, POSITION_JUMP until the zero is confirmed."""

    #: The position leapt farther than the motor can have turned: it was reset or zeroed, and its zero is lost.
    POSITION_JUMP = 1 << 8
    #: The same old answer again and again: position and speed contradict each other, or replies are equal to
    #: the last bit where they cannot be.
    FROZEN = 1 << 9
    #: The applied torque does not follow the motor torque: the motor is off, or was reset.
    NOT_FOLLOWING = 1 << 10
    #: The device node fell silent with the motors on; the bus thread brought the torque down.
    HOST_SILENT = 1 << 11
    #: Another host commands this motor. Stays until it has been quiet for a second with the motors off.
    FOREIGN_MASTER = 1 << 12


NO_MOTOR_FAULT = MotorFault(0)


#: Bits of a field: position, and any other.
POSITION_BITS, FIELD_BITS = 16, 12
#: A decoded code may lie a rounding error below itself; this share of a step brings it back to the same code.
ROUNDING = 1e-6


def encode(value: float, low: float, high: float, bits: int) -> int:
    """Code of value, which is limited to low..high. The fraction is cut off, as the motors' own code does.

    Raises ValueError for a number that is not finite: there is no code for it.
    """
    if not math.isfinite(value):
        raise ValueError(f"{value} cannot be sent to a motor")
    limited = min(max(value, low), high)
    return int((limited - low) * ((1 << bits) - 1) / (high - low) + ROUNDING)


def decode(code: int, low: float, high: float, bits: int) -> float:
    """Value of a code."""
    return code * (high - low) / ((1 << bits) - 1) + low


def step(low: float, high: float, bits: int) -> float:
    """Distance between the values of two neighbouring codes."""
    return (high - low) / ((1 << bits) - 1)


#: Stiffness (Nm/rad) and damping (Nm s/rad) ranges of MIT mode, all models and firmwares.
KP_MAX, KD_MAX = 500.0, 5.0
SET_POINT_BYTES = 8


@dataclass(frozen=True)
class MitRange:
    """Ranges that a model's firmware maps its codes to, both signs. They differ by model and by firmware."""

    position_rad: float
    velocity_rad_s: float
    torque_nm: float


@dataclass(frozen=True)
class MitCommand:
    """A set point. This project uses torque alone: both gains stay zero."""

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
    """The report of a motor of itself."""

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
    #: Fields of a set point, as they follow each other in its eight bytes.
    set_point_fields: ClassVar[tuple[str, ...]]

    def __init__(self, motor_id: int, ranges: MitRange) -> None:
        self.motor_id = motor_id
        self.ranges = ranges
        #: Lowest value, highest value and bits of each field.
        self._fields = {
            "position": (-ranges.position_rad, ranges.position_rad, POSITION_BITS),
            "velocity": (-ranges.velocity_rad_s, ranges.velocity_rad_s, FIELD_BITS),
            "torque": (-ranges.torque_nm, ranges.torque_nm, FIELD_BITS),
            "kp": (0.0, KP_MAX, FIELD_BITS),
            "kd": (0.0, KD_MAX, FIELD_BITS),
        }

    def _encode(self, field: str, value: float) -> int:
        return encode(value, *self._fields[field])

    def _decode(self, field: str, code: int) -> float:
        return decode(code, *self._fields[field])

    def _set_point(self, command: MitCommand) -> bytes:
        bits = 0
        for field in self.set_point_fields:
            bits = bits << self._fields[field][2] | self._encode(field, getattr(command, field))
        return bits.to_bytes(SET_POINT_BYTES, "big")

    def _parse_set_point(self, data: bytes) -> MitCommand:
        bits, values = int.from_bytes(data, "big"), {}
        for field in reversed(self.set_point_fields):
            width = self._fields[field][2]
            values[field] = self._decode(field, bits & (1 << width) - 1)
            bits >>= width
        return MitCommand(**values)

    def applied_torque(self, torque: float) -> float:
        """Torque (Nm) that the motor understands for this motor torque."""
        return self._decode("torque", self._encode("torque", torque))

    @abstractmethod
    def command(self, command: MitCommand) -> Frame:
        """Set point. Raises ValueError for numbers that are not finite."""

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
        """Returns what a frame asks this motor for; None for a frame that is not for it."""

    @abstractmethod
    def reply(self, position: float, velocity: float, torque: float, temperature: float, error: int) -> Frame:
        """The motor's answer. Position wraps around at the ends of its field, the others are limited."""


SPECIAL_PREFIX = b"\xff" * 7
SPECIAL_BYTES = {Special.ENABLE: 0xFC, Special.DISABLE: 0xFD, Special.ZERO: 0xFE}
#: Older firmware leaves out temperature and error.
SHORT_REPLY_BYTES, LONG_REPLY_BYTES = 6, 8


class ClassicCodec(MotorCodec):
    """MIT mode of firmware V1 and V2: standard frames, position first. AK series driver manual V1.0.8, 5.3.

    temperature_offset_c, reply_bytes, reply_can_id: what this firmware's replies look like. Some count
    temperature from -40 degC; identifier None: any is taken, and 0 sent.
    """

    set_point_fields = ("position", "velocity", "kp", "kd", "torque")

    def __init__(
        self,
        motor_id: int,
        ranges: MitRange,
        temperature_offset_c: float = 0.0,
        reply_bytes: int = LONG_REPLY_BYTES,
        reply_can_id: int | None = None,
    ) -> None:
        super().__init__(motor_id, ranges)
        self._temperature_offset = temperature_offset_c
        self._reply_bytes = reply_bytes
        self._reply_can_id = reply_can_id
        self.position_span = 2.0 * ranges.position_rad
        position, velocity, torque = (step(*self._fields[field]) for field in ("position", "velocity", "torque"))
        self.reply_steps = (position, velocity, torque)

    def command(self, command: MitCommand) -> Frame:
        return Frame(self.motor_id, self._set_point(command))

    def enable(self) -> Frame:
        return self._special(Special.ENABLE)

    def disable(self) -> Frame:
        return self._special(Special.DISABLE)

    def idle(self) -> Frame:
        return self.command(MitCommand())

    def zero(self) -> Frame:
        return self._special(Special.ZERO)

    def _special(self, special: Special) -> Frame:
        return Frame(self.motor_id, SPECIAL_PREFIX + bytes([SPECIAL_BYTES[special]]))

    def decode_reply(self, frame: Frame) -> Reply | None:
        data = frame.data
        if frame.is_extended or len(data) not in (SHORT_REPLY_BYTES, LONG_REPLY_BYTES):
            return None
        if data[0] != self.motor_id or self._reply_can_id not in (None, frame.can_id):
            return None
        has_more = len(data) == LONG_REPLY_BYTES
        return Reply(
            motor_id=data[0],
            position=self._decode("position", data[1] << 8 | data[2]),
            velocity=self._decode("velocity", data[3] << 4 | data[4] >> 4),
            torque=self._decode("torque", (data[4] & 0xF) << 8 | data[5]),
            temperature=data[6] + self._temperature_offset if has_more else math.nan,
            error=data[7] if has_more else 0,
        )

    def decode_command(self, frame: Frame) -> MitCommand | Special | None:
        data = frame.data
        if frame.is_extended or frame.can_id != self.motor_id or len(data) != SET_POINT_BYTES:
            return None
        if data[:7] == SPECIAL_PREFIX:
            for special, byte in SPECIAL_BYTES.items():
                if data[7] == byte:
                    return special
        return self._parse_set_point(data)

    def reply(self, position: float, velocity: float, torque: float, temperature: float, error: int) -> Frame:
        half = self.ranges.position_rad
        p = self._encode("position", (position + half) % self.position_span - half)
        motion = (p << FIELD_BITS | self._encode("velocity", velocity)) << FIELD_BITS | self._encode("torque", torque)
        degrees = min(max(round(temperature - self._temperature_offset), 0), 0xFF)
        data = bytes([self.motor_id]) + motion.to_bytes(5, "big") + bytes([degrees, error & 0xFF])
        return Frame(self._reply_can_id or 0, data[: self._reply_bytes])


PACKET_CURRENT, PACKET_ORIGIN, PACKET_MIT, PACKET_UPLOAD = 1, 5, 8, 0x29
#: Units of the upload's 16-bit fields: 0.1 degree, 10 electrical revolutions per minute, 0.01 A.
POSITION_UNIT_RAD = math.radians(0.1)
SPEED_UNIT_ERPM = 10.0
CURRENT_UNIT_A = 0.01
UPLOAD = struct.Struct(">hhhbB")
INT16 = 2**15
RAD_S_PER_RPM = 2.0 * math.pi / 60.0
ZERO_CURRENT = struct.pack(">i", 0)
#: Origin until the power goes off; 1 would write it into the motor's flash.
ORIGIN_TEMPORARY = b"\x00"


@dataclass(frozen=True)
class MotorConstants:
    """Constants that turn a V3 motor's own units into those of its output shaft."""

    pole_pairs: int
    #: Turns of the rotor per turn of the output.
    gear_ratio: float
    #: Torque of the rotor per current (Nm/A).
    torque_constant_nm_per_a: float

    @property
    def rad_s_per_erpm(self) -> float:
        """Output speed per electrical revolution per minute."""
        return RAD_S_PER_RPM / (self.pole_pairs * self.gear_ratio)

    @property
    def nm_per_a(self) -> float:
        """Output torque per current, without losses of the gear."""
        return self.torque_constant_nm_per_a * self.gear_ratio


class V3Codec(MotorCodec):
    """Firmware V3: extended frames, gains first, replies in degrees, electrical speed and current.

    AK series module product manual V3.0.1, sections 4.1 and 4.2: identifier (packet << 8) | motor id; packet 8 is
    the MIT set point, 1 the current loop, 5 sets the origin, 0x29 is the motor's upload. There is no frame that
    enables or disables: a set point acts at once, and zero current lets the motor turn freely.
    """

    set_point_fields = ("kp", "kd", "position", "velocity", "torque")

    def __init__(self, motor_id: int, ranges: MitRange, constants: MotorConstants) -> None:
        super().__init__(motor_id, ranges)
        self._constants = constants
        self.position_span = 2 * INT16 * POSITION_UNIT_RAD
        self.reply_steps = (
            POSITION_UNIT_RAD,
            SPEED_UNIT_ERPM * constants.rad_s_per_erpm,
            CURRENT_UNIT_A * constants.nm_per_a,
        )

    def _frame(self, packet: int, data: bytes) -> Frame:
        return Frame(packet << 8 | self.motor_id, data, is_extended=True)

    def command(self, command: MitCommand) -> Frame:
        return self._frame(PACKET_MIT, self._set_point(command))

    def enable(self) -> None:
        return None

    def disable(self) -> Frame:
        return self._frame(PACKET_CURRENT, ZERO_CURRENT)

    def idle(self) -> Frame:
        return self.disable()  # a set point would act, and no code of the torque field is exactly zero

    def zero(self) -> Frame:
        return self._frame(PACKET_ORIGIN, ORIGIN_TEMPORARY)

    def decode_reply(self, frame: Frame) -> Reply | None:
        expected = PACKET_UPLOAD << 8 | self.motor_id
        if not frame.is_extended or frame.can_id != expected or len(frame.data) != UPLOAD.size:
            return None
        position, speed, current, temperature, error = UPLOAD.unpack(frame.data)
        return Reply(
            self.motor_id,
            position * POSITION_UNIT_RAD,
            speed * SPEED_UNIT_ERPM * self._constants.rad_s_per_erpm,
            current * CURRENT_UNIT_A * self._constants.nm_per_a,
            float(temperature),
            error,
        )

    def decode_command(self, frame: Frame) -> MitCommand | Special | None:
        if not frame.is_extended or frame.can_id & 0xFF != self.motor_id:
            return None
        packet, data = frame.can_id >> 8, frame.data
        if packet == PACKET_CURRENT and data == ZERO_CURRENT:
            return Special.DISABLE
        if packet == PACKET_ORIGIN and len(data) == 1:
            return Special.ZERO
        if packet != PACKET_MIT or len(data) != SET_POINT_BYTES:
            return None
        return self._parse_set_point(data)

    def reply(self, position: float, velocity: float, torque: float, temperature: float, error: int) -> Frame:
        wrapped = (round(position / POSITION_UNIT_RAD) + INT16) % (2 * INT16) - INT16
        speed = velocity / self._constants.rad_s_per_erpm / SPEED_UNIT_ERPM
        current = torque / self._constants.nm_per_a / CURRENT_UNIT_A
        return self._frame(
            PACKET_UPLOAD,
            UPLOAD.pack(wrapped, _int16(speed), _int16(current), min(max(round(temperature), -128), 127), error & 0xFF),
        )


def _int16(value: float) -> int:
    return min(max(round(value), -INT16), INT16 - 1)
