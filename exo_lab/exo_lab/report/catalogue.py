# SPDX-License-Identifier: Apache-2.0
"""Which curves reports show, under which titles. Signs and units: exo_sim.gait.variables."""

from __future__ import annotations

from collections.abc import Sequence
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
POWERS = tuple(
    Variable(f"{joint}_power_W_kg", joint.capitalize(), "W/kg, + generation") for joint in ("hip", "knee", "ankle")
)
FORCES = (
    Variable("grf_vertical_BW", "Vertical force", "body weights"),
    Variable("grf_fore_aft_BW", "Fore-aft force", "body weights, + propulsion"),
)
#: Sign of a torque of the device by joint.
_TORQUES = {"hip": "flexion", "knee": "flexion", "ankle": "plantarflexion"}
DEVICE_TORQUES = tuple(
    Variable(f"exo_torque_{joint}_Nm_kg", f"Torque at the {joint}", f"Nm/kg, + {sign}")
    for joint, sign in _TORQUES.items()
)
DEVICE_POWERS = tuple(
    Variable(f"exo_power_{joint}_W_kg", f"Power at the {joint}", "W/kg, + onto the body") for joint in _TORQUES
)
METABOLIC_CURVES = (
    Variable("metabolic_power_W_kg", "Over the stride, Bhargava 2004", "W/kg, gross"),
    Variable("metabolic_power_umberger_W_kg", "Over the stride, Umberger 2010", "W/kg, gross"),
)
ACTIVATION = "activation_"


def grouped_muscles(muscles: Sequence[str]) -> dict[str, list[str]]:
    """Muscles (without side) by group title, each once, from hip to foot; without groups that stay empty."""
    groups = {
        group.replace("_", " "): [m for m in own if m in muscles and MAIN_GROUP.get(m, group) == group]
        for group, own in MUSCLE_GROUPS.items()
    }
    placed = {m for group in groups.values() for m in group}
    groups[OTHER_GROUP] = [m for m in muscles if m not in placed]
    return {title: members for title, members in groups.items() if members}
