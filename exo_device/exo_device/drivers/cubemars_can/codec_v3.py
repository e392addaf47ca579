# SPDX-License-Identifier: Apache-2.0
"""Firmware V3: extended frames, gains first, replies in degrees, electrical speed and current.

AK series module product manual V3.0.1, sections 4.1 and 4.2: identifier (packet << 8) | motor id; packet 8 is
the MIT set point, 1 the current loop, 5 sets the origin, 0x29 is the motor's upload. There is no frame that
enables or disables: a set point acts at once, and zero current lets the motor turn freely.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

from exo_device.drivers.can.frame import Frame
from exo_device.drivers.cubemars_can.codec import KD_MAX, KP_MAX, MitCommand, MitRange, MotorCodec, Reply, Special
from exo_device.drivers.cubemars_can.fixed_point import decode, encode, step

PACKET_CURRENT, PACKET_ORIGIN, PACKET_MIT, PACKET_UPLOAD = 1, 5, 8, 0x29
POSITION_BITS, FIELD_BITS = 16, 12
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
    """What turns a V3 motor's own units into those of its output shaft."""

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
    """Frames of a motor with firmware V3."""

    def __init__(self, motor_id: int, ranges: MitRange, constants: MotorConstants) -> None:
        super().__init__(motor_id, ranges)
        self._constants = constants
        self.position_span = 2 * INT16 * POSITION_UNIT_RAD
        self.reply_steps = (
            POSITION_UNIT_RAD,
            SPEED_UNIT_ERPM * constants.rad_s_per_erpm,
            CURRENT_UNIT_A * constants.nm_per_a,
        )
        self._torque_step = step(-ranges.torque_nm, ranges.torque_nm, FIELD_BITS)

    def _frame(self, packet: int, data: bytes) -> Frame:
        return Frame(packet << 8 | self.motor_id, data, is_extended=True)

    def command(self, command: MitCommand) -> Frame:
        ranges = self.ranges
        kp = encode(command.kp, 0.0, KP_MAX, FIELD_BITS)
        kd = encode(command.kd, 0.0, KD_MAX, FIELD_BITS)
        p = encode(command.position, -ranges.position_rad, ranges.position_rad, POSITION_BITS)
        v = encode(command.velocity, -ranges.velocity_rad_s, ranges.velocity_rad_s, FIELD_BITS)
        t = encode(command.torque, -ranges.torque_nm, ranges.torque_nm, FIELD_BITS)
        return self._frame(
            PACKET_MIT,
            bytes(
                [
                    kp >> 4,
                    (kp & 0xF) << 4 | kd >> 8,
                    kd & 0xFF,
                    p >> 8,
                    p & 0xFF,
                    v >> 4,
                    (v & 0xF) << 4 | t >> 8,
                    t & 0xFF,
                ]
            ),
        )

    def applied_torque(self, torque: float) -> float:
        limit = self.ranges.torque_nm
        return decode(encode(torque, -limit, limit, FIELD_BITS), -limit, limit, FIELD_BITS)

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
        if packet != PACKET_MIT or len(data) != 8:
            return None
        ranges = self.ranges
        return MitCommand(
            kp=decode(data[0] << 4 | data[1] >> 4, 0.0, KP_MAX, FIELD_BITS),
            kd=decode((data[1] & 0xF) << 8 | data[2], 0.0, KD_MAX, FIELD_BITS),
            position=decode(data[3] << 8 | data[4], -ranges.position_rad, ranges.position_rad, POSITION_BITS),
            velocity=decode(data[5] << 4 | data[6] >> 4, -ranges.velocity_rad_s, ranges.velocity_rad_s, FIELD_BITS),
            torque=decode((data[6] & 0xF) << 8 | data[7], -ranges.torque_nm, ranges.torque_nm, FIELD_BITS),
        )

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
