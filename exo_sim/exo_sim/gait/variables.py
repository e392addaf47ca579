# SPDX-License-Identifier: Apache-2.0
"""Curve variables of one leg: names, signs and units of Schwartz 2008, computed from MyoLegs' signals.

| variable | from | sign |
|---|---|---|
| pelvis_tilt (deg) | pelvis orientation, + 5.87 | anterior + |
| pelvis_obliquity, pelvis_rotation (deg) | pelvis orientation | this side up, this side forward + |
| hip_flexion (deg) | hip_flexion + 5.87 | flexion + |
| hip_adduction, hip_rotation (deg) | same names | adduction, internal + |
| knee_flexion (deg) | knee_angle | flexion + |
| ankle_dorsiflexion (deg) | ankle_angle | dorsiflexion + |
| grf_vertical_BW, grf_fore_aft_BW | force on the foot over the wearer's weight | up, forward (propulsion) + |
| hip, knee_moment_Nm_kg | minus joint moment over mass | extension + (internal) |
| ankle_moment_Nm_kg | minus joint moment over mass | plantarflexion + (internal) |
| hip_abduction_moment_Nm_kg | minus hip_adduction moment over mass | abductor + (internal) |
| hip, knee, ankle_power_W_kg | sagittal moment times rate over mass | generation + |
| exo_torque_hip_Nm_kg, exo_torque_ankle_Nm_kg | exoskeleton torque over mass | flexion, PLANTARflexion + |
| exo_power_hip_W_kg, exo_power_ankle_W_kg | exoskeleton torque times rate over mass | onto the body + |
| activation_<muscle> | activation, 0 to 1 | |
| metabolic_power_W_kg, metabolic_power_umberger_W_kg | whole body, gross, over mass | |

Plug-in-Gait measures pelvis tilt and hip flexion against the plane through the iliac spines; in MyoLegs that
plane is inclined by 5.87 degrees when the pelvis frame is upright (from the model's ASIS and PSIS sites),
hence the constant. The rest of an offset between model and data is real: people walk with 12 degrees of tilt.
Forward is the stride's direction of travel (``exo_sim.gait.stride_metrics``), pelvis rotation counts from it.
Mass is the wearer's own, without the device. The powers are those of the sagittal plane.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exo_sim.gait.reference import GRAVITY_M_S2
from exo_sim.gait.sample import SampleLayout

DEG = 180.0 / np.pi
ILIAC_PLANE_DEG = 5.87  # MyoLegs sites RASI (0.0095, 0.0181, 0.1285), RPSI (-0.155, 0.035, 0.045) m

# MyoLegs joint: (variable, offset in degrees); any other joint keeps its own name
ANGLES = {
    "hip_flexion": ("hip_flexion", ILIAC_PLANE_DEG),
    "hip_adduction": ("hip_adduction", 0.0),
    "hip_rotation": ("hip_rotation", 0.0),
    "knee_angle": ("knee_flexion", 0.0),
    "ankle_angle": ("ankle_dorsiflexion", 0.0),
}
_MOMENTS = {
    "hip_flexion": "hip_moment_Nm_kg",
    "hip_adduction": "hip_abduction_moment_Nm_kg",
    "knee_angle": "knee_moment_Nm_kg",
    "ankle_angle": "ankle_moment_Nm_kg",
}
_POWERS = {"hip_flexion": "hip_power_W_kg", "knee_angle": "knee_power_W_kg", "ankle_angle": "ankle_power_W_kg"}
# joint: (name in exo_torque_<name>_Nm_kg, sign); any other joint keeps its own name and sign
_EXO = {"hip_flexion": ("hip", 1.0), "knee_angle": ("knee", 1.0), "ankle_angle": ("ankle", -1.0)}

# EMG of Schwartz 2008 and the MyoLegs muscles under that electrode
EMG_MUSCLES = {
    "emg_rectus_femoris": ("recfem",),
    "emg_medial_hamstrings": ("semimem", "semiten"),
    "emg_lateral_hamstrings": ("bflh",),
    "emg_tibialis_anterior": ("tibant",),
    "emg_gastrocnemius_medialis": ("gasmed",),
}


@dataclass(frozen=True)
class Channel:
    """variable = scale * row[first] * (row[second] if second is not None else 1) + offset"""

    variable: str
    first: int
    scale: float = 1.0
    offset: float = 0.0
    second: int | None = None


class SideChannels:
    """All variables of one side ("r" or "l") that a layout has the signals for; body mass in kg.

    Attributes:
        variables: names, in the order of ``values``' columns.
    """

    def __init__(self, layout: SampleLayout, side: str, body_mass: float):
        channels = (
            _body(layout, side, body_mass)
            + _joints(layout, side, body_mass)
            + _exoskeleton(layout, side, body_mass)
            + [
                Channel(f"activation_{name[:-2]}", layout.index("activation", name))
                for name in layout.names["activation"]
                if name.endswith(f"_{side}")
            ]
        )
        self.variables = tuple(channel.variable for channel in channels)
        self._first = np.array([channel.first for channel in channels])
        # a column of ones is appended to the rows for channels that are not products
        self._second = np.array([len(layout) if channel.second is None else channel.second for channel in channels])
        self._scale = np.array([channel.scale for channel in channels])
        self._offset = np.array([channel.offset for channel in channels])

    def values(self, rows: np.ndarray) -> np.ndarray:
        """Packed rows (n, len(layout)) -> variables (n, len(variables))."""
        rows = np.concatenate([rows, np.ones((len(rows), 1))], axis=1)
        return rows[:, self._first] * rows[:, self._second] * self._scale + self._offset


def _body(layout: SampleLayout, side: str, body_mass: float) -> list[Channel]:
    weight = body_mass * GRAVITY_M_S2
    right = 1.0 if side == "r" else -1.0
    return [
        Channel("pelvis_tilt", layout.index("pelvis", "tilt"), DEG, ILIAC_PLANE_DEG),
        Channel("pelvis_obliquity", layout.index("pelvis", "obliquity"), -right * DEG),
        Channel("pelvis_rotation", layout.index("pelvis", "rotation"), right * DEG),
        Channel("grf_vertical_BW", layout.index("grf", side, 2), 1.0 / weight),
        Channel("grf_fore_aft_BW", layout.index("grf", side, 0), 1.0 / weight),
        Channel("metabolic_power_W_kg", layout.index("metabolic_power"), 1.0 / body_mass),
        Channel("metabolic_power_umberger_W_kg", layout.index("metabolic_power_umberger"), 1.0 / body_mass),
    ]


def _joints(layout: SampleLayout, side: str, body_mass: float) -> list[Channel]:
    channels = []
    for joint in (name[:-2] for name in layout.names["joint_angle"] if name.endswith(f"_{side}")):
        variable, offset = ANGLES.get(joint, (joint, 0.0))
        channels.append(Channel(variable, layout.index("joint_angle", f"{joint}_{side}"), DEG, offset))
    for joint in (name[:-2] for name in layout.names["joint_moment"] if name.endswith(f"_{side}")):
        moment = layout.index("joint_moment", f"{joint}_{side}")
        if joint in _MOMENTS:
            channels.append(Channel(_MOMENTS[joint], moment, -1.0 / body_mass))
        if joint in _POWERS and ("joint_velocity", f"{joint}_{side}") in layout:
            rate = layout.index("joint_velocity", f"{joint}_{side}")
            channels.append(Channel(_POWERS[joint], moment, 1.0 / body_mass, second=rate))
    return channels


def _exoskeleton(layout: SampleLayout, side: str, body_mass: float) -> list[Channel]:
    channels = []
    for joint in (name[:-2] for name in layout.names["exo_torque"] if name.endswith(f"_{side}")):
        torque = layout.index("exo_torque", f"{joint}_{side}")
        name, sign = _EXO.get(joint, (joint, 1.0))
        channels.append(Channel(f"exo_torque_{name}_Nm_kg", torque, sign / body_mass))
        if ("joint_velocity", f"{joint}_{side}") in layout:
            rate = layout.index("joint_velocity", f"{joint}_{side}")
            channels.append(Channel(f"exo_power_{name}_W_kg", torque, 1.0 / body_mass, second=rate))
    return channels
