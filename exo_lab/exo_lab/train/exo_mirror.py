# SPDX-License-Identifier: Apache-2.0
"""Left-right mirror image of a bilateral device's observation and action."""

from __future__ import annotations

from exo_core.joints import STRENGTH_GROUPS
from exo_lab.rl.mirror import MirrorMap
from exo_policy.manifest import Contract
from exo_policy.observation import STRENGTHS

#: Signs of vectors under a left-right mirror, in axes forward, left, up: a direction, and a rate of rotation.
_VECTOR_SIGNS = {"up_vector": (1.0, -1.0, 1.0), "angular_velocity": (-1.0, 1.0, -1.0)}
_OTHER_SIDE = {"r": "l", "l": "r"}


def exo_mirror(contract: Contract) -> MirrorMap | None:
    """Mirror map of a policy with this contract; None for a device that is not the same on both sides."""
    joints = contract.action.names
    partners = [f"{joint[:-1]}{_OTHER_SIDE.get(joint[-1], '')}" for joint in joints]
    if any(partner not in joints for partner in partners):
        return None
    swap = tuple(joints.index(partner) for partner in partners)
    frame_index, frame_sign, once_index, once_sign = [], [], [], []
    for term in contract.observation:
        index, sign = (frame_index, frame_sign) if term.per_frame else (once_index, once_sign)
        start = len(index)
        if term.name == STRENGTHS:
            other = [f"{group[:-1]}{_OTHER_SIDE[group[-1]]}" for group in STRENGTH_GROUPS]
            index += [start + STRENGTH_GROUPS.index(group) for group in other]
            sign += [1.0] * term.size
        elif term.name in _VECTOR_SIGNS:
            index += range(start, start + term.size)
            sign += _VECTOR_SIGNS[term.name]
        else:
            index += [start + i for i in (swap if term.size == len(joints) else range(term.size))]
            sign += [1.0] * term.size
    size = len(frame_index)
    index = [frame * size + i for frame in range(contract.history) for i in frame_index]
    index += [contract.history * size + i for i in once_index]
    return MirrorMap(tuple(index), tuple(frame_sign * contract.history + once_sign), swap, (1.0,) * len(joints))
