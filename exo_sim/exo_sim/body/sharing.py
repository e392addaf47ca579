# SPDX-License-Identifier: Apache-2.0
"""Shares the joint torques of a leg out to its muscles: the optimisation inside muscle coordination.

    min over 0 <= a <= 1 of   1/2 |a|^2 + w/2 |A a - tau|^2

The dual of this box-constrained problem has one unknown y per joint: a = clip(A'y, 0, 1), y/w + A a = tau. It is
smooth and convex in y, so a semismooth Newton method with a line search always converges; once it knows which
muscles are at a bound, one step is exact.
"""

from __future__ import annotations

import numba
import numpy as np

#: Weight w of a torque error against squared activation (1/(Nm)^2): 1 Nm missing weighs as 0.45 of activation.
TORQUE_WEIGHT = 0.2
NEWTON_ITERATIONS = 30
LINE_SEARCH_ITERATIONS = 12
#: The dual's gradient, a torque, at which the solution is good enough; activations are then right to 1e-4.
TORQUE_TOLERANCE_NM = 1e-3

# Sums may be taken in any order, so that they run in vector registers. Not-a-number stays what it is.
_VECTORISED = {"reassoc", "contract", "arcp", "nsz"}


@numba.njit(cache=True, error_model="numpy", fastmath=_VECTORISED)
def share(arms, torque, activation):
    """Solves the problem of one leg.

    Newton steps on the dual with an exact line search: along a line the dual's slope is piecewise linear in the
    step, so its root costs a few passes over the muscles. Without it, torques that the muscles cannot make (most
    muscles at a bound, a nearly flat dual) would need hundreds of halved steps.

    Args:
        arms: (J, K) torque of each muscle at full activation (Nm).
        torque: (J,) wanted (Nm).
        activation: (K,) receives the activations.
    """
    joints, count = arms.shape
    y, gradient, step = np.zeros(joints), np.empty(joints), np.empty(joints)
    hessian = np.empty((joints, joints))
    z, dz = np.zeros(count), np.empty(count)  # A'y, and its change along the step
    free = np.ones(count)  # at y = 0 every z is 0: all count as free, or no step is seen
    activation[:] = 0.0
    for _ in range(NEWTON_ITERATIONS):
        worst = 0.0
        for i in range(joints):
            total = y[i] / TORQUE_WEIGHT - torque[i]
            for k in range(count):
                total += arms[i, k] * activation[k]
            gradient[i] = total
            worst = max(worst, abs(total))
        if worst < TORQUE_TOLERANCE_NM:
            break
        for i in range(joints):
            for k in range(count):
                dz[k] = arms[i, k] * free[k]
            for j in range(i + 1):
                total = 1.0 / TORQUE_WEIGHT if i == j else 0.0
                for k in range(count):
                    total += dz[k] * arms[j, k]
                hessian[i, j] = total
        for i in range(joints):
            step[i] = -gradient[i]
        _solve_positive_definite(hessian, step)
        dz[:] = 0.0
        for i in range(joints):
            for k in range(count):
                dz[k] += arms[i, k] * step[i]
        scale = _line_minimum(y, step, torque, z, dz)
        for i in range(joints):
            y[i] += scale * step[i]
        for k in range(count):
            z[k] += scale * dz[k]
            activation[k] = min(max(z[k], 0.0), 1.0)
            free[k] = 1.0 if 0.0 < z[k] < 1.0 else 0.0


@numba.njit(inline="always")
def _slope(scale, constant, linear, z, dz):
    """Slope of the dual at this share of the step."""
    slope = constant + scale * linear
    for k in range(z.shape[0]):
        slope += dz[k] * min(max(z[k] + scale * dz[k], 0.0), 1.0)
    return slope


@numba.njit(cache=True, error_model="numpy", fastmath=_VECTORISED)
def _line_minimum(y, step, torque, z, dz):
    """Share of the step at which the dual is least, by regula falsi with the Illinois weighting."""
    constant, linear = 0.0, 0.0
    for i in range(y.shape[0]):
        constant += step[i] * (y[i] / TORQUE_WEIGHT - torque[i])
        linear += step[i] * step[i] / TORQUE_WEIGHT
    low, slope_low = 0.0, _slope(0.0, constant, linear, z, dz)
    high, slope_high = 1.0, _slope(1.0, constant, linear, z, dz)
    for _ in range(LINE_SEARCH_ITERATIONS):
        if slope_high >= 0.0:
            break
        low, slope_low = high, slope_high
        high *= 2.0
        slope_high = _slope(high, constant, linear, z, dz)
    if slope_high <= 1e-9 * abs(constant):
        return high
    middle = high
    target = 1e-3 * abs(constant)
    for _ in range(LINE_SEARCH_ITERATIONS):
        middle = high - slope_high * (high - low) / (slope_high - slope_low)
        slope = _slope(middle, constant, linear, z, dz)
        if abs(slope) < target:
            break
        if slope > 0.0:
            high, slope_high = middle, slope
            slope_low *= 0.5
        else:
            low, slope_low = middle, slope
            slope_high *= 0.5
    return middle


@numba.njit(cache=True, error_model="numpy")
def _solve_positive_definite(matrix, x):
    """Solves matrix x = x by Cholesky, in place; reads the lower triangle and overwrites it."""
    n = x.shape[0]
    for i in range(n):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = np.sqrt(total) if i == j else total / matrix[j, j]
    for i in range(n):
        for k in range(i):
            x[i] -= matrix[i, k] * x[k]
        x[i] /= matrix[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            x[i] -= matrix[k, i] * x[k]
        x[i] /= matrix[i, i]
