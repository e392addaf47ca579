# SPDX-License-Identifier: Apache-2.0
"""One motor as the bus master sees it: what to send it, and what it said last. Joint side, except frames."""

from __future__ import annotations

import math

from exo_device.drivers.can.frame import Frame
from exo_device.drivers.can.motor import CanMotor, Measurement
from exo_device.drivers.cubemars_can.codec import MitCommand
from exo_device.drivers.cubemars_can.config import MotorConfig
from exo_device.drivers.cubemars_can.joint_map import JointMap
from exo_device.drivers.cubemars_can.motor_fault import NO_MOTOR_FAULT, MotorFault
from exo_device.drivers.cubemars_can.plausibility import PlausibilityCheck, PlausibilityLimits
from exo_device.drivers.cubemars_can.repetition import RepetitionCheck

#: A motor may miss a frame: it is told to switch on this many times, and later that it is off this often (s).
ENABLE_REPEATS = 3
DISABLE_PERIOD_S = 0.1
#: A motor that stores its zero does not answer for about this long (s).
ZERO_SILENCE_S = 1.5


class MotorChannel(CanMotor):
    """State of one motor on the bus."""

    def __init__(
        self, joint: str, config: MotorConfig, now_s: float, limits: PlausibilityLimits = PlausibilityLimits()
    ) -> None:
        self.joint = joint
        self.id, self.address = config.id, f"id {config.id}"
        self.codec = config.codec()
        self.map = JointMap.of(config)
        self.faults = NO_MOTOR_FAULT
        #: Replies that nothing had been asked for: duplicates and late ones.
        self.surplus_replies = 0
        #: Set points that were not answered before the next one.
        self.missed_replies = 0
        self._limits = limits
        self._check = PlausibilityCheck(limits)
        self._repetition = RepetitionCheck(limits.repeated_nm, limits.repeated_s, limits.standstill_s)
        self._turns = 0.0
        self._raw_position: float | None = None
        self._enables_left = 0
        self._disable_due_s = -DISABLE_PERIOD_S
        self._asked: float | None = None
        self._awaited = 0
        self._heard_s = self._sent_s = now_s
        self._silent_until_s = 0.0

    # --- towards the motor

    def applied_torque(self, torque: float) -> float:
        """Joint torque (Nm) that the motor understands when asked for this one: its range and its steps."""
        return self.map.joint_torque(self.codec.applied_torque(self.map.motor_torque(torque)))

    def frames(self, torque: float, enable: bool, now_s: float) -> list[Frame]:
        """What to send in this cycle. Every frame is answered; switched off, zero torque is asked for."""
        if now_s < self._silent_until_s:
            return []
        self.missed_replies += self._awaited
        self._sent_s = now_s
        frames = self._frames_on(torque) if enable else self._frames_off(now_s)
        self._awaited = len(frames)
        return frames

    def _frames_on(self, torque: float) -> list[Frame]:
        if self._asked is None:
            self._enables_left = ENABLE_REPEATS
        self._asked = torque
        enable = self.codec.enable()
        if self._enables_left > 0 and enable is not None:
            self._enables_left -= 1
            self._asked = 0.0
            return [enable]
        return [self.codec.command(MitCommand(torque=self.map.motor_torque(torque)))]

    def _frames_off(self, now_s: float) -> list[Frame]:
        frames = [self.codec.idle()]
        if self._asked is not None or now_s >= self._disable_due_s:
            self._disable_due_s = now_s + DISABLE_PERIOD_S
            frames.append(self.codec.disable())
        self._asked = None
        return frames

    def host_fell_silent(self) -> None:
        self.faults |= MotorFault.HOST_SILENT

    def switched_off(self) -> None:
        """Forgets what was found, except a lost zero."""
        self.faults &= MotorFault.POSITION_JUMP

    def off_frames(self) -> list[Frame]:
        """Zero torque, then off: the last words to this motor."""
        return [self.codec.command(MitCommand()), self.codec.disable()]

    def zero_frame(self, now_s: float) -> Frame:
        """Makes the present position the motor's zero; it is left alone until it has stored that."""
        self._silent_until_s = self._heard_s = now_s + ZERO_SILENCE_S
        self._check = PlausibilityCheck(self._limits)
        self._raw_position, self._turns = None, 0.0
        self._awaited = 0
        return self.codec.zero()

    # --- from the motor

    def take(self, frame: Frame, now_s: float, now_ns: int) -> bool:
        """Takes in a frame if it is this motor's reply."""
        reply = self.codec.decode_reply(frame)
        if reply is None:
            return False
        self._heard_s = max(self._heard_s, now_s)
        if self._awaited > 0:
            self._awaited -= 1
        else:
            self.surplus_replies += 1
        position = self.map.joint_position(self._unwrapped(reply.position))
        velocity, torque = self.map.joint_velocity(reply.velocity), self.map.joint_torque(reply.torque)
        self.faults |= self._check.see(now_s, position, velocity, torque, self._asked, self._sent_s)
        understood = None if self._asked is None else self.applied_torque(self._asked)
        if self._repetition.see(now_s, frame.data, understood):
            self.faults |= MotorFault.FROZEN
        self.newest = Measurement(now_s, now_ns, position, velocity, torque, reply.temperature, math.nan, reply.error)
        return True

    def _unwrapped(self, raw: float) -> float:
        """Output angle without the leap at the ends of the position field."""
        if self._raw_position is not None:
            step = raw - self._raw_position
            if abs(step) > 0.5 * self.codec.position_span:
                self._turns -= 1.0 if step > 0.0 else -1.0
        self._raw_position = raw
        return raw + self._turns * self.codec.position_span

    def silence_s(self, now_s: float) -> float:
        """Time (s) since the motor was heard, or since it was first asked."""
        return now_s - self._heard_s

    def is_echo(self, frame: Frame) -> bool:
        """Whether frame is what a host sends to this motor, and no reply: some buses return what was sent."""
        return self.codec.decode_reply(frame) is None and self.codec.decode_command(frame) is not None

    @property
    def error(self) -> int:
        """What DeviceState.error says of this motor."""
        return (self.newest.error if self.newest else 0) | int(self.faults)
