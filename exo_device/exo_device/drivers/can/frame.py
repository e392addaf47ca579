# SPDX-License-Identifier: Apache-2.0
"""A CAN 2.0 data frame, whatever carries it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Frame:
    """One data frame: identifier (11 bits, or 29 when extended) and up to eight bytes."""

    can_id: int
    data: bytes
    is_extended: bool = False
