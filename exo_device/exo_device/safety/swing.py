# SPDX-License-Identifier: Apache-2.0
"""Swings of one joint to and fro, found in a stream of its angles."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

#: A swing counts when it covers this share of what the joint has moved lately: the ankle's small
#: plantarflexion after heel strike and the knee's stance flexion are a third to a half of their joint's range
#: in walking, and no strides (Winter 1991, The Biomechanics and Motor Control of Human Gait).
SHARE_OF_RANGE = 0.65
#: The range is kept in parts of this length (s).
BIN_S = 0.1


class Cycle(NamedTuple):
    """From one turning point at the top to the next."""

    start_s: float
    end_s: float
    #: Smaller one of the ways down and up again (rad).
    swing_rad: float


class RecentRange:
    """Lowest and highest value of the last window_s."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._bins: deque[list[float]] = deque()

    def add(self, t: float, value: float) -> None:
        """One value at time t (s)."""
        if self._bins and t - self._bins[-1][0] < BIN_S:
            last = self._bins[-1]
            last[1], last[2] = min(last[1], value), max(last[2], value)
        else:
            self._bins.append([t, value, value])
        while t - self._bins[0][0] > self._window_s:
            self._bins.popleft()

    @property
    def span(self) -> float:
        """Highest less lowest; 0 before the first value."""
        if not self._bins:
            return 0.0
        return max(part[2] for part in self._bins) - min(part[1] for part in self._bins)


class SwingTracker:
    """Finds a joint's turning points. A turn shows once the joint has come back by a whole swing.

    least_rad: a smaller motion is no swing. window_s: what counts as lately.
    """

    def __init__(self, least_rad: float, window_s: float) -> None:
        self._least = least_rad
        self._range = RecentRange(window_s)
        self._is_rising = True
        self._extreme: tuple[float, float] | None = None
        self._top: tuple[float, float] | None = None
        self._bottom: tuple[float, float] | None = None

    @property
    def range_rad(self) -> float:
        """How far the joint has moved lately (rad)."""
        return self._range.span

    @property
    def last_top_s(self) -> float | None:
        """When the joint last turned at the top (s)."""
        return self._top[0] if self._top else None

    def see(self, t: float, angle: float) -> Cycle | None:
        """Takes in an angle (rad) at time t (s). Returns the cycle whose second top has just shown."""
        self._range.add(t, angle)
        if self._extreme is None:
            self._extreme = (t, angle)
            return None
        beyond = angle - self._extreme[1] if self._is_rising else self._extreme[1] - angle
        if beyond >= 0.0:
            self._extreme = (t, angle)
            return None
        if -beyond < self._swing_needed():
            return None
        turn, self._extreme = self._extreme, (t, angle)
        self._is_rising = not self._is_rising
        return self._turned(turn, at_top=not self._is_rising)

    def _swing_needed(self) -> float:
        return max(self._least, SHARE_OF_RANGE * self._range.span)

    def _turned(self, turn: tuple[float, float], *, at_top: bool) -> Cycle | None:
        if not at_top:
            self._bottom = turn
            return None
        before, self._top = self._top, turn
        if before is None:
            return None
        swing = min(before[1], turn[1]) - self._bottom[1]
        # the first turns were found when little of the range was known
        return Cycle(before[0], turn[0], swing) if swing >= self._swing_needed() else None
