# SPDX-License-Identifier: Apache-2.0
"""Random frames against codecs, driver and emulated motors: nothing may crash, and no wrong motor may move.

Every frame goes both ways: to the driver, as a reply, and to the motors, as an order. Who may listen to it is
worked out here a second time, from the manuals' tables and not from the codecs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from exo_device.drivers import make_driver
from exo_device.drivers.can.port import Frame
from exo_device.drivers.cubemars_can.codec import PACKET_CURRENT, PACKET_MIT, PACKET_ORIGIN, PACKET_UPLOAD, MitCommand
from exo_device.drivers.cubemars_can.config import CubemarsConfig
from exo_device.drivers.cubemars_can.driver import ENABLE_REPEATS
from exo_device.emulator import EmulatedBus, Followed
from exo_device.emulator.in_process import MadeClock, SteppedCubemarsDriver
from exo_device.signals import MotorTorque

#: Firmware families with frames of their own; v1 speaks as v2 with the shorter replies.
FIRMWARES = ("v1", "v2", "v3")
#: Any values do: frames are random. AK10-9 (AK series module product manual).
V3_CONSTANTS = {"pole_pairs": 21, "gear_ratio": 9.0, "torque_constant_nm_per_a": 0.16}
SHORT_REPLY_BYTES = 6
#: Between two random frames (s): a motor bus at about half its load.
FRAME_PERIOD_S = 2e-4
#: The driver asks its motors after as many random frames: about its 200 Hz.
FRAMES_PER_CYCLE = 25
#: What is asked of the motors meanwhile (Nm), another value for each.
FIRST_TORQUE_NM, TORQUE_STEP_NM = 1.0, 1.5
#: Two ways to the same torque differ by rounding alone (Nm).
TOLERANCE_NM = 1e-9
#: Shares of frames: a real frame with a few bits changed, and a real one left alone. The rest is noise.
NEARLY_RIGHT, RIGHT = 0.4, 0.1
#: ... of the real ones, those that store a motor's zero: it is deaf for a second afterwards.
ZERO_SHARE = 2e-4
HIGHEST_STANDARD_ID, HIGHEST_EXTENDED_ID, LARGEST_DATA = 2**11, 2**29, 8


@dataclass
class FuzzTally:
    """Counts of one block of frames."""

    frames: int = 0
    #: Frames that the driver took for a reply, and that a motor took for an order.
    replies: int = 0
    orders: int = 0
    #: Set points of the driver in between.
    set_points: int = 0
    #: Exceptions; frames that moved a motor, or changed a measurement, that they were not for; numbers that
    #: are none; set points that arrived as another torque than asked.
    crashes: int = 0
    wrong_motor: int = 0
    not_finite: int = 0
    wrong_torque: int = 0
    #: The first thing that went wrong, in words.
    example: str = ""

    def wrong(self, what: str, text: str) -> None:
        """Counts a failure."""
        setattr(self, what, getattr(self, what) + 1)
        self.example = self.example or text


def fuzz_config(settings: Mapping[str, Any], firmware: str) -> CubemarsConfig:
    """The driver's settings with every motor of one firmware, on no real bus."""
    motors = {
        joint: {**motor, "firmware": firmware, **(V3_CONSTANTS if firmware == "v3" else {})}
        for joint, motor in settings["motors"].items()
    }
    changed = {
        **settings,
        "interface": "virtual",
        "guardian": "none",
        "bus_rate_hz": 200.0,
        "reply_timeout_s": 1.0,
        "motors": motors,
    }
    return make_driver("cubemars_can", changed).config


def fuzz_block(config: CubemarsConfig, firmware: str, seed: int, block: int, frames: int) -> dict:
    """One block of random frames against a fresh driver and fresh motors. Repeatable; returns a FuzzTally."""
    return asdict(
        _Block(config, firmware, np.random.default_rng([seed, block, FIRMWARES.index(firmware)]), frames).run()
    )


