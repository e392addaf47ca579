# SPDX-License-Identifier: Apache-2.0
"""Driver of CubeMars AK motors in MIT mode on a CAN bus: every set point is answered, and motors can be zeroed.

A motor is seen from the joint's side, except in frames.
"""

from __future__ import annotations

import math
from collections import deque

from exo_device.drivers.can.bus import FOREIGN_MEMORY_S, CanMotor, Measurement
from exo_device.drivers.can.driver import CanDriver
from exo_device.drivers.can.port import Frame
from exo_device.drivers.cubemars_can.codec import NO_MOTOR_FAULT, MitCommand, MotorFault
from exo_device.drivers.cubemars_can.config import CubemarsConfig, MotorConfig, PlausibilityLimits
from exo_device.timing import Lasting


class PlausibilityCheck:
    """Checks whether what one motor reports can be true.

    Its replies carry no counter and no mode: only the numbers show it.
    """

    def __init__(self, limits: PlausibilityLimits = PlausibilityLimits()) -> None:
        self._limits = limits
        self._last: tuple[float, float, float, float] | None = None
        self._window: tuple[float, float] | None = None
        self._travel = self._path = 0.0
        self._wrong = Lasting(limits.following_s)
        #: (time, motor torque) of the last response_s.
        self._asked: deque[tuple[float, float]] = deque()

    def see(
        self,
        t: float,
        position: float,
        velocity: float,
        applied: float,
        motor_torque: float | None,
        asked_at: float | None = None,
    ) -> MotorFault:
        """Takes in a reply of time t (s).

        Args:
            position, velocity, applied: what the motor reports (rad, rad/s, Nm).
            motor_torque: the one (Nm) that the reply should show; None while the motor is off.
            asked_at: when the motor was asked for this reply (s), t by default. Its numbers may be that old: a host
                that was held up in between must not take what moved meanwhile for a leap.
        """
        found = NO_MOTOR_FAULT
        if self._last is not None:
            t_before, asked_before, position_before, velocity_before = self._last
            duration = max(t - t_before, 0.0)
            fastest = max(abs(velocity), abs(velocity_before))
            reach = self._limits.jump_speed_factor * fastest * max(t - asked_before, 0.0)
            if abs(position - position_before) > self._limits.jump_rad + reach:
                found |= MotorFault.POSITION_JUMP
                self._window = None
            self._travel += velocity * duration
            self._path += abs(velocity) * duration
            found |= self._frozen(t, position)
        self._last = (t, t if asked_at is None else min(asked_at, t), position, velocity)
        return found | self._not_following(t, applied, motor_torque)

    def _frozen(self, t: float, position: float) -> MotorFault:
        if self._window is None or t < self._window[0]:
            self._start_window(t, position)
            return NO_MOTOR_FAULT
        if t - self._window[0] < self._limits.frozen_window_s:
            return NO_MOTOR_FAULT
        residual = abs(position - self._window[1] - self._travel)
        allowed = self._limits.frozen_rad + self._limits.frozen_share * self._path
        self._start_window(t, position)
        return MotorFault.FROZEN if residual > allowed else NO_MOTOR_FAULT

    def _start_window(self, t: float, position: float) -> None:
        self._window = (t, position)
        self._travel = self._path = 0.0

    def _not_following(self, t: float, applied: float, motor_torque: float | None) -> MotorFault:
        differs = False
        if motor_torque is None:
            self._asked.clear()
        else:
            self._asked.append((t, motor_torque))
            while t - self._asked[0][0] > self._limits.response_s:
                self._asked.popleft()
            lowest, highest = min(asked for _, asked in self._asked), max(asked for _, asked in self._asked)
            low = lowest - self._limits.following_nm - self._limits.following_share * abs(lowest)
            high = highest + self._limits.following_nm + self._limits.following_share * abs(highest)
            differs = not (low <= applied <= high or math.isclose(motor_torque, applied))  # also where it is no number
        return MotorFault.NOT_FOLLOWING if self._wrong.see(t, differs) else NO_MOTOR_FAULT


