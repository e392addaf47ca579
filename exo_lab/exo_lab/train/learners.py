# SPDX-License-Identifier: Apache-2.0
"""Who learns in a training: left-right mirror images of device and human, and the human as a learner who can walk already."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from exo_core.joints import STRENGTH_GROUPS
from exo_lab.rl.env import MirrorMap
from exo_lab.train.exo_config import HUMAN, ExoTrainingConfig
from exo_policy.checkpoint import load_checkpoint
from exo_policy.manifest import Contract
from exo_policy.observation import STRENGTHS
from exo_sim.gait.reference import JOINTS
from exo_sim.human.observation import HUMAN_CONTRACT, PERIODS_PER_ACTION, action_mirror_index, mirror_map

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


def human_mirror() -> MirrorMap:
    """Mirror map of the human's policy."""
    index, sign = mirror_map()
    return MirrorMap(
        tuple(index.tolist()), tuple(sign.tolist()), tuple(action_mirror_index().tolist()), (1.0,) * len(JOINTS)
    )


def human_learner(checkpoint: Path, config: ExoTrainingConfig, symmetric: bool):
    """The human of a checkpoint as a Partner (exo_lab.rl.runner) of the device's learner.

    Args:
        checkpoint: path without suffix.
        config: of the training.
        symmetric: the task is the same in the mirror; a device on one side must be free to make the gait one-sided.

    Raises:
        CheckpointError: missing, damaged or of another contract.
    """
    from exo_lab.rl.runner import Partner

    tensors, manifest = load_checkpoint(checkpoint, kind=HUMAN, contract=HUMAN_CONTRACT)
    hidden = tuple(manifest.network.sizes[1:-1])
    mirror = None
    if symmetric and is_doubled(tensors):
        mirror = human_mirror()
        hidden = tuple(size // 2 for size in hidden)
    ppo = config.human_ppo.model_copy(
        update={"hidden_layers": hidden, "steps_per_iteration": config.ppo.steps_per_iteration // PERIODS_PER_ACTION}
    )
    return Partner(ppo, mirror, len(JOINTS), period=PERIODS_PER_ACTION, warm_up=config.human_warm_up)


def is_doubled(tensors: dict[str, np.ndarray]) -> bool:
    """Whether a network is two independent halves, as a symmetric policy's is (see AveragedPPO.policy_tensors)."""
    hidden = [i for i in range(1, len(tensors)) if f"layer{i}.weight" in tensors and f"layer{i + 1}.weight" in tensors]
    for i in hidden:
        weight = tensors[f"layer{i}.weight"]
        rows, columns = weight.shape[0] // 2, weight.shape[1] // 2
        if weight[:rows, columns:].any() or weight[rows:, :columns].any():
            return False
    return bool(hidden)
