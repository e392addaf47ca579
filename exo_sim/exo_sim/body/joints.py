# SPDX-License-Identifier: Apache-2.0
"""What is known about MyoLegs' joints without the model: healthy ranges, and which muscle groups oppose each other."""

from __future__ import annotations

from exo_sim.gait.reference import JOINTS

#: Angle of every joint in upright standing (rad).
STANDING_ANGLE_RAD = 0.0
#: Range of the joints in MyoLegs (rad), from Rajagopal et al. 2016; a test compares them with the model.
_RANGES_RAD = {
    "hip_flexion": (-0.5236, 2.0944),
    "hip_adduction": (-0.8727, 0.5236),
    "hip_rotation": (-0.6981, 0.6981),
    "knee_angle": (0.0, 2.0944),
    "ankle_angle": (-0.6981, 0.5236),
    "subtalar_angle": (-0.3491, 0.3491),
    "mtp_angle": (-0.5236, 0.5236),
}
_OPPOSED = {
    "hip_flexion": ("hip_flexors", "hip_extensors"),
    "hip_adduction": ("hip_adductors", "hip_abductors"),
    "knee_angle": ("knee_flexors", "knee_extensors"),
    "ankle_angle": ("dorsiflexors", "plantarflexors"),
}
#: Muscle groups, with their side, that turn a joint one way and the other.
ANTAGONISTS: dict[str, tuple[str, str]] = {
    f"{joint}_{side}": tuple(f"{group}_{side}" for group in groups)
    for side in ("r", "l")
    for joint, groups in _OPPOSED.items()
}


def healthy_range(joint: str) -> tuple[float, float]:
    """Lowest and highest angle (rad) of a joint with its side.

    Raises:
        ValueError: no such joint; says which there are.
    """
    if joint not in JOINTS:
        raise ValueError(f"unknown joint '{joint}'; allowed: {', '.join(JOINTS)}")
    return _RANGES_RAD[joint[:-2]]
