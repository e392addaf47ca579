# SPDX-License-Identifier: Apache-2.0
"""Curves over the stride that grow while a person walks: what has been swept last, at every percent."""

from __future__ import annotations

import numpy as np

#: Points of a curve: 0, 1, ... 100 percent of the stride.
POINTS = 101
#: A phase that goes back by more than this opens a new stride; less is measurement.
NEW_STRIDE = 0.5
#: A phase that leaps ahead by more than this is not bridged: samples are missing.
LONGEST_GAP = 0.2


class StrideCurve:
    """One signal of one side over its stride; the present stride writes over the one before."""

    def __init__(self):
        self.values = np.full(POINTS, np.nan)
        self._phase = self._value = np.nan

    def add(self, phase: float, value: float) -> None:
        """Take a value at a phase from 0 to 1. Values that are not finite break the curve."""
        if not (np.isfinite(phase) and np.isfinite(value) and 0.0 <= phase <= 1.0):
            self._phase = self._value = np.nan
            return
        before, first = self._phase, self._value
        if before - phase > NEW_STRIDE:
            before -= 1.0
        if 0.0 < phase - before <= LONGEST_GAP:
            where = np.arange(np.ceil(100.0 * before), np.floor(100.0 * phase) + 1.0)
            filled = first + (value - first) * (where / 100.0 - before) / (phase - before)
            self.values[where.astype(int) % (POINTS - 1)] = filled
            self.values[-1] = self.values[0]
        self._phase, self._value = phase, value

    def clear(self) -> None:
        """Forget everything."""
        self.__init__()
