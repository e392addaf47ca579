# SPDX-License-Identifier: Apache-2.0
"""The last seconds of several signals."""

from __future__ import annotations

from collections import deque

import numpy as np


class TimeTrace:
    """Rows of values over time, those of the last seconds.

    Args:
        width: values in a row.
        window_s: what is older is dropped (s).
    """

    def __init__(self, width: int, window_s: float):
        self._width, self._window_s = width, window_s
        self._rows: deque[tuple[float, np.ndarray]] = deque()

    def add(self, time_s: float, values: np.ndarray) -> None:
        """Take a row (width,) of a time; time that goes back begins anew, the same time is left aside."""
        if self._rows and time_s <= self._rows[-1][0]:
            if time_s == self._rows[-1][0]:
                return
            self._rows.clear()
        self._rows.append((time_s, np.array(values, dtype=float)))
        while self._rows[0][0] < time_s - self._window_s:
            self._rows.popleft()

    def columns(self) -> tuple[np.ndarray, np.ndarray]:
        """Times (N,) in s, and values (N, width). At least two rows: NaN where there is nothing yet."""
        if len(self._rows) < 2:
            return np.array([0.0, self._window_s]), np.full((2, self._width), np.nan)
        times, rows = zip(*self._rows)
        return np.array(times), np.array(rows)
