# SPDX-License-Identifier: Apache-2.0
"""The figures of a run, from its curves and strides, with the targets that the walker is held to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from exo_core.joints import SIDES
from exo_lab.report.run_data import CONDITIONS, METABOLIC_POWER
from exo_sim.errors import GaitError
from exo_sim.gait.curves import CurveTable
from exo_sim.gait.scores import score_against_normative, score_against_reference
from exo_sim.measurement import Figure

#: Curve variable by the name that its figure has.
ANGLES = {"hip": "hip_flexion", "knee": "knee_flexion", "ankle": "ankle_dorsiflexion"}
TORQUES = {"hip": "exo_torque_hip_Nm_kg", "ankle": "exo_torque_ankle_Nm_kg"}
VERTICAL_FORCE = "grf_vertical_BW"

#: What the walker is held to at its training speed.
TARGET_SPEED_MPS = 1.25
SPEED_TOLERANCE_MPS = 0.1
LARGEST_RMSE_DEG = 6.0
SMALLEST_FORCE_R = 0.85
#: Speeds are commanded with two digits.
SAME_SPEED_MPS = 5e-3


@dataclass(frozen=True)
class RunOutcome:
    """What a run tells beside its curves and strides."""

    falls: int = 0
    #: Names of the faults that the device had latched when the run ended.
    device_faults: tuple[str, ...] = ()


def run_figures(
    curves: CurveTable, strides: Sequence[Mapping], speed_mps: float, leg_length_m: float, outcome: RunOutcome
) -> list[Figure]:
    """Figures of both conditions and of the difference between them.

    Args:
        curves: of the conditions "unassisted" and "assisted"; a missing one gives NaN, which misses a target.
        strides: records with condition, speed, duration and metabolic_power_per_mass (None where unknown).
        speed_mps: commanded speed.
        leg_length_m: hip height of the wearer, which the reference gait scales with.
    """
    figures = []
    for condition in CONDITIONS:
        own = [stride for stride in strides if stride["condition"] == condition]
        figures += _walking(condition, own, speed_mps)
        figures += _shape(condition, curves, leg_length_m)
        figures.append(Figure(f"metabolic_power_{condition}", _mean(own, METABOLIC_POWER), "W/kg"))
        figures.append(Figure(f"strides_{condition}", len(own), "1"))
    figures.append(Figure("metabolic_power_change", _change(strides), "%"))
    figures += [
        Figure(f"assistance_peak_{joint}", _peak(curves, variable), "Nm/kg") for joint, variable in TORQUES.items()
    ]
    figures.append(Figure.against("falls", outcome.falls, "1", at_most=0))
    figures.append(Figure.against("device_faults", len(outcome.device_faults), "1", at_most=0))
    return figures


def _walking(condition: str, strides: Sequence[Mapping], speed_mps: float) -> list[Figure]:
    name, speed = f"walking_speed_{condition}", _mean(strides, "speed")
    if abs(speed_mps - TARGET_SPEED_MPS) < SAME_SPEED_MPS:
        speed_figure = Figure.against(
            name,
            speed,
            "m/s",
            at_least=TARGET_SPEED_MPS - SPEED_TOLERANCE_MPS,
            at_most=TARGET_SPEED_MPS + SPEED_TOLERANCE_MPS,
        )
    else:
        speed_figure = Figure(name, speed, "m/s")
    return [speed_figure, Figure(f"stride_time_{condition}", _mean(strides, "duration"), "s")]


def _shape(condition: str, curves: CurveTable, leg_length_m: float) -> list[Figure]:
    figures = []
    for joint, variable in ANGLES.items():
        errors = [
            _score(curves, condition, variable, side, score_against_reference, leg_length_m, "rmse") for side in SIDES
        ]
        figures.append(
            Figure.against(f"{joint}_rmse_{condition}", float(np.mean(errors)), "deg", at_most=LARGEST_RMSE_DEG)
        )
    correlations = [
        _score(curves, condition, VERTICAL_FORCE, side, score_against_normative, leg_length_m, "r") for side in SIDES
    ]
    figures.append(
        Figure.against(f"grf_vertical_r_{condition}", float(np.mean(correlations)), "1", at_least=SMALLEST_FORCE_R)
    )
    return figures


def _score(curves: CurveTable, condition, variable, side, score, leg_length_m, figure) -> float:
    try:
        return getattr(score(curves.get(condition, variable, side), leg_length_m), figure)
    except GaitError:  # not walked long enough for a stride, or fallen
        return math.nan


def _peak(curves: CurveTable, variable: str) -> float:
    """Largest mean assistance over the stride, both sides averaged; NaN where the joint is not driven."""
    peaks = []
    for side in SIDES:
        try:
            peaks.append(float(np.nanmax(np.abs(curves.get("assisted", variable, side).mean))))
        except GaitError:
            continue
    return float(np.mean(peaks)) if peaks else math.nan


def _mean(strides: Sequence[Mapping], name: str) -> float:
    values = [stride[name] for stride in strides if stride.get(name) is not None]
    return float(np.mean(values)) if values else math.nan


def _change(strides: Sequence[Mapping]) -> float:
    without, with_assistance = (
        _mean([s for s in strides if s["condition"] == condition], METABOLIC_POWER) for condition in CONDITIONS
    )
    return 100.0 * (with_assistance - without) / without
