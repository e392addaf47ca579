# SPDX-License-Identifier: Apache-2.0
"""Left-right symmetry of scalars and of curves."""

from __future__ import annotations

import math

import numpy as np

from exo_sim.gait.errors import GaitError


def symmetry_index(right: float, left: float) -> float:
    """Symmetry index 200 |r - l| / (r + l), percent (Robinson 1987, J Manipulative Physiol Ther 10:172-176).

    0 is symmetric. NaN where the sum is not positive (the index has no meaning there) or a value is NaN.
    """
    total = right + left
    return 200.0 * abs(right - left) / total if total > 0 else math.nan


def curve_symmetry(right: np.ndarray, left: np.ndarray) -> tuple[float, float]:
    """Symmetry of two stride-normalised curves, each from its own side's heel strike.

    Args:
        right, left: (n,) the same variable of both sides.

    Returns:
        Pearson r between them (NaN for a constant curve) and the RMS difference in their unit.

    Raises:
        GaitError: shapes differ or are not one-dimensional.
    """
    right, left = np.asarray(right, dtype=float), np.asarray(left, dtype=float)
    if right.ndim != 1 or right.shape != left.shape:
        raise GaitError(f"curves must be one-dimensional and equally long, got {right.shape}, {left.shape}")
    difference = float(np.sqrt(np.mean((right - left) ** 2)))
    a, b = right - right.mean(), left - left.mean()
    power = math.sqrt(float(a @ a) * float(b @ b))
    return (float(a @ b) / power if power > 0 else math.nan), difference
