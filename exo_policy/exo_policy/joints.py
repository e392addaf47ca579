# SPDX-License-Identifier: Apache-2.0
"""Joint names: ``<joint>_<side>`` as in MyoLegs, for example ``hip_flexion_r``."""

from __future__ import annotations

from collections.abc import Iterable

HIP, KNEE, ANKLE = "hip_flexion", "knee_angle", "ankle_angle"
"""Sagittal joints without side; positive is hip flexion, knee flexion and ankle dorsiflexion."""

SIDES = ("r", "l")


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
