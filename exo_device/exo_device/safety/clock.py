# SPDX-License-Identifier: Apache-2.0
"""The two clocks of the supervisor, handed in with every call so that it is deterministic."""

from __future__ import annotations

from typing import NamedTuple

from exo_device.state import NANOSECONDS_PER_SECOND


class Instant(NamedTuple):
    """One moment on both clocks (ns)."""

    #: ROS time: sim time in simulation, system time on hardware; may stand still, run fast or jump.
    ros_ns: int
    #: Steady time: never jumps, and means nothing in itself.
    steady_ns: int

    def ros_since(self, earlier: Instant) -> float:
        """ROS time since (s), never negative."""
        return max(0, self.ros_ns - earlier.ros_ns) / NANOSECONDS_PER_SECOND

    def steady_since(self, earlier: Instant) -> float:
        """Steady time since (s), never negative."""
        return max(0, self.steady_ns - earlier.steady_ns) / NANOSECONDS_PER_SECOND


def age_s(now_ns: int, stamp_ns: int) -> float:
    """Age of a stamp (s). /clock may lag a stamp by one message, which is no negative age."""
    return max(0, now_ns - stamp_ns) / NANOSECONDS_PER_SECOND
