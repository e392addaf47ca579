# SPDX-License-Identifier: Apache-2.0
"""The reference gait at every walking speed, for a batch of walkers that each have their own speed and phase."""
from __future__ import annotations

import numpy as np

from exo_sim.gait.reference import ReferenceGait
from exo_sim.human.feedforward import joint_moments

#: Speeds (m/s) between which the reference is interpolated; 0.05 m/s apart, angles differ by less than 0.5 degrees.
BANK_SPEEDS_MPS = np.arange(0.50, 2.0001, 0.05)
#: Phases a stride is sampled at.
BANK_NODES = 400


class ReferenceBank:
    """Joint angles, rates, moments and stride times over speed and phase.

    Args:
        leg_length_m: hip height of the walker (m).
    """

    def __init__(self, leg_length_m: float):
        phase = np.arange(BANK_NODES) / BANK_NODES
        gaits = [ReferenceGait(float(speed), leg_length_m) for speed in BANK_SPEEDS_MPS]
        self._stride_time = np.array([gait.stride_time_s for gait in gaits])
        self._stance = np.array([gait.stance_fraction for gait in gaits])
        self._angles = np.stack([gait.joint_angles(phase) for gait in gaits])
        self._rates = np.stack([gait.joint_velocities(phase) for gait in gaits])
        self._moments = np.stack([joint_moments(gait.speed_mps, leg_length_m, phase) for gait in gaits])

    def stride_time(self, speed: np.ndarray) -> np.ndarray:
        """Stride time (n,) in s at walking speeds (n,) in m/s, clamped to the bank's range."""
        return np.interp(speed, BANK_SPEEDS_MPS, self._stride_time)

    def stance_fraction(self, speed: np.ndarray) -> np.ndarray:
        """Share of the stride (n,) that a foot is on the floor at speeds (n,)."""
        return np.interp(speed, BANK_SPEEDS_MPS, self._stance)

    def angles(self, speed: np.ndarray, phase: np.ndarray) -> np.ndarray:
        """Joint angles (n, 14) in rad, order of JOINTS, at speeds (n,) and phases (n,) from right heel strike."""
        return _bilinear(self._angles, speed, phase)

    def rates(self, speed: np.ndarray, phase: np.ndarray) -> np.ndarray:
        """Joint rates (n, 14) in rad/s at speeds (n,) and phases (n,)."""
        return _bilinear(self._rates, speed, phase)

    def moments(self, speed: np.ndarray, phase: np.ndarray) -> np.ndarray:
        """Joint moments (n, 14) in Nm/kg, signs of JOINTS, at speeds (n,) and phases (n,)."""
        return _bilinear(self._moments, speed, phase)


def _bilinear(table: np.ndarray, speed: np.ndarray, phase: np.ndarray) -> np.ndarray:
    """Interpolates table (S, BANK_NODES, 14), periodic in phase and clamped in speed."""
    step = BANK_SPEEDS_MPS[1] - BANK_SPEEDS_MPS[0]
    row = np.clip((speed - BANK_SPEEDS_MPS[0]) / step, 0.0, len(BANK_SPEEDS_MPS) - 1.001)
    i = row.astype(np.intp)
    u = (row - i)[:, None]
    column = (phase - np.floor(phase)) * BANK_NODES
    j = np.minimum(column.astype(np.intp), BANK_NODES - 1)
    w = (column - j)[:, None]
    k = (j + 1) % BANK_NODES
    return (1.0 - u) * ((1.0 - w) * table[i, j] + w * table[i, k]) \
        + u * ((1.0 - w) * table[i + 1, j] + w * table[i + 1, k])
