# SPDX-License-Identifier: Apache-2.0
"""What gait measurement is fed with: one instant of a walking body."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


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
