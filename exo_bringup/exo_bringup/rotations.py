# SPDX-License-Identifier: Apache-2.0
"""Rotations in ROS's order (x, y, z, w), by tf_transformations where it is installed, else by transforms3d.

tf_transformations wraps transforms3d, so both give the same numbers.
"""

from __future__ import annotations

import numpy as np

try:
    import tf_transformations as _tf
except ImportError:
    _tf = None
    from transforms3d import euler as _euler
    from transforms3d import quaternions as _quaternions


def _wxyz(xyzw) -> np.ndarray:
    return np.asarray(xyzw, dtype=float)[[3, 0, 1, 2]]


def _xyzw(wxyz) -> np.ndarray:
    return np.asarray(wxyz, dtype=float)[[1, 2, 3, 0]]


def multiply(first, second) -> np.ndarray:
    """Hamilton product of two quaternions (4,): rotate by `second`, then by `first`."""
    if _tf is not None:
        return np.asarray(_tf.quaternion_multiply(first, second))
    return _xyzw(_quaternions.qmult(_wxyz(first), _wxyz(second)))


def to_matrix(quaternion) -> np.ndarray:
    """Rotation matrix (3, 3) of a quaternion (4,)."""
    if _tf is not None:
        return np.asarray(_tf.quaternion_matrix(quaternion))[:3, :3]
    return _quaternions.quat2mat(_wxyz(quaternion))


def to_roll_pitch_yaw(quaternion) -> np.ndarray:
    """Angles (3,) in rad about the fixed axes x, y and z, as URDF's rpy."""
    if _tf is not None:
        return np.asarray(_tf.euler_from_quaternion(quaternion))
    return np.asarray(_euler.quat2euler(_wxyz(quaternion), "sxyz"))


def from_roll_pitch_yaw(angles) -> np.ndarray:
    """Quaternion (4,) from angles (3,) in rad about the fixed axes x, y and z."""
    if _tf is not None:
        return np.asarray(_tf.quaternion_from_euler(*angles))
    return _xyzw(_euler.euler2quat(*angles, "sxyz"))
