# SPDX-License-Identifier: Apache-2.0
"""Time as ROS has it: whole nanoseconds."""

from __future__ import annotations

NANOSECONDS_PER_SECOND = 1_000_000_000


def to_ns(seconds: float) -> int:
    """Seconds as whole nanoseconds."""
    return round(seconds * NANOSECONDS_PER_SECOND)
