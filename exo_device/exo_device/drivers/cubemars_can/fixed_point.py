# SPDX-License-Identifier: Apache-2.0
"""Numbers as unsigned codes over a range, as in MIT-mode frames (CubeMars AK series driver manual, 5.3)."""

from __future__ import annotations

import math

#: A decoded code may lie a rounding error below itself; this share of a step brings it back to the same code.
ROUNDING = 1e-6


def encode(value: float, low: float, high: float, bits: int) -> int:
    """Code of value, which is limited to low..high. The fraction is cut off, as the motors' own code does.

    Raises ValueError for a number that is not finite: there is no code for it.
    """
    if not math.isfinite(value):
        raise ValueError(f"{value} cannot be sent to a motor")
    limited = min(max(value, low), high)
    return int((limited - low) * ((1 << bits) - 1) / (high - low) + ROUNDING)


def decode(code: int, low: float, high: float, bits: int) -> float:
    """Value of a code."""
    return code * (high - low) / ((1 << bits) - 1) + low


def step(low: float, high: float, bits: int) -> float:
    """Distance between the values of two neighbouring codes."""
    return (high - low) / ((1 << bits) - 1)
