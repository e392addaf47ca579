# SPDX-License-Identifier: Apache-2.0
"""Torque that walking usually takes, known to the body before any error shows (an internal model).

Without it a stiff joint servo would have to be off by half a radian to push off; with it the servo only corrects.
The moments and the forces under the feet that go with them are the measured ones (Schwartz et al. 2008), sagittal at hip, knee and ankle and frontal at the hip.
"""

from __future__ import annotations

import numpy as np

from exo_sim.gait.normative import NormativeGait
from exo_sim.gait.reference import JOINTS

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
