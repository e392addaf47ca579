# SPDX-License-Identifier: Apache-2.0
"""How close an assistance torque profile is to a validated one.

Correlation alone is weak: a plain cosine scores 0.95 against the hip profile, and a shift of 3 % of the
stride leaves 0.93 (ankle) and 0.97 (hip). So timing, size and lag are scored beside it, and the same figures
for the best-fitting cosine tell how much shape there is to score.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from exo_sim.gait.errors import GaitError
from exo_sim.gait.scores import waveform_r

EDGE_SHARE = 0.05  # onset and offset: where a lobe rises above and falls below this share of its peak


@dataclass(frozen=True)
class ProfileScore:
    """A torque profile against a reference; timing in percent of the stride, positive when later.

    Attributes:
        r: Pearson correlation over the stride.
        rmse: RMS difference, Nm/kg.
        peak_error: peak torque minus the reference's, Nm/kg.
        peak_time_error, onset_error, offset_error: of the lobe with the reference's largest absolute torque.
        best_lag: circular shift of the profile that correlates best, positive when it is late.
        r_at_best_lag: correlation once that lag is removed.
    """

    r: float
    rmse: float
    peak_error: float
    peak_time_error: float
    onset_error: float
    offset_error: float
    best_lag: float
    r_at_best_lag: float


def score_profile(torque: np.ndarray, reference: np.ndarray) -> ProfileScore:
    """Compare torque profiles (n,) on evenly spaced phases from 0 to 100 %, both ends included, Nm/kg.

    Raises:
        GaitError: shapes differ, values not finite, or a reference without torque.
    """
    r = waveform_r(torque, reference)
    # the last point is the first one of the next stride
    torque, reference = np.asarray(torque, dtype=float)[:-1], np.asarray(reference, dtype=float)[:-1]
    if not np.abs(reference).max() > 0:
        raise GaitError("the reference profile has no torque")
    sign = math.copysign(1.0, reference[np.abs(reference).argmax()])
    step = 100.0 / len(torque)
    peak, onset, offset = _lobe(sign * torque)
    wanted_peak, wanted_onset, wanted_offset = _lobe(sign * reference)
    lags = np.arange(len(torque))
    correlations = np.array([waveform_r(np.roll(torque, -lag), reference) for lag in lags])
    best = int(np.nanargmax(correlations)) if np.isfinite(correlations).any() else 0
    return ProfileScore(
        r=r,
        rmse=float(np.sqrt(np.mean((torque - reference) ** 2))),
        peak_error=float((sign * torque).max() - (sign * reference).max()),
        peak_time_error=_circular(step * (peak - wanted_peak)),
        onset_error=_circular(step * (onset - wanted_onset)),
        offset_error=_circular(step * (offset - wanted_offset)),
        best_lag=_circular(step * best),
        r_at_best_lag=float(correlations[best]),
    )


def best_cosine(reference: np.ndarray) -> np.ndarray:
    """The least-squares constant plus one cosine per stride for a profile (n,), 0 to 100 % with both ends.

    Raises:
        GaitError: fewer than four points or not one-dimensional.
    """
    reference = np.asarray(reference, dtype=float)
    if reference.ndim != 1 or reference.size < 4:
        raise GaitError(f"a profile must be one-dimensional with at least 4 points, got {reference.shape}")
    angle = 2.0 * np.pi * np.arange(reference.size) / (reference.size - 1)
    basis = np.stack([np.ones_like(angle), np.cos(angle), np.sin(angle)], axis=1)
    weights = np.linalg.lstsq(basis[:-1], reference[:-1], rcond=None)[0]
    return basis @ weights


def _lobe(curve: np.ndarray) -> tuple[int, float, float]:
    """Index of the highest point, and where its lobe begins and ends on the circle (index, may exceed n)."""
    peak = int(curve.argmax())
    if not curve[peak] > 0:
        return peak, math.nan, math.nan
    threshold = EDGE_SHARE * curve[peak]
    around = np.concatenate([curve, curve, curve])
    centre = peak + len(curve)
    below = np.flatnonzero(around <= threshold)
    before, after = below[below < centre], below[below > centre]
    if before.size == 0 or after.size == 0:
        return peak, math.nan, math.nan

    def crossing(low: int, high: int) -> float:
        share = (threshold - around[low]) / (around[high] - around[low])
        return low + share * (high - low) - len(curve)

    return peak, crossing(before[-1], before[-1] + 1), crossing(after[0], after[0] - 1)


def _circular(percent: float) -> float:
    return (percent + 50.0) % 100.0 - 50.0 if math.isfinite(percent) else math.nan