class _Block:
    def __init__(self, config: CubemarsConfig, firmware: str, random: np.random.Generator, frames: int) -> None:
        self._random, self._frames, self._is_v3 = random, frames, firmware == "v3"
        self._clock = MadeClock(1.0)
        reply = {"reply_bytes": SHORT_REPLY_BYTES} if firmware == "v1" else {}
        self._bus = EmulatedBus(config, lambda joint: Followed(), **reply)
        self._driver = SteppedCubemarsDriver(config, self._bus, self._clock)
        self._ids = {motor.id: joint for joint, motor in config.motors.items()}
        self._codecs = [motor.codec(**reply) for motor in config.motors.values()]
        joints = tuple(config.motors)
        torque = np.array([FIRST_TORQUE_NM + TORQUE_STEP_NM * index for index in range(len(joints))])
        self._asked = MotorTorque(1, 1, True, joints, torque)
        self.tally = FuzzTally()

    def run(self) -> FuzzTally:
        with self._driver as driver:
            driver.configure(self._asked.names)
            self._channels = {channel.id: channel for channel in driver.master.motors}
            for count in range(self._frames):
                frame = self._frame()
                try:
                    self._at_driver(frame)
                    self._at_motors(frame)
                    if count % FRAMES_PER_CYCLE == 0:
                        self._cycle()
                except Exception as error:  # that is what is looked for
                    self.tally.wrong("crashes", f"{frame}: {type(error).__name__}: {error}")
                self.tally.frames += 1
                self._clock.now_s += FRAME_PERIOD_S
        return self.tally

    # --- frames

    def _frame(self) -> Frame:
        random, kind = self._random, self._random.random()
        if kind >= NEARLY_RIGHT + RIGHT:
            is_extended = bool(random.random() < 0.5)
            highest = HIGHEST_EXTENDED_ID if is_extended else HIGHEST_STANDARD_ID
            return Frame(
                int(random.integers(highest)), random.bytes(int(random.integers(LARGEST_DATA + 1))), is_extended
            )
        frame = self._real_frame()
        return frame if kind < RIGHT else self._damaged(frame)

    def _real_frame(self) -> Frame:
        random = self._random
        codec = self._codecs[random.integers(len(self._codecs))]
        a, b, c = random.normal(0.0, 20.0, 3)
        makers = (
            lambda: codec.reply(a, b, c, random.uniform(-50, 200), int(random.integers(256))),
            lambda: codec.command(MitCommand(a, b, abs(a), abs(b) % 5.0, c)),
            codec.idle,
            codec.disable,
            lambda: codec.enable() or codec.disable(),
        )
        if random.random() < ZERO_SHARE:
            return codec.zero()
        return makers[random.integers(len(makers))]()

    def _damaged(self, frame: Frame) -> Frame:
        """A few bits of data and identifier changed, cut short or drawn out."""
        random, data = self._random, bytearray(frame.data)
        can_id, is_extended = frame.can_id, frame.is_extended
        for _ in range(random.integers(1, 4)):
            where = random.integers(5)
            if where == 0 and data:
                data[random.integers(len(data))] ^= 1 << int(random.integers(8))
            elif where == 1:
                can_id ^= 1 << int(random.integers(29 if is_extended else 11))
            elif where == 2:
                data = data[: random.integers(LARGEST_DATA + 1)]
            elif where == 3:
                data = (data + bytearray(random.bytes(2)))[:LARGEST_DATA]
            else:
                is_extended = not is_extended
                can_id %= HIGHEST_EXTENDED_ID if is_extended else HIGHEST_STANDARD_ID
        return Frame(can_id, bytes(data), is_extended)

    # --- who may listen, from the manuals

    def _reply_of(self, frame: Frame) -> int | None:
        """Id of the motor whose reply this is."""
        if self._is_v3:
            is_reply = frame.is_extended and frame.can_id >> 8 == PACKET_UPLOAD and len(frame.data) == 8
            motor = frame.can_id & 0xFF
        else:
            is_reply = not frame.is_extended and len(frame.data) in (6, 8)
            motor = frame.data[0] if frame.data else -1
        return motor if is_reply and motor in self._ids else None

    def _order_for(self, frame: Frame) -> int | None:
        """Id of the motor that this orders about."""
        if not self._is_v3:
            is_order = not frame.is_extended and len(frame.data) == 8 and frame.can_id in self._ids
            return frame.can_id if is_order else None
        packet, motor, size = frame.can_id >> 8, frame.can_id & 0xFF, len(frame.data)
        is_order = (
            frame.is_extended
            and motor in self._ids
            and (
                (packet == PACKET_CURRENT and frame.data == bytes(4))
                or (packet == PACKET_ORIGIN and size == 1)
                or (packet == PACKET_MIT and size == 8)
            )
        )
        return motor if is_order else None

    # --- both ways

    def _at_driver(self, frame: Frame) -> None:
        before = {motor: channel.newest for motor, channel in self._channels.items()}
        self._driver.master._sort(frame)
        changed = [motor for motor, channel in self._channels.items() if channel.newest is not before[motor]]
        expected = self._reply_of(frame)
        self.tally.replies += bool(changed)
        if changed != ([] if expected is None else [expected]):
            self.tally.wrong("wrong_motor", f"{frame} changed motors {changed}, is for {expected}")
        for motor in changed:
            newest = self._channels[motor].newest
            if not all(map(math.isfinite, (newest.position, newest.velocity, newest.torque))):
                self.tally.wrong("not_finite", f"{frame} measured {newest}")

    def _at_motors(self, frame: Frame) -> None:
        self._bus.advance(self._clock.now_s)  # what time alone does is no frame's doing
        before = {joint: _touched(motor) for joint, motor in self._bus.motors.items()}
        self._bus.on_frame(frame, self._clock.now_s)
        changed = [joint for joint, motor in self._bus.motors.items() if _touched(motor) != before[joint]]
        expected = self._order_for(frame)
        self.tally.orders += expected is not None
        if not set(changed) <= ({self._ids[expected]} if expected is not None else set()):
            self.tally.wrong("wrong_motor", f"{frame} moved {changed}, is for motor {expected}")
        for motor in self._bus.motors.values():
            if not math.isfinite(motor.torque):
                self.tally.wrong("not_finite", f"{frame} made {motor.joint} give {motor.torque} Nm")

    def _cycle(self) -> None:
        """The driver's own set points still reach each motor as asked, whatever was heard before."""
        driver, names = self._driver, self._asked.names
        deaf = [
            joint
            for joint, motor in self._bus.motors.items()  # it stores its zero
            if self._clock.now_s < motor._silent_until_s
        ]
        driver.write(MotorTorque.off(names, 1, 1))  # a host that lives: a latched bus fault ends here
        driver.master.cycle(self._clock.now_s + FRAME_PERIOD_S)
        applied = driver.write(self._asked).torque
        for _ in range(ENABLE_REPEATS + 1):  # the first frames only switch on
            driver.master.cycle(self._clock.now_s + FRAME_PERIOD_S)
        for joint, torque in zip(names, applied, strict=True):
            given = self._bus.motors[joint].torque
            self.tally.set_points += joint not in deaf
            if joint not in deaf and not math.isclose(given, torque, abs_tol=TOLERANCE_NM):
                self.tally.wrong("wrong_torque", f"{joint} gives {given} Nm, asked for {torque}")


def _touched(motor) -> tuple:
    """What an order changes in a motor."""
    return motor.is_on, motor.commanded_torque, motor.commands, motor._zero, motor._silent_until_s
