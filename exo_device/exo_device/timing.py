# SPDX-License-Identifier: Apache-2.0
"""This module has time on two clocks, how long something lasts, and figures of a loop over its recent past."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np

from exo_core.time import NANOSECONDS_PER_SECOND


class Instant(NamedTuple):
    """One moment on both clocks (ns), handed in with every call, so that what follows from it is deterministic."""

    #: ROS time: sim time in simulation, system time on hardware; may stand still, run fast or jump.
    ros_ns: int
    #: Steady time: never jumps, and means nothing in itself.
    steady_ns: int

    @property
    def ros_s(self) -> float:
        """ROS time (s)."""
        return self.ros_ns / NANOSECONDS_PER_SECOND

    @property
    def steady_s(self) -> float:
        """Steady time (s)."""
        return self.steady_ns / NANOSECONDS_PER_SECOND

    def ros_since(self, earlier: Instant) -> float:
        """ROS time since (s), never negative."""
        return max(0, self.ros_ns - earlier.ros_ns) / NANOSECONDS_PER_SECOND

    def steady_since(self, earlier: Instant) -> float:
        """Steady time since (s), never negative."""
        return max(0, self.steady_ns - earlier.steady_ns) / NANOSECONDS_PER_SECOND


def age_s(now_ns: int, stamp_ns: int) -> float:
    """Age of a stamp (s). /clock may lag a stamp by one message, which is no negative age."""
    return max(0, now_ns - stamp_ns) / NANOSECONDS_PER_SECOND


class Lasting:
    """Tells whether something has held without a break for so long (s); None: nothing lasts long enough."""

    def __init__(self, least_s: float | None) -> None:
        self._least_s = least_s
        self._since_s: float | None = None

    def see(self, t: float, holds: bool) -> bool:
        """Takes in whether it holds at time t (s)."""
        if not holds:
            self.end()
            return False
        if self._since_s is None:
            self._since_s = t
        return self._least_s is not None and t - self._since_s >= self._least_s

    def end(self) -> None:
        """It does not hold any more."""
        self._since_s = None


#: Window of a rate (s, steady time).
RATE_WINDOW_S = 1.0
#: Latencies kept for the percentiles: five seconds at 100 Hz.
LATENCIES_KEPT = 500


class RateMeter:
    """Events per second over the last RATE_WINDOW_S."""

    def __init__(self) -> None:
        self._times: deque[int] = deque()

    def tick(self, now_ns: int) -> None:
        """One event, at steady time now_ns."""
        self._times.append(now_ns)
        self._forget(now_ns)

    def rate_hz(self, now_ns: int) -> float:
        """Rate at steady time now_ns; 0 with fewer than two different times in the window."""
        self._forget(now_ns)
        span_ns = self._times[-1] - self._times[0] if self._times else 0
        return (len(self._times) - 1) * NANOSECONDS_PER_SECOND / span_ns if span_ns else 0.0

    def _forget(self, now_ns: int) -> None:
        while self._times and now_ns - self._times[0] > RATE_WINDOW_S * NANOSECONDS_PER_SECOND:
            self._times.popleft()


class Latencies:
    """Percentiles of the last LATENCIES_KEPT durations."""

    def __init__(self) -> None:
        self._values_ns: deque[int] = deque(maxlen=LATENCIES_KEPT)

    def add(self, duration_ns: int) -> None:
        """One duration (ns)."""
        self._values_ns.append(duration_ns)

    def percentile_ms(self, percent: float) -> float:
        """Returns a percentile of them (ms); NaN before the first one."""
        if not self._values_ns:
            return float("nan")
        return float(np.percentile(np.array(self._values_ns), percent)) * 1e-6
