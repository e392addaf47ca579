# SPDX-License-Identifier: Apache-2.0
"""Curves and strides of a made-up walk, as the simulator would write them."""

import numpy as np

from exo_sim.gait.curves import PHASE_PERCENT, Curve, CurveTable
from exo_sim.gait.reference import JOINTS, NormativeGait, ReferenceGait
from exo_sim.gait.variables import ANGLES

METABOLIC = {"unassisted": 6.0, "assisted": 4.8}


def walk(speed_mps=1.25, leg_length_m=0.9, angle_error_deg=0.0, conditions=("unassisted", "assisted")):
    """(curves, strides): the reference gait off by a constant, normative force, assistance in "assisted"."""
    reference = ReferenceGait(speed_mps, leg_length_m)
    norm = NormativeGait(speed_mps, leg_length_m)
    joints = reference.joint_angles(PHASE_PERCENT / 100.0)
    curves = CurveTable()
    bump = np.exp(-0.5 * ((PHASE_PERCENT - 53.0) / 6.0) ** 2)
    for condition in conditions:
        gain = 1.0 if condition == "assisted" else 0.0
        for side in "rl":
            values = {
                name: np.rad2deg(joints[:, JOINTS.index(f"{joint}_r")]) + offset + angle_error_deg
                for joint, (name, offset) in ANGLES.items()
            }
            values["grf_vertical_BW"] = norm.curve("grf_vertical_BW").mean
            values["exo_torque_ankle_Nm_kg"] = 0.5 * gain * bump
            values["exo_torque_hip_Nm_kg"] = 0.3 * gain * np.sin(2 * np.pi * (PHASE_PERCENT - 40) / 100.0)
            for name, mean in values.items():
                curves.add(
                    Curve(
                        condition,
                        speed_mps,
                        side,
                        name,
                        PHASE_PERCENT,
                        mean,
                        np.full_like(mean, 0.02 * np.ptp(mean)),
                    )
                )
    strides = []
    for number in range(60):
        half = "unassisted" if number < 30 else "assisted"
        if half in conditions:
            strides.append(
                {
                    "condition": half,
                    "side": "rl"[number % 2],
                    "start": 4.0 + 0.55 * number,
                    "end": 4.0 + 0.55 * number + 1.1,
                    "duration": 1.1,
                    "speed": speed_mps,
                    "metabolic_power_per_mass": METABOLIC[half] + 0.1 * (number % 3 - 1),
                }
            )
    return curves, strides
