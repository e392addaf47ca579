# SPDX-License-Identifier: Apache-2.0
"""Packs samples into flat rows, so that strides are cut and resampled as one array."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from exo_core.joints import SIDES
from exo_sim.gait.errors import GaitError
from exo_sim.gait.sample import GaitSample

NAMED_BLOCKS = ("joint_angle", "joint_velocity", "joint_moment", "exo_torque", "activation")
PELVIS_ANGLES = ("tilt", "obliquity", "rotation")


class SampleLayout:
    """The columns of a packed sample, fixed by the first sample.

    Attributes:
        names: names per block ("joint_angle", ...), in the first sample's order.
    """

    def __init__(self, sample: GaitSample):
        self.names = {block: tuple(getattr(sample, block)) for block in NAMED_BLOCKS}
        self._has_feet = bool(sample.foot_position)
        columns = [("grf", side, axis) for side in SIDES for axis in range(3)]
        columns += [("foot", side, axis) for side in SIDES for axis in range(3)]
        columns += [("pelvis", angle) for angle in PELVIS_ANGLES]
        columns += [("metabolic_power",), ("metabolic_power_umberger",)]
        for block in NAMED_BLOCKS:
            columns += [(block, name) for name in self.names[block]]
        self._index = {column: i for i, column in enumerate(columns)}

    def __len__(self) -> int:
        return len(self._index)

    def __contains__(self, column: tuple) -> bool:
        return column in self._index

    def index(self, *column) -> int:
        """Column number, for example of ("grf", "r", 2) or ("joint_angle", "hip_flexion_r")."""
        return self._index[column]

    def pack(self, sample: GaitSample) -> np.ndarray:
        """One row, (len(layout),).

        Raises:
            GaitError: names differ from the first sample's, a side is missing, or a vector is not (3,).
        """
        parts = [*(_vector(sample.grf, side, "grf") for side in SIDES)]
        parts += [
            _vector(sample.foot_position, side, "foot_position") if self._has_feet else np.full(3, np.nan)
            for side in SIDES
        ]
        parts.append(pelvis_angles(sample.pelvis_orientation))
        parts.append((sample.metabolic_power, sample.metabolic_power_umberger))
        for block, names in self.names.items():
            values = getattr(sample, block)
            if len(values) != len(names):
                raise GaitError(
                    f"{block} has {len(values)} names, the first sample had {len(names)}; "
                    f"call restart() before the signals change"
                )
            try:
                parts.append([values[name] for name in names])
            except KeyError as missing:
                raise GaitError(
                    f"{block} lacks {missing}, which the first sample had; call restart() before the signals change"
                ) from None
        return np.concatenate(parts)


def pelvis_angles(orientation) -> np.ndarray:
    """Tilt (anterior +), obliquity (left side up +) and rotation (left turn +) of the pelvis, (3,) rad.

    Args:
        orientation: quaternion (x, y, z, w) of the pelvis (x forward, y left, z up) in the world, or None.

    Returns:
        Tait-Bryan angles in the order rotation (z), tilt (y), obliquity (x); NaN for None.

    Raises:
        GaitError: not four numbers, or a zero quaternion.
    """
    if orientation is None:
        return np.full(3, np.nan)
    quaternion = np.asarray(orientation, dtype=float)
    if quaternion.shape != (4,) or not np.linalg.norm(quaternion) > 0:
        raise GaitError(f"pelvis_orientation must be a quaternion (x, y, z, w), got {orientation!r}")
    x, y, z, w = quaternion / np.linalg.norm(quaternion)
    tilt = np.arcsin(np.clip(2.0 * (w * y - z * x), -1.0, 1.0))
    obliquity = np.arctan2(2.0 * (w * x + y * z), 1.0 - 2.0 * (x * x + y * y))
    rotation = np.arctan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))
    return np.array([tilt, obliquity, rotation])


def _vector(by_side: Mapping, side: str, name: str) -> np.ndarray:
    try:
        vector = np.asarray(by_side[side], dtype=float)
    except KeyError:
        raise GaitError(f'{name} lacks side "{side}"; give both "r" and "l"') from None
    if vector.shape != (3,):
        raise GaitError(f"{name} of side {side} must be (x, y, z), got shape {vector.shape}")
    return vector
