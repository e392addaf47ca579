# SPDX-License-Identifier: Apache-2.0
"""Confidence intervals for means, shares and rates."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from exo_sim.measurement.errors import MeasurementError


def mean_interval(samples, level: float = 0.95) -> tuple[float, tuple[float, float]]:
    """Mean and Student-t confidence interval of independent samples.

    Args:
        samples: (n,) independent values, one per seed or run; strides of one run are not independent.
        level: confidence level, between 0 and 1.

    Returns:
        mean and (low, high). NaN limits for a single sample, NaN throughout for none or for NaN samples.

    Raises:
        MeasurementError: samples are not one-dimensional, or the level is not between 0 and 1.
    """
    values = np.asarray(samples, dtype=float)
    if values.ndim != 1:
        raise MeasurementError(f"samples must be one-dimensional, got shape {values.shape}")
    _check_level(level)
    if values.size == 0:
        return math.nan, (math.nan, math.nan)
    mean = float(values.mean())
    if values.size == 1:
        return mean, (math.nan, math.nan)
    half = float(stats.t.ppf(0.5 + level / 2, values.size - 1) * values.std(ddof=1) / math.sqrt(values.size))
    return mean, (mean - half, mean + half)


def share_interval(successes: int, trials: int, level: float = 0.95) -> tuple[float, tuple[float, float]]:
    """Share of successes and its Wilson score interval (Wilson 1927), sound for few trials and for 0 or all.

    Raises:
        MeasurementError: successes not between 0 and trials, no trials, level not between 0 and 1.
    """
    _check_level(level)
    if trials < 1 or not 0 <= successes <= trials:
        raise MeasurementError(f"need 0 <= successes <= trials and at least one trial, got {successes} of {trials}")
    result = stats.binomtest(successes, trials).proportion_ci(level, method="wilson")
    return successes / trials, (float(result.low), float(result.high))


def rate_interval(events: int, exposure: float, level: float = 0.95) -> tuple[float, tuple[float, float]]:
    """Events per unit of exposure (a minute, say) and the exact interval of a Poisson rate (Garwood 1936).

    Raises:
        MeasurementError: a negative number of events, no exposure, level not between 0 and 1.
    """
    _check_level(level)
    if events < 0 or not exposure > 0.0:
        raise MeasurementError(f"need events >= 0 and an exposure above 0, got {events} in {exposure}")
    tail = (1.0 - level) / 2.0
    low = 0.0 if events == 0 else float(stats.chi2.ppf(tail, 2 * events)) / 2.0
    high = float(stats.chi2.ppf(1.0 - tail, 2 * events + 2)) / 2.0
    return events / exposure, (low / exposure, high / exposure)


def _check_level(level: float) -> None:
    if not 0.0 < level < 1.0:
        raise MeasurementError(f"confidence level must be between 0 and 1, got {level}")