class RepetitionCheck:
    """Checks whether a motor's answer is a new one.

    Replies carry no counter: an old one sent again looks like a joint at rest. Two things give it away, to the last bit
    of the frame. A motor that is told another torque cannot report the same torque, angle and speed as before. And no
    worn joint that is given torque stays within one step of all three fields (0.02 degrees, 0.02 rad/s, 0.03 Nm) for
    long. A joint at rest without torque cannot be told from a stale one, and need not be: nothing pushes it.
    """

    def __init__(self, contradiction_nm: float, contradiction_s: float, longest_s: float | None) -> None:
        """A motor torque (Nm) must show in the replies after contradiction_s; longest_s: see PlausibilityLimits."""
        self._contradiction_nm = contradiction_nm
        self._data = b""
        self._first: float | None = None
        self._contradicted, self._still = Lasting(contradiction_s), Lasting(longest_s)

    def see(self, t: float, data: bytes, motor_torque: float | None) -> bool:
        """Takes in a reply of time t (s). Returns whether the replies repeat an old one.

        Args:
            motor_torque: the one (Nm) that the motor understood last; None while it is off.
        """
        if motor_torque is None or data != self._data:
            self._data, self._first = data, motor_torque
            self._contradicted.end()
            self._still.end()
            return False
        if self._first is None:
            self._first = motor_torque
        contradicted = self._contradicted.see(t, abs(motor_torque - self._first) >= self._contradiction_nm)
        return self._still.see(t, abs(motor_torque) >= self._contradiction_nm) or contradicted


