# SPDX-License-Identifier: Apache-2.0
"""The average sagittal gait over phase and speed, as the measurement model of the phase estimator.

Source: Schwartz, Rozumalski and Trost 2008 (J Biomech 41:1639-1650), six harmonics with coefficients
quadratic in normalised speed; the table and its conventions are in ``data/gait_template.json``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from typing import Any, NamedTuple

import numpy as np

GRAVITY_M_S2 = 9.81
"""Gravity used in the source's speed normalisation."""

DEFAULT_LEG_LENGTH_M = 0.90
"""Hip to floor of an adult of about 1.70 m; only relates speed to stride time, so a few cm do not matter."""


class TemplateValues(NamedTuple):
    """Mean over the stride, excursion from it (rad), and partial derivatives; every field is (..., J)."""

    mean: np.ndarray
    mean_by_speed: np.ndarray
    excursion: np.ndarray
    by_phase: np.ndarray
    by_speed: np.ndarray
    by_phase_phase: np.ndarray
    by_phase_speed: np.ndarray


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    file = resources.files("exo_policy") / "data" / "gait_template.json"
    return json.loads(file.read_text(encoding="utf-8"))


def template_joints() -> tuple[str, ...]:
    """Joint names without side that the table knows (``hip_flexion``, ``knee_angle``, ``ankle_angle``)."""
    return tuple(_table()["joints"])


def speed_range() -> tuple[float, float]:
    """Normalised speeds v/sqrt(g L) within which the table holds."""
    low, high = _table()["vn_range"]
    return low, high


def normalised_speed(speed_mps: float, leg_length_m: float = DEFAULT_LEG_LENGTH_M) -> float:
    """Speed in m/s over sqrt(g L), clamped to the table's range."""
    low, high = speed_range()
    return float(np.clip(speed_mps / np.sqrt(GRAVITY_M_S2 * leg_length_m), low, high))


def stride_rate_hz(vn: np.ndarray, leg_length_m: float = DEFAULT_LEG_LENGTH_M) -> tuple[np.ndarray, np.ndarray]:
    """Strides per second at normalised speed ``vn`` (any shape) and the derivative by ``vn``."""
    p = _table()["step_length_norm_log_polynomial"]
    log = np.log(vn)
    rate = vn / (2.0 * np.exp(np.polyval(p, log))) * np.sqrt(GRAVITY_M_S2 / leg_length_m)
    return rate, rate / vn * (1.0 - np.polyval(np.polyder(p), log))


class GaitTemplate:
    """Angles of the given joints over gait phase and normalised speed.

    ``joints`` are names without side, in the order of the last axis of every result. Raises KeyError for a
    joint that the table does not have.
    """

    def __init__(self, joints: Sequence[str]) -> None:
        table = _table()["joints"]
        # (J, power of vn, basis)
        coefficients = np.deg2rad(np.array([table[joint] for joint in joints], float))
        self._mean = coefficients[:, :, 0]
        self._cos = coefficients[:, :, 1::2]
        self._sin = coefficients[:, :, 2::2]
        self._omega = 2.0 * np.pi * np.arange(1, self._cos.shape[2] + 1)

    def angles(self, phase: np.ndarray, vn: np.ndarray) -> np.ndarray:
        """Angles (..., J) in rad at ``phase`` (..., J), each at its own side's phase, and ``vn`` (...,)."""
        values = self(phase, vn)
        return values.mean + values.excursion

    def __call__(self, phase: np.ndarray, vn: np.ndarray) -> TemplateValues:
        """Evaluate at ``phase`` (..., J), each joint at its own side's phase, and speed ``vn`` (...,)."""
        vn = np.asarray(vn, float)[..., None, None]
        mean, mean_v = _quadratic(self._mean[..., None], vn)
        a, a_v = _quadratic(self._cos, vn)
        b, b_v = _quadratic(self._sin, vn)
        argument = np.asarray(phase, float)[..., None] * self._omega
        c, s, w = np.cos(argument), np.sin(argument), self._omega
        return TemplateValues(
            mean=mean[..., 0],
            mean_by_speed=mean_v[..., 0],
            excursion=(a * c + b * s).sum(-1),
            by_phase=((b * c - a * s) * w).sum(-1),
            by_speed=(a_v * c + b_v * s).sum(-1),
            by_phase_phase=-((a * c + b * s) * w * w).sum(-1),
            by_phase_speed=((b_v * c - a_v * s) * w).sum(-1),
        )


def _quadratic(coefficients: np.ndarray, vn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Evaluate ``sum_j coefficients[:, j] vn^j`` -> (..., J, H) and its derivative by ``vn`` (..., 1, 1)."""
    c0, c1, c2 = coefficients[:, 0], coefficients[:, 1], coefficients[:, 2]
    return c0 + vn * (c1 + vn * c2), c1 + 2.0 * vn * c2
