# SPDX-License-Identifier: Apache-2.0
"""What gait measurement is fed with: one instant of a walking body, and how it is packed into a flat row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from exo_core.joints import SIDES
from exo_sim.errors import GaitError


@dataclass(frozen=True)
class GaitSample:
    """One instant. World frame as in REP 103: x forward (walking direction), y left, z up.

    Only ``t`` and ``grf`` are needed; what is left out is not measured. Names must stay the same from sample
    to sample. Joint signs as in MyoLegs (flexion, adduction, internal rotation, dorsiflexion positive).

    Attributes:
        t: time, s.
        grf: ground reaction force on the body by side ("r", "l"), (3,) N, world.
        foot_position: position of the calcaneus by side, (3,) m, world.
        pelvis_orientation: quaternion (x, y, z, w) of the pelvis (x forward, y left, z up in upright stance)
            in the world.
        joint_angle: rad, by joint name (``hip_flexion_r``).
        joint_velocity: rad/s, by joint name.
        joint_moment: net internal moment of muscles, ligaments and exoskeleton, Nm, by joint name.
        exo_torque: torque that the exoskeleton applies to the joint, Nm, by joint name.
        activation: 0 to 1, by muscle name (``soleus_r``).
        metabolic_power: gross power of the whole body after Bhargava 2004, W.
        metabolic_power_umberger: the same after Umberger 2010, W.
    """

    t: float
    grf: Mapping[str, Sequence[float]]
    foot_position: Mapping[str, Sequence[float]] = field(default_factory=dict)
    pelvis_orientation: Sequence[float] | None = None
    joint_angle: Mapping[str, float] = field(default_factory=dict)
    joint_velocity: Mapping[str, float] = field(default_factory=dict)
    joint_moment: Mapping[str, float] = field(default_factory=dict)
    exo_torque: Mapping[str, float] = field(default_factory=dict)
    activation: Mapping[str, float] = field(default_factory=dict)
    metabolic_power: float = math.nan
    metabolic_power_umberger: float = math.nan


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
