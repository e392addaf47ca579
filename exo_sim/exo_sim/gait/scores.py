# SPDX-License-Identifier: Apache-2.0
"""How close a measured curve is to a reference curve: offset and shape apart.

Laboratories disagree by 1.4 to 3.4 degrees in the offset of joint angles and by 1 to 3 degrees in their
shape, so offset, RMSE after removing it and waveform correlation are three figures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from exo_sim.errors import GaitError
from exo_sim.gait.curves import Curve
from exo_sim.gait.reference import JOINTS, MODEL_LEG_LENGTH_M, NormativeGait, ReferenceGait
from exo_sim.gait.variables import ANGLES

ACTIVE_SHARE = 0.30  # a muscle counts as on above this share of its range in the stride


@dataclass(frozen=True)
class CurveScore:
    """Comparison of a curve with a reference, in the curve's unit.

    Attributes:
        rmse: root mean square difference.
        offset: mean of the curve minus mean of the reference.
        rmse_shape: root mean square difference after the offset is removed.
        r: Pearson correlation over the stride (coefficient of waveform similarity); NaN for a constant.
        within_2sd: share of the stride, 0 to 1, on which the curve lies within 2 SD of the reference; NaN if
            the reference has no SD.
    """

    rmse: float
    offset: float
    rmse_shape: float
    r: float
    within_2sd: float = math.nan


def waveform_r(curve: np.ndarray, reference: np.ndarray) -> float:
    """Pearson correlation of two curves (n,); NaN if one is constant.

    Raises:
        GaitError: shapes differ, fewer than three points, or values that are not finite.
    """
    curve, reference = _pair(curve, reference)
    a, b = curve - curve.mean(), reference - reference.mean()
    power = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / power if power > 0 else math.nan


def score_curve(curve: np.ndarray, reference: np.ndarray, sd: np.ndarray | None = None) -> CurveScore:
    """Compare two curves (n,) on the same phases; ``sd`` (n,) is the reference's.

    Curves that hold both 0 and 100 % count that instant twice, as their plots do; with 101 points it does not
    matter.

    Raises:
        GaitError: shapes differ, fewer than three points, or values that are not finite.
    """
    curve, reference = _pair(curve, reference)
    difference = curve - reference
    offset = float(difference.mean())
    within = math.nan
    if sd is not None:
        within = float(np.mean(np.abs(difference) <= 2.0 * _pair(sd, reference)[0]))
    rmse, rmse_shape = (float(np.sqrt(np.mean(error**2))) for error in (difference, difference - offset))
    return CurveScore(rmse, offset, rmse_shape, waveform_r(curve, reference), within)


def score_against_normative(curve: Curve, leg_length_m: float = MODEL_LEG_LENGTH_M) -> CurveScore:
    """Compare a measured curve with the normative curve of its variable at its speed (leg length in m).

    Raises:
        GaitError: no normative data for that variable, or the curve has gaps.
    """
    normative = NormativeGait(curve.speed_mps, leg_length_m).curve(curve.variable, curve.phase_percent)
    return score_curve(curve.mean, normative.mean, normative.sd)


def score_against_reference(curve: Curve, leg_length_m: float = MODEL_LEG_LENGTH_M) -> CurveScore:
    """Compare a measured angle curve (deg) with the reference gait that the walker imitates, at its speed.

    Raises:
        GaitError: not an angle of the reference gait, or the curve has gaps.
    """
    joints = {variable: (joint, offset) for joint, (variable, offset) in ANGLES.items()}
    if curve.variable not in joints:
        raise GaitError(f"the reference gait has no {curve.variable}; it has: {', '.join(joints)}")
    joint, offset = joints[curve.variable]
    angles = ReferenceGait(curve.speed_mps, leg_length_m).joint_angles(curve.phase_percent / 100.0)
    return score_curve(curve.mean, np.rad2deg(angles[:, JOINTS.index(f"{joint}_r")]) + offset)


def on_off_agreement(activation: np.ndarray, emg: np.ndarray, share: float = ACTIVE_SHARE) -> float:
    """Share of the stride, 0 to 1, on which activation and EMG (n,) are both on or both off.

    On means above ``share`` of the curve's own range over the stride: neither amplitude is calibrated.

    Raises:
        GaitError: shapes differ, values not finite, or share not between 0 and 1.
    """
    activation, emg = _pair(activation, emg)
    if not 0.0 < share < 1.0:
        raise GaitError(f"share must be between 0 and 1, got {share}")
    return float(np.mean(is_active(activation, share) == is_active(emg, share)))


def is_active(curve: np.ndarray, share: float = ACTIVE_SHARE) -> np.ndarray:
    """Where a curve (n,) of activation or EMG counts as on: above ``share`` of its own range; (n,) of bool."""
    return curve > curve.min() + share * np.ptp(curve)


def _pair(curve: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    curve, reference = np.asarray(curve, dtype=float), np.asarray(reference, dtype=float)
    if curve.ndim != 1 or curve.shape != reference.shape or curve.size < 3:
        raise GaitError(
            f"curves must be one-dimensional, equally long and of at least 3 points, "
            f"got {curve.shape} and {reference.shape}"
        )
    if not (np.isfinite(curve).all() and np.isfinite(reference).all()):
        raise GaitError("a curve has gaps (values that are not finite); was its signal recorded?")
    return curve, reference
