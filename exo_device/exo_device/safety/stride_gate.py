# SPDX-License-Identifier: Apache-2.0
"""The stride gate says how much of the assistance is given: none until the wearer was seen to walk, then more and more.

With the stride gate the gain rises over two strides once a full stride was sensed, and falls again when the
strides end. Without it the gain rises over a fixed time from arming. With and without it there is no assistance for
somebody who falls or lies.
"""

from __future__ import annotations

import math

from exo_core.time import NANOSECONDS_PER_SECOND
from exo_device.safety.config import SafetyConfig, SafetyError
from exo_device.safety.wearer import StrideLimits, StrideSensor, UprightSensor
from exo_device.signals import DeviceState

#: Assistance is gone this long (s, ROS time) after the strides ended.
FADE_OUT_S = 0.5
#: ... and this long (s) after a fall began to show, which takes some 0.05 s.
FALL_FADE_OUT_S = 0.15
#: Strides without one more, after which the wearer does not walk any longer. Each leg shows one in its turn.
PATIENCE_STRIDES = 1.5
#: A fade over no time at all (s).
AT_ONCE_S = 1e-9


class _Fade:
    """A gain that moves on a straight line in ROS time."""

    def __init__(self) -> None:
        self.hold(0.0)

    def hold(self, gain: float) -> None:
        """Stays at gain."""
        self._gain, self._start_s, self._per_s = gain, 0.0, 0.0

    def towards(self, target: float, start_s: float, duration_s: float, now_s: float) -> None:
        """Moves from the present gain at start_s on, at the speed that takes 0 to 1 in duration_s."""
        self._gain, self._start_s = self.at(now_s), start_s
        self._per_s = (1.0 if target > self._gain else -1.0) / max(duration_s, AT_ONCE_S)

    def at(self, now_s: float) -> float:
        """Gain at this time (s), 0 to 1."""
        return min(1.0, max(0.0, self._gain + self._per_s * max(0.0, now_s - self._start_s)))


class Assistance:
    """The gain of one armed device. Times are ROS time (s)."""

    def __init__(self, config: SafetyConfig, joint_names: tuple[str, ...]) -> None:
        """Raises SafetyError for a gate on a device whose joints show no stride."""
        self._config = config
        self._sensor: StrideSensor | None = None
        if config.stride_gate:
            limits = StrideLimits(
                shortest_s=config.stride_shortest_s,
                longest_s=config.stride_longest_s,
                least_swing_rad=config.stride_least_swing_rad,
                least_shake_m_s2=config.stride_least_shake_m_s2,
            )
            try:
                self._sensor = StrideSensor(joint_names, limits)
            except ValueError as error:
                raise SafetyError(f"{error}; set stride_gate: false, knowing what that means") from error
        self._fade = _Fade()
        self._begin_s = self._last_stride_s = self._patience_s = 0.0
        self._walks = False
        #: How upright the wearer is.
        self.upright = UprightSensor()
        self._was_down = False
        self._news: list[str] = []

    def begin(self, now_ns: int, *, walking: bool = False) -> None:
        """The device has become active.

        walking: the wearer is known to walk with full assistance, as in a simulation that begins in mid-stride.
        """
        now_s = now_ns / NANOSECONDS_PER_SECOND
        self._begin_s = now_s + self._config.fade_delay_s
        self._fade.hold(0.0)
        self._walks = False
        self._was_down = False
        if self._sensor is None:
            self._rise(self._config.fade_in_s, now_s)
        else:
            self._sensor.reset()
        if walking:
            self._walks, self._last_stride_s = self._sensor is not None, now_s
            self._patience_s = self._config.stride_longest_s
            self._fade.hold(1.0)

    def see(self, state: DeviceState) -> None:
        """Takes in a new state of an active device."""
        if self._is_down(state) or self._sensor is None:
            return
        duration_s = self._sensor.see(state)
        if duration_s is None:
            return
        self._last_stride_s = state.stamp_s
        self._patience_s = min(PATIENCE_STRIDES * duration_s, self._config.stride_longest_s)
        if not self._walks:
            self._walks = True
            self._news.append(
                f"a full stride of {duration_s:.2f} s was sensed: assistance fades in over "
                f"{self._config.fade_in_strides:g} strides"
            )
            self._rise(self._config.fade_in_strides * duration_s, state.stamp_s)

    def _is_down(self, state: DeviceState) -> bool:
        """Tells whether the wearer is down: no assistance from a fall on; afterwards it begins as after arming."""
        was_down, self._was_down = self._was_down, self.upright.fallen
        if self._was_down and not was_down:
            self._walks = False
            self._news.append(f"{self._fall}: assistance ends")
            self._fade.towards(0.0, state.stamp_s, FALL_FADE_OUT_S, state.stamp_s)
            if self._sensor is not None:
                self._sensor.reset()
        elif was_down and not self._was_down and self._sensor is None:
            self._rise(self._config.fade_in_s, state.stamp_s)
        return self._was_down

    @property
    def _fall(self) -> str:
        lean, force = math.degrees(self.upright.tilt), self.upright.force
        return f"the wearer falls or bends down (pelvis leans by {lean:.0f} degrees, specific force {force:.1f} m/s^2)"

    def gain(self, now_ns: int) -> float:
        """Factor on the command, 0 to 1."""
        now_s = now_ns / NANOSECONDS_PER_SECOND
        if self._walks and now_s - self._last_stride_s > self._patience_s:
            self._walks = False
            self._news.append(f"no full stride for {self._patience_s:.1f} s: assistance fades out")
            self._fade.towards(0.0, now_s, FADE_OUT_S, now_s)
        return self._fade.at(now_s)

    @property
    def obstacle(self) -> str:
        """Says why there is no assistance, for a person; empty when there is some."""
        if self.upright.fallen:
            return f"no torque: {self._fall}"
        if self._sensor is None or self._walks:
            return ""
        return f"no torque before a full stride: {self._sensor.reason}"

    def pop_news(self) -> list[str]:
        """Log lines since the last call."""
        news, self._news = self._news, []
        return news

    def _rise(self, duration_s: float, now_s: float) -> None:
        self._fade.towards(1.0, max(now_s, self._begin_s), duration_s, now_s)
