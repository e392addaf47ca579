# SPDX-License-Identifier: Apache-2.0
"""Shape of joint angles, moments and ground reaction force against the norm."""

from __future__ import annotations

from exo_lab.evaluate.realism.group import SpeedGroup
from exo_lab.evaluate.realism.targets import (
    LARGEST_ANGLE_RMSE_DEG,
    SMALLEST_ANGLE_R,
    SMALLEST_FORE_AFT_R,
    SMALLEST_MOMENT_R,
    SMALLEST_VERTICAL_R,
)
from exo_sim.gait.scores import score_against_normative
from exo_sim.measurement import Figure

ANGLES = {"hip": "hip_flexion", "knee": "knee_flexion", "ankle": "ankle_dorsiflexion"}
JOINTS = tuple(ANGLES)
VERTICAL, FORE_AFT = "grf_vertical_BW", "grf_fore_aft_BW"


def angles(group: SpeedGroup) -> list[Figure]:
    """RMSE after removing the mean offset, correlation, and the offset itself (no target) of each joint."""
    figures = []
    for joint, variable in ANGLES.items():
        figures += [
            group.figure(
                f"{joint}_angle_rmse", _scores(group, variable, "rmse_shape"), "deg", at_most=LARGEST_ANGLE_RMSE_DEG
            ),
            group.figure(f"{joint}_angle_r", _scores(group, variable, "r"), "1", at_least=SMALLEST_ANGLE_R[joint]),
            group.figure(f"{joint}_angle_offset", _scores(group, variable, "offset"), "deg"),
        ]
    return figures


def moments(group: SpeedGroup) -> list[Figure]:
    """Correlation of internal moments; the knee's without a target."""
    return [
        _correlation(group, f"{joint}_moment_r", f"{joint}_moment_Nm_kg", SMALLEST_MOMENT_R.get(joint))
        for joint in JOINTS
    ]


def powers(group: SpeedGroup) -> list[Figure]:
    """Correlation of joint powers, without targets."""
    return [_correlation(group, f"{joint}_power_r", f"{joint}_power_W_kg", None) for joint in JOINTS]


def forces(group: SpeedGroup) -> list[Figure]:
    """Correlation of both components of the ground reaction force."""
    return [
        _correlation(group, "grf_vertical_r", VERTICAL, SMALLEST_VERTICAL_R),
        _correlation(group, "grf_fore_aft_r", FORE_AFT, SMALLEST_FORE_AFT_R),
    ]


def _correlation(group: SpeedGroup, name: str, variable: str, at_least: float | None) -> Figure:
    limits = {} if at_least is None else {"at_least": at_least}
    return group.figure(name, _scores(group, variable, "r"), "1", **limits)


def _scores(group: SpeedGroup, variable: str, figure: str) -> list[float]:
    return [
        group.per_side(walk, variable, lambda curve: getattr(score_against_normative(curve, walk.leg_length_m), figure))
        for walk in group.walks
    ]
