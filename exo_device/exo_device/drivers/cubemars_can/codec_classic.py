# SPDX-License-Identifier: Apache-2.0
"""MIT mode of firmware V1 and V2: standard frames, position first. AK series driver manual V1.0.8, 5.3."""

from __future__ import annotations

import math

from exo_device.drivers.can.frame import Frame
from exo_device.drivers.cubemars_can.codec import KD_MAX, KP_MAX, MitCommand, MitRange, MotorCodec, Reply, Special
from exo_device.drivers.cubemars_can.fixed_point import decode, encode, step

POSITION_BITS, FIELD_BITS = 16, 12
SPECIAL_PREFIX = b"\xff" * 7
SPECIAL_BYTES = {Special.ENABLE: 0xFC, Special.DISABLE: 0xFD, Special.ZERO: 0xFE}
COMMAND_BYTES = 8
#: Older firmware leaves out temperature and error.
SHORT_REPLY_BYTES, LONG_REPLY_BYTES = 6, 8


class ClassicCodec(MotorCodec):
    """Frames of a motor with firmware V1 or V2.

    temperature_offset_c, reply_bytes, reply_can_id: what this firmware's replies look like. Some count
    temperature from -40 degC; identifier None: any is taken, and 0 sent.
    """

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
        self.reply_steps = (
            step(*self._both(ranges.position_rad), POSITION_BITS),
            step(*self._both(ranges.velocity_rad_s), FIELD_BITS),
            step(*self._both(ranges.torque_nm), FIELD_BITS),
        )

    @staticmethod
    def _both(limit: float) -> tuple[float, float]:
        return -limit, limit

    def command(self, command: MitCommand) -> Frame:
        p = encode(command.position, *self._both(self.ranges.position_rad), POSITION_BITS)
        v = encode(command.velocity, *self._both(self.ranges.velocity_rad_s), FIELD_BITS)
        kp = encode(command.kp, 0.0, KP_MAX, FIELD_BITS)
        kd = encode(command.kd, 0.0, KD_MAX, FIELD_BITS)
        t = encode(command.torque, *self._both(self.ranges.torque_nm), FIELD_BITS)
        return Frame(
            self.motor_id,
            bytes(
                [
                    p >> 8,
                    p & 0xFF,
                    v >> 4,
                    (v & 0xF) << 4 | kp >> 8,
                    kp & 0xFF,
                    kd >> 4,
                    (kd & 0xF) << 4 | t >> 8,
                    t & 0xFF,
                ]
            ),
        )

    def applied_torque(self, torque: float) -> float:
        limits = self._both(self.ranges.torque_nm)
        return decode(encode(torque, *limits, FIELD_BITS), *limits, FIELD_BITS)

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
            position=decode(data[1] << 8 | data[2], *self._both(self.ranges.position_rad), POSITION_BITS),
            velocity=decode(data[3] << 4 | data[4] >> 4, *self._both(self.ranges.velocity_rad_s), FIELD_BITS),
            torque=decode((data[4] & 0xF) << 8 | data[5], *self._both(self.ranges.torque_nm), FIELD_BITS),
            temperature=data[6] + self._temperature_offset if has_more else math.nan,
            error=data[7] if has_more else 0,
        )

    def decode_command(self, frame: Frame) -> MitCommand | Special | None:
        data = frame.data
        if frame.is_extended or frame.can_id != self.motor_id or len(data) != COMMAND_BYTES:
            return None
        if data[:7] == SPECIAL_PREFIX:
            for special, byte in SPECIAL_BYTES.items():
                if data[7] == byte:
                    return special
        return MitCommand(
            position=decode(data[0] << 8 | data[1], *self._both(self.ranges.position_rad), POSITION_BITS),
            velocity=decode(data[2] << 4 | data[3] >> 4, *self._both(self.ranges.velocity_rad_s), FIELD_BITS),
            kp=decode((data[3] & 0xF) << 8 | data[4], 0.0, KP_MAX, FIELD_BITS),
            kd=decode(data[5] << 4 | data[6] >> 4, 0.0, KD_MAX, FIELD_BITS),
            torque=decode((data[6] & 0xF) << 8 | data[7], *self._both(self.ranges.torque_nm), FIELD_BITS),
        )

    def reply(self, position: float, velocity: float, torque: float, temperature: float, error: int) -> Frame:
        half = self.ranges.position_rad
        p = encode((position + half) % self.position_span - half, *self._both(half), POSITION_BITS)
        v = encode(velocity, *self._both(self.ranges.velocity_rad_s), FIELD_BITS)
        t = encode(torque, *self._both(self.ranges.torque_nm), FIELD_BITS)
        data = bytes(
            [
                self.motor_id,
                p >> 8,
                p & 0xFF,
                v >> 4,
                (v & 0xF) << 4 | t >> 8,
                t & 0xFF,
                min(max(round(temperature - self._temperature_offset), 0), 0xFF),
                error & 0xFF,
            ]
        )
        return Frame(self._reply_can_id or 0, data[: self._reply_bytes])
