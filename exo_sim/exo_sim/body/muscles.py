# SPDX-License-Identifier: Apache-2.0
"""MuJoCo's muscle model, outside MuJoCo: what force a muscle would give at full activation and at rest.

The force-length, force-velocity and passive curves are those of MuJoCo's documentation ("Muscle actuators") and
are checked against the engine in the tests.
"""

from __future__ import annotations

from typing import NamedTuple

import mujoco
import numba
import numpy as np


class MuscleCurves(NamedTuple):
    """Parameters of MuJoCo's muscles, each (M,). Lengths are normalised to optimal fibre length."""

    range_low: np.ndarray  #: normalised length at the short end of the length range
    length_low: np.ndarray  #: actuator length there (m)
    optimal_length: np.ndarray  #: optimal fibre length (m)
    force: np.ndarray  #: maximum isometric force (N)
    lmin: np.ndarray  #: normalised length below which active force is zero
    lmax: np.ndarray  #: normalised length above which active force is zero
    vmax: np.ndarray  #: maximum shortening velocity (optimal lengths per second)
    fpmax: np.ndarray  #: passive force at lmax (fraction of force)
    fvmax: np.ndarray  #: active force at the greatest lengthening velocity (fraction of force)


def muscle_curves(model: mujoco.MjModel, count: int) -> MuscleCurves:
    """Reads the parameters of the first `count` actuators, which must be muscles with a positive force."""
    gain = model.actuator_gainprm[:count]
    low, high = model.actuator_lengthrange[:count].T
    optimal = (high - low) / (gain[:, 1] - gain[:, 0])
    return MuscleCurves(
        gain[:, 0].copy(),
        low.copy(),
        optimal,
        gain[:, 2].copy(),
        gain[:, 4].copy(),
        gain[:, 5].copy(),
        gain[:, 6].copy(),
        gain[:, 7].copy(),
        gain[:, 8].copy(),
    )


def normalised_length(curves: MuscleCurves, length: np.ndarray) -> np.ndarray:
    """Fibre length over optimal fibre length for actuator lengths (..., M) in m (rigid tendon)."""
    return curves.range_low + (length - curves.length_low) / curves.optimal_length


@numba.njit(cache=True)
def active_and_passive(curves, m, length, velocity):
    """Force (N, pull positive) of muscle m at full activation, and its passive force.

    Args:
        length, velocity: actuator length (m) and rate (m/s, shortening negative).
    """
    norm = curves.range_low[m] + (length - curves.length_low[m]) / curves.optimal_length[m]
    rate = velocity / (curves.optimal_length[m] * curves.vmax[m])
    lmin, lmax = curves.lmin[m], curves.lmax[m]
    a, b = 0.5 * (lmin + 1.0), 0.5 * (1.0 + lmax)
    if norm < lmin or norm > lmax:
        force_length = 0.0
    elif norm <= a:
        force_length = 0.5 * ((norm - lmin) / (a - lmin)) ** 2
    elif norm <= 1.0:
        force_length = 1.0 - 0.5 * ((1.0 - norm) / (1.0 - a)) ** 2
    elif norm <= b:
        force_length = 1.0 - 0.5 * ((norm - 1.0) / (b - 1.0)) ** 2
    else:
        force_length = 0.5 * ((lmax - norm) / (lmax - b)) ** 2
    y = curves.fvmax[m] - 1.0
    if rate <= -1.0:
        force_velocity = 0.0
    elif rate <= 0.0:
        force_velocity = (rate + 1.0) ** 2
    elif rate <= y:
        force_velocity = curves.fvmax[m] - (y - rate) ** 2 / y
    else:
        force_velocity = curves.fvmax[m]
    if norm <= 1.0:
        passive = 0.0
    elif norm <= b:
        passive = curves.fpmax[m] * 0.5 * ((norm - 1.0) / (b - 1.0)) ** 2
    else:
        passive = curves.fpmax[m] * (0.5 + (norm - b) / (b - 1.0))
    return curves.force[m] * force_length * force_velocity, curves.force[m] * passive


@numba.njit(cache=True)
def all_active_and_passive(curves, length, velocity, active, passive):
    """`active_and_passive` for every muscle: writes (M,) forces in N into the last two arguments."""
    for m in range(length.shape[0]):
        active[m], passive[m] = active_and_passive(curves, m, length[m], velocity[m])