#: A motor may miss a frame: it is told to switch on this many times, and later that it is off this often (s).
ENABLE_REPEATS = 3
DISABLE_PERIOD_S = 0.1
#: Of so many replies in a row this share may be more than were asked for; beyond it two motors answer to one id.
REPLIES_COUNTED, LARGEST_SURPLUS = 100, 0.2
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
        self.map = config.joint_map()
        self.faults = NO_MOTOR_FAULT
        #: Replies that nothing had been asked for: duplicates and late ones.
        self.surplus_replies = 0
        #: Set points that were not answered before the next one.
        self.missed_replies = 0
        self._replies = self._surplus_before = 0
        self._surplus_share = 0.0
        self._foreign_s = -math.inf
        self._limits = limits
        self._check = PlausibilityCheck(limits)
        self._repetition = RepetitionCheck(limits.repeated_nm, limits.repeated_s, limits.standstill_s)
        self._turns = 0.0
        self._raw_position: float | None = None
        self._enables_left = 0
        self._disable_due_s = -DISABLE_PERIOD_S
        self._motor_torque: float | None = None
        self._awaited = 0
        self._heard_s = self._sent_s = now_s
        self._silent_until_s = 0.0

    # --- towards the motor

    def applied_torque(self, torque: float) -> float:
        """Joint torque (Nm) that the motor understands for this motor torque: its range and its steps."""
        return self.map.joint_torque(self.codec.applied_torque(self.map.frame_torque(torque)))

    def frames(self, torque: float, enable: bool, now_s: float) -> list[Frame]:
        """Returns what to send in this cycle. Every frame is answered; a motor that is off is told zero torque."""
        if now_s < self._silent_until_s:
            return []
        self.missed_replies += self._awaited
        self._sent_s = now_s
        if not enable and now_s - self._foreign_s > FOREIGN_MEMORY_S:
            self.faults &= ~MotorFault.FOREIGN_MASTER
        frames = self._frames_on(torque) if enable else self._frames_off(now_s)
        self._awaited = len(frames)
        return frames

    def _frames_on(self, torque: float) -> list[Frame]:
        if self._motor_torque is None:
            self._enables_left = ENABLE_REPEATS
        self._motor_torque = torque
        enable = self.codec.enable()
        if self._enables_left > 0 and enable is not None:
            self._enables_left -= 1
            self._motor_torque = 0.0
            return [enable]
        return [self.codec.command(MitCommand(torque=self.map.frame_torque(torque)))]

    def _frames_off(self, now_s: float) -> list[Frame]:
        frames = [self.codec.idle()]
        if self._motor_torque is not None or now_s >= self._disable_due_s:
            self._disable_due_s = now_s + DISABLE_PERIOD_S
            frames.append(self.codec.disable())
        self._motor_torque = None
        return frames

    def host_fell_silent(self) -> None:
        self.faults |= MotorFault.HOST_SILENT

    def switched_off(self) -> None:
        """Forgets what was found, except a lost zero and another host."""
        self.faults &= MotorFault.POSITION_JUMP | MotorFault.FOREIGN_MASTER

    def foreign_order(self, now_s: float) -> None:
        self._foreign_s = now_s
        self.faults |= MotorFault.FOREIGN_MASTER

    @property
    def has_lost_zero(self) -> bool:
        return MotorFault.POSITION_JUMP in self.faults

    def zero_confirmed(self) -> None:
        self.faults &= ~MotorFault.POSITION_JUMP

    def obstacle(self, now_s: float) -> str:
        if MotorFault.FOREIGN_MASTER in self.faults:
            return f"another program commands the motor of {self.joint} ({self.address}): end it"
        if self._surplus_share > LARGEST_SURPLUS:
            return (
                f"the motor of {self.joint} ({self.address}) answers more often than it is asked "
                f"({100 * self._surplus_share:.0f} % too many replies): do two motors have this id? See `bench scan`"
            )
        return ""

    def off_frames(self) -> list[Frame]:
        """Zero torque, then off: the last words to this motor."""
        return [self.codec.command(MitCommand()), self.codec.disable()]

    def zero_frames(self, now_s: float) -> list[Frame]:
        """Returns what makes the present position the motor's zero; it is left alone until it has stored that."""
        self._silent_until_s = self._heard_s = now_s + ZERO_SILENCE_S
        self._check = PlausibilityCheck(self._limits)
        self._raw_position, self._turns = None, 0.0
        self._awaited = 0
        self.faults &= ~MotorFault.POSITION_JUMP
        return [self.codec.zero()]

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
        self._replies += 1
        if self._replies % REPLIES_COUNTED == 0:
            self._surplus_share = (self.surplus_replies - self._surplus_before) / REPLIES_COUNTED
            self._surplus_before = self.surplus_replies
        position = self.map.joint_position(self._unwrapped(reply.position))
        velocity, torque = self.map.joint_velocity(reply.velocity), self.map.joint_torque(reply.torque)
        self.faults |= self._check.see(now_s, position, velocity, torque, self._motor_torque, self._sent_s)
        understood = None if self._motor_torque is None else self.applied_torque(self._motor_torque)
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

    def is_order(self, frame: Frame) -> bool:
        return self.codec.decode_reply(frame) is None and self.codec.decode_command(frame) is not None

    @property
    def error(self) -> int:
        """The motor's own code, and what was found wrong with it: DeviceState.error."""
        return (self.newest.error if self.newest else 0) | int(self.faults)


class CubemarsDriver(CanDriver):
    """AK motors. A thread of its own asks them at the bus rate, and a guardian process watches the thread."""

    name = "cubemars_can"
    advice = "check power, wiring, id and firmware"
    config: CubemarsConfig

    def largest_torque_nm(self, joint: str) -> float:
        motor = self.config.motors[joint]
        return motor.torque_range_nm * motor.torque_scale * motor.transmission_ratio

    def request_zero(self, joint: str) -> None:
        """Makes the present angle of this joint's motor its zero; it is silent for about a second. Raises
        DriverError while the motors are on."""
        master, _ = self._ready()
        master.request_zero(joint)

    def _make_motors(self, joint_names: tuple[str, ...]) -> list[MotorChannel]:
        now_s, motors = self._steady_s(), self.config.motors
        return [MotorChannel(name, motors[name], now_s, self.config.plausibility) for name in joint_names]

    @property
    def _motor_names(self) -> tuple[str, ...]:
        return tuple(self.config.motors)
