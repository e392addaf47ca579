# SPDX-License-Identifier: Apache-2.0
"""Which curves a report shows, under which titles. Signs and units: exo_sim.gait.variables."""

from __future__ import annotations

from dataclasses import dataclass

from exo_sim.body.muscle_groups import MAIN_GROUP, MUSCLE_GROUPS, OTHER_GROUP


@dataclass(frozen=True)
class Variable:
    """One curve variable and how it is titled."""

    name: str
    title: str
    unit: str


ANGLES = (
    Variable("hip_flexion", "Hip flexion", "deg, + flexion"),
    Variable("knee_flexion", "Knee flexion", "deg, + flexion"),
    Variable("ankle_dorsiflexion", "Ankle dorsiflexion", "deg, + dorsiflexion"),
    Variable("hip_adduction", "Hip adduction", "deg, + adduction"),
    Variable("hip_rotation", "Hip rotation", "deg, + internal"),
    Variable("pelvis_tilt", "Pelvis tilt", "deg, + anterior"),
    Variable("pelvis_obliquity", "Pelvis obliquity", "deg, + this side up"),
    Variable("pelvis_rotation", "Pelvis rotation", "deg, + this side forward"),
)
MOMENTS = (
    Variable("hip_moment_Nm_kg", "Hip", "Nm/kg, + extension"),
    Variable("knee_moment_Nm_kg", "Knee", "Nm/kg, + extension"),
    Variable("ankle_moment_Nm_kg", "Ankle", "Nm/kg, + plantarflexion"),
    Variable("hip_abduction_moment_Nm_kg", "Hip, frontal plane", "Nm/kg, + abductor"),
)
POWERS = (
    Variable("hip_power_W_kg", "Hip", "W/kg, + generation"),
    Variable("knee_power_W_kg", "Knee", "W/kg, + generation"),
    Variable("ankle_power_W_kg", "Ankle", "W/kg, + generation"),
)
FORCES = (
    Variable("grf_vertical_BW", "Vertical force", "body weights"),
    Variable("grf_fore_aft_BW", "Fore-aft force", "body weights, + propulsion"),
)
DEVICE = (
    Variable("exo_torque_hip_Nm_kg", "Torque at the hip", "Nm/kg, + flexion"),
    Variable("exo_torque_knee_Nm_kg", "Torque at the knee", "Nm/kg, + flexion"),
    Variable("exo_torque_ankle_Nm_kg", "Torque at the ankle", "Nm/kg, + plantarflexion"),
    Variable("exo_power_hip_W_kg", "Power at the hip", "W/kg, + onto the body"),
    Variable("exo_power_knee_W_kg", "Power at the knee", "W/kg, + onto the body"),
    Variable("exo_power_ankle_W_kg", "Power at the ankle", "W/kg, + onto the body"),
)
METABOLIC_CURVES = (
    Variable("metabolic_power_W_kg", "Over the stride, Bhargava 2004", "W/kg, gross"),
    Variable("metabolic_power_umberger_W_kg", "Over the stride, Umberger 2010", "W/kg, gross"),
)
#: In the picture at the top.
HEADLINE = (ANGLES[0], ANGLES[1], ANGLES[2], FORCES[0])

ACTIVATION = "activation_"
#: Electrodes of Schwartz et al. 2008 by what exo_sim.gait.variables.EMG_MUSCLES calls them.
EMG_TITLES = {
    "emg_rectus_femoris": "Rectus femoris",
    "emg_medial_hamstrings": "Medial hamstrings",
    "emg_lateral_hamstrings": "Lateral hamstrings",
    "emg_tibialis_anterior": "Tibialis anterior",
    "emg_gastrocnemius_medialis": "Gastrocnemius medialis",
}

GROUP_TITLES = {
    "hip_flexors": "hip flexors",
    "hip_extensors": "hip extensors",
    "hip_abductors": "hip abductors",
    "hip_adductors": "hip adductors",
    "knee_extensors": "knee extensors",
    "knee_flexors": "knee flexors",
    "plantarflexors": "plantarflexors",
    "dorsiflexors": "dorsiflexors",
}


def grouped_muscles(muscles: list[str]) -> dict[str, list[str]]:
    """Muscles (without side) by group title, each once, from hip to foot; without groups that stay empty."""
    groups = {
        title: [m for m in MUSCLE_GROUPS[group] if m in muscles and MAIN_GROUP.get(m, group) == group]
        for group, title in GROUP_TITLES.items()
    }
    placed = {m for group in groups.values() for m in group}
    groups[OTHER_GROUP] = [m for m in muscles if m not in placed]
    return {title: members for title, members in groups.items() if members}
