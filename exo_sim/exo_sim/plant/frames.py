# SPDX-License-Identifier: Apache-2.0
"""Quaternions between MuJoCo's order (w, x, y, z) and ROS's (x, y, z, w), which is used everywhere else."""

from __future__ import annotations

import mujoco
import numpy as np


def quaternion_xyzw_from_wxyz(quaternion: np.ndarray) -> np.ndarray:
    """(4,) w, x, y, z to (4,) x, y, z, w."""
    return np.array([quaternion[1], quaternion[2], quaternion[3], quaternion[0]])


def rotation_quaternion(matrix: np.ndarray) -> np.ndarray:
    """Quaternion (4,) x, y, z, w of a rotation matrix (3, 3)."""
    wxyz = np.empty(4)
    mujoco.mju_mat2Quat(wxyz, np.asarray(matrix, dtype=float).reshape(9))
    return quaternion_xyzw_from_wxyz(wxyz)


def multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Product (4,) of quaternions x, y, z, w: first b, then a."""
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    return np.array(
        [
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
            aw * bw - ax * bx - ay * by - az * bz,
        ]
    )


def conjugate(q: np.ndarray) -> np.ndarray:
    """Inverse (4,) of a unit quaternion x, y, z, w."""
    return np.array([-q[0], -q[1], -q[2], q[3]])
