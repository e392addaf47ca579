# SPDX-License-Identifier: Apache-2.0
"""Settings of the driver `cubemars_can`: the bus, and each motor. Nothing of it is a constant."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from exo_device.drivers.base import Offset, Positive, Settings
from exo_device.drivers.can.bus import CanConfig, JointMap
from exo_device.drivers.cubemars_can.codec import (
    LONG_REPLY_BYTES,
    ClassicCodec,
    MitRange,
    MotorCodec,
    MotorConstants,
    V3Codec,
)

#: Byte 0 of a zero-torque command is 0x7f: on a bus that echoes, motor 127 could not be told from it.
HIGHEST_ID = 126
#: Bits of an 8-byte data frame with the most stuffing, and three bits of pause: standard and extended identifier.
STANDARD_FRAME_BITS, EXTENDED_FRAME_BITS = 135, 160
#: Share of the bus that set points and replies may fill; the rest is for arbitration, errors and jitter.
LARGEST_BUS_LOAD = 0.8
#: Ends of a torque field (Nm): those of the AK series go to 144 Nm (AK80-64), and no larger motor is worn.
LARGEST_FIELD_NM = 200.0
#: Measured torque over reported torque: a motor that is further off than by two has another constant than its firmware
#: believes, and is no motor to be worn before that is set right.
TORQUE_SCALE_RANGE = (0.5, 2.0)


class MotorConfig(Settings):
    """One motor and how it drives its joint."""

    #: CAN id of the motor, as set in its own settings.
    id: Annotated[int, Field(ge=1, le=HIGHEST_ID)]
    #: Which frames it speaks; see its label or the manufacturer's tool.
    firmware: Literal["v1", "v2", "v3"]
    #: Ends of the position (rad), velocity (rad/s) and torque (Nm) fields of this model and firmware, both signs.
    position_range_rad: Annotated[float, Field(ge=1.0, le=100.0)]
    velocity_range_rad_s: Annotated[float, Field(ge=1.0, le=200.0)]
    torque_range_nm: Annotated[float, Field(ge=1.0, le=LARGEST_FIELD_NM)]
    #: +1 when the motor turns as the joint's angle grows, else -1.
    sign: Literal[1, -1]
    #: Joint angle (rad) where the motor reports zero.
    joint_offset_rad: Offset = 0.0
    #: Turns of the motor's output per turn of the joint; 1: direct.
    transmission_ratio: Annotated[float, Field(ge=0.1, le=20.0)] = 1.0
    #: Torque (Nm) that the output really gives per Nm in the frame; 1: as the firmware says. From a measurement.
    torque_scale: Annotated[float, Field(ge=TORQUE_SCALE_RANGE[0], le=TORQUE_SCALE_RANGE[1])] = 1.0
    #: Identifier of its replies (v1, v2), as `bench scan` shows it; None: any. Set it when others use the
    #: bus: a frame of theirs whose first byte is this motor's id would else be taken for its reply.
    reply_can_id: Annotated[int, Field(ge=0, le=0x7FF)] | None = None
    #: What an 8-byte reply's temperature byte counts from (degC): 0, or -40 for some firmware.
    temperature_offset_c: Annotated[float, Field(ge=-50.0, le=50.0)] = 0.0
    #: Firmware v3 reports electrical speed and current: these turn them into output speed and torque.
    pole_pairs: Annotated[int, Field(ge=1, le=100)] | None = None
    gear_ratio: Annotated[float, Field(ge=1.0, le=200.0)] | None = None
    torque_constant_nm_per_a: Annotated[float, Field(gt=0.0, le=10.0)] | None = None

    @model_validator(mode="after")
    def _v3_needs_its_constants(self) -> MotorConfig:
        names = ("pole_pairs", "gear_ratio", "torque_constant_nm_per_a")
        missing = [name for name in names if getattr(self, name) is None]
        if self.firmware == "v3" and missing:
            raise ValueError(f"firmware v3 also needs {', '.join(missing)}")
        return self

    def joint_map(self) -> JointMap:
        """How the motor drives its joint."""
        return JointMap(self.sign, self.joint_offset_rad, self.transmission_ratio, self.torque_scale)

    def codec(self, **reply: int) -> MotorCodec:
        """Frames of this motor; reply: how an emulated classic motor answers (reply_bytes, reply_can_id)."""
        ranges = MitRange(self.position_range_rad, self.velocity_range_rad_s, self.torque_range_nm)
        if self.firmware == "v3":
            assert self.pole_pairs and self.gear_ratio and self.torque_constant_nm_per_a  # _v3_needs_its_constants
            return V3Codec(
                self.id, ranges, MotorConstants(self.pole_pairs, self.gear_ratio, self.torque_constant_nm_per_a)
            )
        return ClassicCodec(
            self.id,
            ranges,
            self.temperature_offset_c,
            reply.get("reply_bytes", LONG_REPLY_BYTES),
            reply.get("reply_can_id", self.reply_can_id),
        )


class PlausibilityLimits(Settings):
    """Bounds within which disagreement is still noise, on the joint side: rad, rad/s, Nm, s."""

    #: A step between two replies beyond this, and beyond this multiple of what the reported speeds explain,
    #: is a leap. A walking joint of 10 rad/s moves 0.025 rad from one 400 Hz reply to the next.
    jump_rad: Positive = 0.15
    jump_speed_factor: Positive = 2.0
    #: Over this time the position must move as the reported speed says, but for this angle and this share.
    frozen_window_s: Positive = 0.05
    frozen_rad: Positive = 0.03
    frozen_share: Positive = 0.5
    #: Applied torque may differ from motor torque by this and by this share of it, for this long.
    following_nm: Positive = 2.0
    following_share: Positive = 0.5
    following_s: Positive = 0.1
    #: A motor answers within this time (s): any torque between those asked for within it may be measured. Bus cycle,
    #: delay and lag of the device files' actuators (5 ms, 18 Hz) come to some 25 ms.
    response_s: Positive = 0.05
    #: Replies equal to the last bit contradict a torque that has changed by this since the first of them, once
    #: it has lasted for this time. 15 steps of the torque field of an AK10-9.
    repeated_nm: Positive = 0.5
    repeated_s: Positive = 0.05
    #: Replies equal to the last bit for this long, under a motor torque over repeated_nm, are one old reply: no
    #: joint of a person keeps so still under torque. None: they may be; for a joint that is clamped, or while
    #: a simulator that turns emulated motors is paused.
    standstill_s: Positive | None = 0.5


class CubemarsConfig(CanConfig):
    """A CAN bus with AK motors in MIT mode."""

    #: Samples handed to the device node this often (Hz); the bus rate is a whole multiple of it. Policies
    #: are made for one rate: 100 Hz here.
    state_rate_hz: Annotated[float, Field(ge=10.0, le=1000.0)] = 100.0
    #: What a motor may report before the device stops.
    plausibility: PlausibilityLimits = PlausibilityLimits()
    #: By joint, named as in the device description.
    motors: Annotated[dict[str, MotorConfig], Field(min_length=1)]

    @model_validator(mode="after")
    def _ids_differ(self) -> CubemarsConfig:
        taken: dict[int, str] = {}
        for joint, motor in self.motors.items():
            if motor.id in taken:
                raise ValueError(f"motors of {taken[motor.id]} and {joint} have the same id {motor.id}")
            taken[motor.id] = joint
        return self

    @model_validator(mode="after")
    def _rates_fit(self) -> CubemarsConfig:
        ratio = self.bus_rate_hz / self.state_rate_hz
        if self.cycles_per_sample < 1 or not math.isclose(ratio, self.cycles_per_sample):
            raise ValueError(
                f"bus_rate_hz {self.bus_rate_hz:g} must be a whole multiple of state_rate_hz {self.state_rate_hz:g}"
            )
        bits = sum(
            2 * (EXTENDED_FRAME_BITS if motor.firmware == "v3" else STANDARD_FRAME_BITS)
            for motor in self.motors.values()
        )
        # a new torque goes out at once, beside the cycles: once to each sample at most
        highest = LARGEST_BUS_LOAD * self.bitrate / bits - self.state_rate_hz
        if self.bus_rate_hz > highest:
            raise ValueError(
                f"bus_rate_hz {self.bus_rate_hz:g} overloads the bus: {len(self.motors)} motors "
                f"at {self.bitrate} bit/s allow {highest:.0f}"
            )
        return self

    @property
    def cycles_per_sample(self) -> int:
        """Bus cycles to one sample."""
        return round(self.bus_rate_hz / self.state_rate_hz)
