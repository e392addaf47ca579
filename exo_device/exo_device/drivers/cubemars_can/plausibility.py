# SPDX-License-Identifier: Apache-2.0
"""Can what a motor reports be true? Its replies carry no counter and no mode: only the numbers show it."""

from __future__ import annotations

import math

from exo_device.drivers.base import Positive, Settings
from exo_device.drivers.cubemars_can.codec import NO_MOTOR_FAULT, MotorFault


class PlausibilityLimits(Settings):
    """How much disagreement is still noise. Joint side: rad, rad/s, Nm, s."""

    #: A step between two replies beyond this, and beyond this multiple of what the reported speeds explain,
    #: is a leap. A walking joint of 10 rad/s moves 0.025 rad from one 400 Hz reply to the next.
    jump_rad: Positive = 0.15
    jump_speed_factor: Positive = 2.0
    #: Over this time the position must move as the reported speed says, but for this angle and this share.
    frozen_window_s: Positive = 0.05
    frozen_rad: Positive = 0.03
    frozen_share: Positive = 0.5
    #: Measured torque may differ by this and by this share of the torque asked for, for this long.
    following_nm: Positive = 2.0
    following_share: Positive = 0.5
    following_s: Positive = 0.1
    #: Replies equal to the last bit contradict a torque that has changed by this since the first of them, once
    #: it has lasted for this time. 15 steps of the torque field of an AK10-9.
    repeated_nm: Positive = 0.5
    repeated_s: Positive = 0.05
    #: Replies equal to the last bit for this long, with more than repeated_nm asked for, are one old reply: no
    #: joint of a person keeps so still under torque. None: they may be; for a joint that is clamped, or while
    #: a simulator that turns emulated motors is paused.
    standstill_s: Positive | None = 0.5


class PlausibilityCheck:
    """Follows one motor's replies."""

    def __init__(self, limits: PlausibilityLimits = PlausibilityLimits()) -> None:
        self._limits = limits
        self._last: tuple[float, float, float, float] | None = None
        self._window: tuple[float, float] | None = None
        self._travel = self._path = 0.0
        self._wrong_since: float | None = None

    def see(
        self,
        t: float,
        position: float,
        velocity: float,
        torque: float,
        asked: float | None,
        asked_at: float | None = None,
    ) -> MotorFault:
        """Takes in a reply of time t (s); asked: the torque it should show, None while the motor is off.

        asked_at: when the motor was asked for this reply (s), t by default. Its numbers may be that old: a
        host that was held up in between must not take what moved meanwhile for a leap.
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
        return found | self._not_following(t, torque, asked)

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

    def _not_following(self, t: float, torque: float, asked: float | None) -> MotorFault:
        if asked is None or math.isclose(asked, torque):
            self._wrong_since = None
            return NO_MOTOR_FAULT
        if abs(torque - asked) <= self._limits.following_nm + self._limits.following_share * abs(asked):
            self._wrong_since = None
        elif self._wrong_since is None:
            self._wrong_since = t
        elif t - self._wrong_since >= self._limits.following_s:
            return MotorFault.NOT_FOLLOWING
        return NO_MOTOR_FAULT
