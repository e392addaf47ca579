# SPDX-License-Identifier: Apache-2.0
"""Time as ROS has it: whole nanoseconds. Float seconds since 1970 could not hold them."""

from __future__ import annotations

from typing import Protocol

NANOSECONDS_PER_SECOND = 1_000_000_000


class Stamp(Protocol):
    """A builtin_interfaces/Time, from whatever library it comes."""

    sec: int
    nanosec: int


def to_ns(seconds: float) -> int:
    """Seconds as whole nanoseconds."""
    return round(seconds * NANOSECONDS_PER_SECOND)


def stamp_ns(stamp: Stamp) -> int:
    """A ROS stamp as whole nanoseconds."""
    return stamp.sec * NANOSECONDS_PER_SECOND + stamp.nanosec
