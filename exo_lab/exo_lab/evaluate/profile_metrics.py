# SPDX-License-Identifier: Apache-2.0
"""How much a torque curve over the stride resembles a reference.

Pearson r alone says little: a plain cosine scores 0.95 against the hip profile and a shift of 3 % of stride
leaves 0.93. So r stands beside timing and amplitude errors, and all of them beside those of the cosine that
fits the reference best.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline

GRID = 1000
"""Points per stride of the comparison: 0.1 % of stride."""

ONSET_SHARE = 0.1
"""A lobe begins and ends where it crosses this share of its own peak."""

LOBE_SHARE = 0.2
"""A curve has a lobe of a sign if it reaches this share of its largest magnitude there."""


@dataclass(frozen=True)
class LobeTiming:
    """Timing of one lobe, percent of stride from heel strike; errors are curve minus reference, -50..50."""

    peak_percent: float
    onset_percent: float
    offset_percent: float
    peak_error: float
    onset_error: float
    offset_error: float


@dataclass(frozen=True)
class CurveFigures:
    """Figures of one curve against a reference.

    ``best_lag_percent`` > 0: the curve is late; ``r_at_best_lag`` after moving it back. ``rmse`` in the
    curve's unit, ``rmse_scaled`` after scaling the reference to fit best by least squares. ``positive`` and
    ``negative`` time the lobes that the reference has; None where it, or the curve, has none.
    """

    r: float
    best_lag_percent: float
    r_at_best_lag: float
    rmse: float
    rmse_scaled: float
    positive: LobeTiming | None
    negative: LobeTiming | None


@dataclass(frozen=True)
class ProfileComparison:
    """The curve's figures and, beside them, those of the cosine that fits the reference best."""

    curve: CurveFigures
    cosine: CurveFigures


def compare_profiles(curve: np.ndarray, reference: np.ndarray) -> ProfileComparison:
    """Compare two curves (N,) and (M,) that sample the stride evenly from 0 % up to, not including, 100 %.

    Curves with 101 points whose last is 100 % belong through ``curve[:-1]``. Same unit and sign, for example
    Nm/kg. Raises ValueError if one is constant, too short or not finite.
    """
    ours, theirs = _resample(curve, "curve"), _resample(reference, "reference")
    return ProfileComparison(_figures(ours, theirs), _figures(best_cosine(theirs), theirs))


def best_cosine(reference: np.ndarray) -> np.ndarray:
    """Mean plus first harmonic of a stride-periodic curve (N,): its least-squares cosine, same grid."""
    spectrum = np.fft.rfft(np.asarray(reference, float))
    spectrum[2:] = 0.0
    return np.fft.irfft(spectrum, len(reference))


def _resample(curve: np.ndarray, name: str) -> np.ndarray:
    curve = np.asarray(curve, float)
    if curve.ndim != 1 or len(curve) < 20:
        raise ValueError(f"{name}: give at least 20 points over the stride, got shape {curve.shape}")
    if not np.isfinite(curve).all():
        raise ValueError(f"{name}: holds NaN or infinity; average strides that have all points")
    if np.ptp(curve) == 0.0:
        raise ValueError(f"{name}: is constant, there is no shape to compare")
    grid = np.linspace(0.0, 1.0, len(curve) + 1)
    return CubicSpline(grid, np.append(curve, curve[0]), bc_type="periodic")(np.arange(GRID) / GRID)


def _figures(curve: np.ndarray, reference: np.ndarray) -> CurveFigures:
    a, b = curve - curve.mean(), reference - reference.mean()
    spectrum = np.fft.rfft(a) * np.conj(np.fft.rfft(b))
    r_by_lag = np.fft.irfft(spectrum, GRID) / (np.linalg.norm(a) * np.linalg.norm(b))
    lag = int(np.argmax(r_by_lag))
    scale = float(curve @ reference / (reference @ reference))
    return CurveFigures(
        r=float(r_by_lag[0]),
        best_lag_percent=_wrapped(100.0 * lag / GRID),
        r_at_best_lag=float(r_by_lag[lag]),
        rmse=float(np.sqrt(np.mean((curve - reference) ** 2))),
        rmse_scaled=float(np.sqrt(np.mean((curve - scale * reference) ** 2))),
        positive=_lobe_timing(curve, reference),
        negative=_lobe_timing(-curve, -reference),
    )


def _lobe_timing(curve: np.ndarray, reference: np.ndarray) -> LobeTiming | None:
    if any(c.max() < LOBE_SHARE * np.abs(c).max() for c in (curve, reference)):
        return None
    ours, theirs = _lobe(curve), _lobe(reference)
    return LobeTiming(*ours, *(_wrapped(a - b) for a, b in zip(ours, theirs, strict=True)))


def _lobe(curve: np.ndarray) -> tuple[float, float, float]:
    """(peak, onset, offset) of the largest positive lobe, percent of stride."""
    peak = int(np.argmax(curve))
    around = np.roll(curve, GRID // 2 - peak)
    low = np.flatnonzero(around <= ONSET_SHARE * curve[peak])
    before, after = low[low < GRID // 2], low[low > GRID // 2]
    start = before[-1] if len(before) else 0
    end = after[0] if len(after) else GRID - 1
    shift = peak - GRID // 2
    return tuple(float((i + shift) % GRID) * 100.0 / GRID for i in (GRID // 2, start, end))


def _wrapped(percent: float) -> float:
    return (percent + 50.0) % 100.0 - 50.0
