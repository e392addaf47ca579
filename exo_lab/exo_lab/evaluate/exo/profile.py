# SPDX-License-Identifier: Apache-2.0
"""Torque over the stride against the profiles validated on people, which no training has seen."""

from __future__ import annotations

import dataclasses

import numpy as np

from exo_lab.evaluate.exo.profile_metrics import CurveFigures, LobeTiming, compare_profiles
from exo_policy.profiles import ANKLE_GENERIC, HIP, TorqueProfile

#: Curve variable and reference by joint; the reference's sign is that of the variable.
REFERENCES: dict[str, TorqueProfile] = {"hip": HIP, "ankle": ANKLE_GENERIC}
#: The lobe that timing is judged by: flexion of the hip, push-off of the ankle; both are positive.
MAIN_LOBE = "positive"
#: Torques below this (Nm/kg) are noise: there is no profile.
LEAST_PEAK_NM_KG = 0.02
POINTS = 100


def variable(joint: str) -> str:
    """Name of the joint's torque in curves.csv."""
    return f"exo_torque_{joint}_Nm_kg"


def reference(joint: str) -> np.ndarray:
    """The validated profile (POINTS,) as a share of its peak, from heel strike."""
    return REFERENCES[joint](np.arange(POINTS) / POINTS)


def compare(joint: str, torque: np.ndarray | None) -> dict[str, float]:
    """Figures of a torque curve (101,) in Nm/kg, 0 to 100 %, by name; those of the cosine begin with cosine_.

    The reference is scaled to fit best by least squares, so that size does not enter. Empty without torque.
    """
    if torque is None or not np.abs(torque).max() >= LEAST_PEAK_NM_KG:
        return {}
    shape = reference(joint)
    ours = np.asarray(torque, dtype=float)[:-1]
    scale = float(ours @ shape / (shape @ shape))
    # a curve that points the other way has no fitting scale: compare it with the reference as it is
    comparison = compare_profiles(ours, shape * (scale if scale > 0.0 else 1.0))
    return {
        **_named(comparison.curve),
        **{f"cosine_{name}": value for name, value in _named(comparison.cosine).items()},
    }


def _named(figures: CurveFigures) -> dict[str, float]:
    named = {
        "r": figures.r,
        "best_lag": figures.best_lag_percent,
        "r_at_best_lag": figures.r_at_best_lag,
        "rmse_scaled": figures.rmse_scaled,
    }
    for lobe in ("positive", "negative"):
        timing: LobeTiming | None = getattr(figures, lobe)
        if timing is not None:
            values = dataclasses.asdict(timing)
            named |= {f"{lobe}_{part}_error": values[f"{part}_error"] for part in ("peak", "onset", "offset")}
    return named
