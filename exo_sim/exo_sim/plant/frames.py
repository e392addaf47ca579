# SPDX-License-Identifier: Apache-2.0
"""Quaternions between MuJoCo's order (w, x, y, z) and ROS's (x, y, z, w), which is used everywhere else."""

from __future__ import annotations

import mujoco
import numpy as np


def quaternion_xyzw_from_wxyz(quaternion: np.ndarray) -> np.ndarray:
    """(..., 4) w, x, y, z to (..., 4) x, y, z, w."""
    return np.asarray(quaternion)[..., [1, 2, 3, 0]]


def rotation_quaternion(matrix: np.ndarray) -> np.ndarray:
    """Quaternion (4,) x, y, z, w of a rotation matrix (3, 3)."""
    wxyz = np.empty(4)
    mujoco.mju_mat2Quat(wxyz, np.asarray(matrix, dtype=float).reshape(9))
    return quaternion_xyzw_from_wxyz(wxyz)


def multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Product (..., 4) of quaternions x, y, z, w: first b, then a."""
    ax, ay, az, aw = np.moveaxis(np.asarray(a), -1, 0)
    bx, by, bz, bw = np.moveaxis(np.asarray(b), -1, 0)
    return np.stack(
        [
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
            aw * bw - ax * bx - ay * by - az * bz,
        ],
        axis=-1,
    )


def conjugate(q: np.ndarray) -> np.ndarray:
    """Inverse (..., 4) of a unit quaternion x, y, z, w."""
    return np.asarray(q) * [-1.0, -1.0, -1.0, 1.0]


def small_rotation(vector: np.ndarray) -> np.ndarray:
    """Quaternion (..., 4) x, y, z, w of a small rotation vector (..., 3) in rad; its norm is 1 to first order."""
    return np.concatenate([0.5 * vector, np.ones((*np.shape(vector)[:-1], 1))], axis=-1)


def rotate_back(q: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """A vector (..., 3) in the axes that the rotation q (..., 4) leads to; q of any norm."""
    axis, w = -q[..., :3], q[..., 3:]
    turned = np.cross(axis, vector)
    return vector + 2.0 * (w * turned + np.cross(axis, turned)) / (q**2).sum(axis=-1, keepdims=True)
