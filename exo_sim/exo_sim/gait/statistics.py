# SPDX-License-Identifier: Apache-2.0
"""Running mean and standard deviation of arrays, in bounded memory."""

from __future__ import annotations

import numpy as np


class RunningStatistics:
    """Mean and SD of a stream of equally shaped arrays (Welford 1962), element by element; NaN is skipped.

    Attributes:
        count: how many finite values each element has seen, an array of the stream's shape.
    """

    def __init__(self, shape: tuple[int, ...]):
        self.count = np.zeros(shape)
        self._mean = np.zeros(shape)
        self._squares = np.zeros(shape)

    def add(self, value: np.ndarray) -> None:
        """Take in one array of the stream's shape."""
        value = np.asarray(value, dtype=float)
        seen = np.isfinite(value)
        self.count += seen
        step = np.where(seen, value - self._mean, 0.0)
        self._mean += step / np.maximum(self.count, 1)
        self._squares += step * np.where(seen, value - self._mean, 0.0)

    def merge(self, other: RunningStatistics) -> None:
        """Take in everything that another stream of the same shape has seen (Chan 1979)."""
        total = np.maximum(self.count + other.count, 1)
        delta = other._mean - self._mean
        self._squares += other._squares + delta**2 * self.count * other.count / total
        self._mean += delta * other.count / total
        self.count = self.count + other.count

    def as_array(self) -> np.ndarray:
        """All that is known, (3, ...): counts, means and sums of squares."""
        return np.stack([self.count.astype(float), self._mean, self._squares])

    @classmethod
    def from_array(cls, known: np.ndarray) -> RunningStatistics:
        """The reverse of `as_array`."""
        statistics = cls(known.shape[1:])
        statistics.count = known[0].astype(statistics.count.dtype)
        statistics._mean, statistics._squares = known[1].copy(), known[2].copy()
        return statistics

    @property
    def mean(self) -> np.ndarray:
        """Mean so far; NaN where nothing was seen."""
        return np.where(self.count > 0, self._mean, np.nan)

    @property
    def sd(self) -> np.ndarray:
        """Sample standard deviation (n - 1) so far; NaN below two values."""
        return np.where(self.count > 1, np.sqrt(self._squares / np.maximum(self.count - 1, 1)), np.nan)
