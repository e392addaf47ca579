# SPDX-License-Identifier: Apache-2.0
"""The reference gait at every walking speed, for a batch of people who each have their own size, speed and phase.

Gaits of people of different size are alike at the same dimensionless speed v / sqrt(g L) (Hof 1996, Gait Posture
4:222), so one table serves everybody: it is made for one leg length, and speeds, times and moments are converted.
Below the slowest measured speed the reference fades into quiet standing: amplitudes shrink in proportion to speed.

Beside angles it knows the torque that walking usually takes (an internal model): without it a stiff joint servo would have
to be off by half a radian to push off; with it the servo only corrects. The moments, and the forces under the feet that go
with them, are the measured ones (Schwartz et al. 2008), sagittal at hip, knee and ankle and frontal at the hip.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numba
import numpy as np

from exo_sim.gait.reference import (
    HIP_ADDUCTION_OFFSET_RAD,
    HIP_FLEXION_OFFSET_RAD,
    JOINTS,
    KNEE_MINIMUM_RAD,
    MODEL_LEG_LENGTH_M,
    NormativeGait,
    ReferenceGait,
)

#: Measured internal moment of each joint. Measured extension, plantarflexion and abduction moments are positive,
#: MyoLegs' flexion, dorsiflexion and adduction are: the sign turns.
_MOMENT_OF_JOINT = {
    "hip_flexion": "hip_moment_Nm_kg",
    "hip_adduction": "hip_abduction_moment_Nm_kg",
    "knee_angle": "knee_moment_Nm_kg",
    "ankle_angle": "ankle_moment_Nm_kg",
}
#: Measured ground reaction force in body weights: up and forward.
_FORCES = ("grf_vertical_BW", "grf_fore_aft_BW")
_LEFT_PHASE_SHIFT = 0.5


def joint_moments(speed_mps: float, leg_length_m: float, phase: np.ndarray) -> np.ndarray:
    """Measured joint moments (P, 14) in Nm/kg, signs and order of JOINTS, at phases (P,) from right heel strike.

    Joints without a measured moment stay at 0.
    """
    normative = NormativeGait(speed_mps, leg_length_m)
    moments = np.zeros((len(phase), len(JOINTS)))
    for joint, variable in _MOMENT_OF_JOINT.items():
        for side, shift in (("r", 0.0), ("l", _LEFT_PHASE_SHIFT)):
            percent = 100.0 * ((phase + shift) % 1.0)
            moments[:, JOINTS.index(f"{joint}_{side}")] = -normative.curve(variable, percent).mean
    return moments


def ground_forces(speed_mps: float, leg_length_m: float, phase: np.ndarray) -> np.ndarray:
    """Measured ground reaction forces (P, 4) in body weights at phases (P,) from right heel strike.

    Columns: right up, right forward, left up, left forward.
    """
    normative = NormativeGait(speed_mps, leg_length_m)
    return np.stack(
        [
            normative.curve(variable, 100.0 * ((phase + shift) % 1.0)).mean
            for shift in (0.0, _LEFT_PHASE_SHIFT)
            for variable in _FORCES
        ],
        axis=1,
    )


#: Speeds (m/s) of the table; 0.05 m/s apart, angles differ by less than 0.5 degrees.
BANK_SPEEDS_MPS = np.arange(0.0, 2.2001, 0.05)
_FIRST_SPEED_MPS, _SPEED_STEP_MPS = float(BANK_SPEEDS_MPS[0]), float(BANK_SPEEDS_MPS[1] - BANK_SPEEDS_MPS[0])
#: The slowest measured gait (m/s), for a leg of MODEL_LEG_LENGTH_M.
SLOWEST_GAIT_MPS = 0.5
#: Phases a stride is sampled at.
BANK_NODES = 400
#: Quiet standing (rad), by joint without side; what is not named stands at 0.
STANDING_POSE_RAD = {
    "hip_flexion": HIP_FLEXION_OFFSET_RAD,
    "hip_adduction": HIP_ADDUCTION_OFFSET_RAD,
    "knee_angle": KNEE_MINIMUM_RAD,
}

#: Ground reaction force in quiet standing (body weights): right up, right forward, left up, left forward.
STANDING_FORCES_BW = np.array([0.5, 0.0, 0.5, 0.0])


class _Table(NamedTuple):
    stride_time: np.ndarray  #: (S,) s
    stance: np.ndarray  #: (S,) share of the stride
    angles: np.ndarray  #: (S, BANK_NODES, 14) rad
    rates: np.ndarray  #: (S, BANK_NODES, 14) rad/s
    moments: np.ndarray  #: (S, BANK_NODES, 14) Nm/kg
    forces: np.ndarray  #: (S, BANK_NODES, 4) body weights


@lru_cache(maxsize=1)
def _table() -> _Table:
    phase = np.arange(BANK_NODES) / BANK_NODES
    standing = np.array([STANDING_POSE_RAD.get(joint[:-2], 0.0) for joint in JOINTS])
    rows = []
    for speed in BANK_SPEEDS_MPS:
        gait = ReferenceGait(float(max(speed, SLOWEST_GAIT_MPS)), MODEL_LEG_LENGTH_M)
        share = min(speed / SLOWEST_GAIT_MPS, 1.0)
        rows.append(
            (
                gait.stride_time_s,
                1.0 - share * (1.0 - gait.stance_fraction),
                standing + share * (gait.joint_angles(phase) - standing),
                share * gait.joint_velocities(phase),
                share * joint_moments(gait.speed_mps, MODEL_LEG_LENGTH_M, phase),
                STANDING_FORCES_BW
                + share * (ground_forces(gait.speed_mps, MODEL_LEG_LENGTH_M, phase) - STANDING_FORCES_BW),
            )
        )
    return _Table(*(np.array(column) for column in zip(*rows, strict=True)))


class ReferenceBank:
    """Joint angles, rates, moments, ground forces and stride times over speed and phase, for n walkers.

    Args:
        leg_length_m: (n,) hip heights of the walkers (m); replace single entries through `set_leg_length`.
    """

    def __init__(self, leg_length_m: np.ndarray):
        self._time_scale = np.ones(len(leg_length_m))
        self._length_scale = np.ones(len(leg_length_m))
        for i, length in enumerate(leg_length_m):
            self.set_leg_length(i, length)

    def set_leg_length(self, i: int, leg_length_m: float) -> None:
        """Walker i has this hip height (m) from now on."""
        self._length_scale[i] = leg_length_m / MODEL_LEG_LENGTH_M
        self._time_scale[i] = np.sqrt(self._length_scale[i])

    def stride_time(self, speed: np.ndarray) -> np.ndarray:
        """Stride time (n,) in s at walking speeds (n,) in m/s, clamped to the bank's range."""
        return np.interp(speed / self._time_scale, BANK_SPEEDS_MPS, _table().stride_time) * self._time_scale

    def stance_fraction(self, speed: np.ndarray) -> np.ndarray:
        """Share of the stride (n,) that a foot is on the floor at speeds (n,)."""
        return np.interp(speed / self._time_scale, BANK_SPEEDS_MPS, _table().stance)

    def angles(self, speed: np.ndarray, phase: np.ndarray) -> np.ndarray:
        """Joint angles (n, 14) in rad, order of JOINTS, at speeds (n,) and phases (n,) from right heel strike."""
        return _bilinear(_table().angles, speed / self._time_scale, phase)

    def rates(self, speed: np.ndarray, phase: np.ndarray) -> np.ndarray:
        """Joint rates (n, 14) in rad/s at speeds (n,) and phases (n,)."""
        return _bilinear(_table().rates, speed / self._time_scale, phase) / self._time_scale[:, None]

    def moments(self, speed: np.ndarray, phase: np.ndarray) -> np.ndarray:
        """Joint moments (n, 14) in Nm/kg, signs of JOINTS, at speeds (n,) and phases (n,)."""
        return _bilinear(_table().moments, speed / self._time_scale, phase) * self._length_scale[:, None]

    def forces(self, speed: np.ndarray, phase: np.ndarray) -> np.ndarray:
        """Ground reaction forces (n, 4) in body weights: right up, right forward, left up, left forward."""
        return _bilinear(_table().forces, speed / self._time_scale, phase)


@numba.njit(cache=True, error_model="numpy")
def _bilinear(table, speed, phase):
    """Interpolates table (S, BANK_NODES, K), periodic in phase and clamped in speed."""
    nodes = table.shape[1]
    values = np.empty((speed.shape[0], table.shape[2]))
    for n in range(speed.shape[0]):
        row = min(max((speed[n] - _FIRST_SPEED_MPS) / _SPEED_STEP_MPS, 0.0), table.shape[0] - 1.001)
        column = (phase[n] - np.floor(phase[n])) * nodes
        if not (np.isfinite(row) and np.isfinite(column)):
            values[n] = np.nan
            continue
        i, j = int(row), min(int(column), nodes - 1)
        u, w, k = row - i, column - j, (j + 1) % nodes
        for c in range(table.shape[2]):
            values[n, c] = (1.0 - u) * ((1.0 - w) * table[i, j, c] + w * table[i, k, c]) + u * (
                (1.0 - w) * table[i + 1, j, c] + w * table[i + 1, k, c]
            )
    return values
