# SPDX-License-Identifier: Apache-2.0
"""Names that all packages share: joints as ``<joint>_<side>`` (MyoLegs: ``hip_flexion_r``), sides, muscle groups."""

from __future__ import annotations

from collections.abc import Iterable

HIP, KNEE, ANKLE = "hip_flexion", "knee_angle", "ankle_angle"
"""Sagittal joints without side; positive is hip flexion, knee flexion and ankle dorsiflexion."""

SIDES = ("r", "l")
"""Right and left, in this order everywhere."""

STRENGTH_GROUPS = tuple(
    f"{group}_{side}"
    for side in SIDES
    for group in (
        "hip_flexors",
        "hip_extensors",
        "hip_abductors",
        "hip_adductors",
        "knee_extensors",
        "knee_flexors",
        "plantarflexors",
        "dorsiflexors",
    )
)
"""Clinical muscle groups with their side, in the order in which a policy is told their strengths."""


class JointNameError(ValueError):
    """A joint name that cannot be used; the message is one line that says which and what is known."""


def split_joint(name: str) -> tuple[str, str]:
    """Return (joint, side) of ``hip_flexion_r``; raises JointNameError where there is no side."""
    joint, _, side = name.rpartition("_")
    if not joint or side not in SIDES:
        raise JointNameError(f"joint '{name}': names end in _r or _l, as in hip_flexion_r")
    return joint, side


def check_joint_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names as a tuple; raises JointNameError if empty, repeated or without a side."""
    names = tuple(names)
    if not names:
        raise JointNameError("no joints; a device drives at least one, as hip_flexion_r")
    for name in names:
        split_joint(name)
    if len(set(names)) != len(names):
        raise JointNameError(f"joints {', '.join(names)}: one is repeated; name each once")
    return names


def named_twice(names: Iterable[str]) -> list[str]:
    """Names that stand more than once: a message that says two things of one joint says nothing of it."""
    names = list(names)
    return sorted({name for name in names if names.count(name) > 1})
