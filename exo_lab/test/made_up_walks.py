# SPDX-License-Identifier: Apache-2.0
"""Walks that nobody walked: every curve is people's mean at that speed, or that curve changed in one respect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from exo_sim.body.subject import Subject
from exo_sim.gait.curves import Curve, CurveTable
from exo_sim.gait.reference import NormativeGait
from exo_sim.gait.strides import StrideRecorder
from exo_sim.gait.variables import EMG_MUSCLES
from exo_sim.metabolics.models import looney2019
from exo_sim.world.walk import PUSH_DIRECTIONS, WalkResult, WalkTask

LEG_LENGTH_M, DURATION_S = 0.9, 60.0
WALKING = "walking"


@dataclass
class MadeUpWalk:
    """Stands in for WalkResult. `change`: of (variable, side, curve) to another curve; `scalars`: by (name, side)."""

    task: WalkTask
    speed: float
    curves: CurveTable
    scalars: dict[tuple[str, str], float]
    walked_s: float = DURATION_S
    fell: bool = False
    leg_length_m: float = LEG_LENGTH_M
    force_peaks_bw: list[float] = field(default_factory=lambda: [1.1, 1.2])
    drift_rad: float = 0.0

    def scalar(self, name: str, side: str | None = None) -> float:
        return self.scalars[name, side] if side else 0.5 * (self.scalars[name, "r"] + self.scalars[name, "l"])


def made_up_walk(
    commanded: float,
    seed: int = 0,
    change: Callable = lambda variable, side, curve: curve,
    asymmetry: float = 0.0,
    **fields,
) -> MadeUpWalk:
    """A walk like people's mean at a commanded speed (m/s); left lengths, times and angles are smaller by a share."""
    norm = NormativeGait(commanded, LEG_LENGTH_M)
    curves = {variable: norm.curve(variable) for variable in NormativeGait.variables() if "emg" not in variable}
    for emg, heads in EMG_MUSCLES.items():
        curves |= {f"activation_{head}": norm.curve(emg) for head in heads}
    table = CurveTable(
        Curve(
            "walking",
            commanded,
            side,
            variable,
            curve.phase_percent,
            change(variable, side, curve.mean),
            np.zeros(len(curve.mean)),
        )
        for variable, curve in curves.items()
        for side in "rl"
    )
    power = float(looney2019(commanded))
    right = {
        "step_length": norm.step_length_m,
        "stance_time": 0.01 * norm.stance_percent * norm.stride_time_s,
        "stance_percent": norm.stance_percent,
        "cadence": 120.0 / norm.stride_time_s,
        "step_width": 0.1,
        "hip_flexion_max": 0.6,
        "knee_angle_max": 1.0,
        "ankle_angle_max": 0.2,
        "metabolic_power_per_mass": power,
        "metabolic_power_umberger_per_mass": 0.9 * power,
    }
    changed = ("step_length", "stance_time", "hip_flexion_max", "knee_angle_max", "ankle_angle_max")
    scalars = {
        (name, side): value * (1.0 - (asymmetry if side == "l" and name in changed else 0.0))
        for name, value in right.items()
        for side in "rl"
    }
    task = WalkTask(WALKING, Subject(), commanded, seed, DURATION_S)
    return MadeUpWalk(task, fields.pop("speed", commanded), table, scalars, **fields)


def made_up_pushes(falls_from: str = "") -> list[WalkResult]:
    """Two trials from each side; those from `falls_from` fail."""
    return [
        WalkResult(
            WalkTask(WALKING, Subject(), 1.25, seed, DURATION_S, pushed_from=origin),
            4.0 + (0.9 if origin == falls_from else 8.2),
            origin == falls_from,
            "",
            StrideRecorder(75.0),
            LEG_LENGTH_M,
            pushed_s=4.0,
            push_phase=0.1 + 0.4 * seed,
        )
        for origin in PUSH_DIRECTIONS
        for seed in range(2)
    ]
