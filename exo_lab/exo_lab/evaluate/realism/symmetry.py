# SPDX-License-Identifier: Apache-2.0
"""Left against right."""

from __future__ import annotations

from exo_lab.evaluate.realism.group import SpeedGroup
from exo_lab.evaluate.realism.targets import LARGEST_ASYMMETRY_PERCENT
from exo_sim.gait.stride_metrics import symmetry_index
from exo_sim.measurement import Figure

#: Stride figures that are compared, by the name of their symmetry index; angles are the largest of the stride.
MEASURES = {
    "step_length": "step_length",
    "stance_time": "stance_time",
    "hip_peak": "hip_flexion_max",
    "knee_peak": "knee_angle_max",
    "ankle_peak": "ankle_angle_max",
}


def symmetry(group: SpeedGroup) -> list[Figure]:
    """Symmetry index 200 |r - l| / (r + l) of the means of a walk."""
    return [
        group.figure(
            f"asymmetry_{name}",
            [symmetry_index(walk.scalar(scalar, "r"), walk.scalar(scalar, "l")) for walk in group.walks],
            "%",
            at_most=LARGEST_ASYMMETRY_PERCENT,
        )
        for name, scalar in MEASURES.items()
    ]
