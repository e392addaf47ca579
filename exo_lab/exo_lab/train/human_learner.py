# SPDX-License-Identifier: Apache-2.0
"""The human as a learner that is a person who can walk: size of network, mirror image and clock from its checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from exo_lab.rl.mirror import MirrorMap
from exo_lab.train.exo_config import HUMAN, ExoTrainingConfig
from exo_policy.checkpoint import load_checkpoint
from exo_sim.gait.reference import JOINTS
from exo_sim.human.contract import HUMAN_CONTRACT
from exo_sim.human.observation import BLOCKS_PER_ACTION, action_mirror_index, mirror_map


def human_learner(checkpoint: Path, config: ExoTrainingConfig, symmetric: bool):
    """The human of a checkpoint as a Partner (exo_lab.rl.learner) of the device's learner.

    Args:
        checkpoint: path without suffix.
        config: of the training.
        symmetric: the task is the same in the mirror; a device on one side must be free to make the gait one-sided.

    Raises:
        CheckpointError: missing, damaged or of another contract.
    """
    from exo_lab.rl.learner import Partner

    tensors, manifest = load_checkpoint(checkpoint, kind=HUMAN, contract=HUMAN_CONTRACT)
    hidden = tuple(manifest.network.sizes[1:-1])
    mirror = None
    if symmetric and is_doubled(tensors):
        index, sign = mirror_map()
        mirror = MirrorMap(
            tuple(index.tolist()), tuple(sign.tolist()), tuple(action_mirror_index().tolist()), (1.0,) * len(JOINTS)
        )
        hidden = tuple(size // 2 for size in hidden)
    ppo = config.human_ppo.model_copy(
        update={"hidden_layers": hidden, "steps_per_iteration": config.ppo.steps_per_iteration // BLOCKS_PER_ACTION}
    )
    return Partner(ppo, mirror, len(JOINTS), period=BLOCKS_PER_ACTION, warm_up=config.human_warm_up)


def is_doubled(tensors: dict[str, np.ndarray]) -> bool:
    """Whether a network is two independent halves, as a symmetric policy's is (see AveragedPPO.policy_tensors)."""
    hidden = [i for i in range(1, len(tensors)) if f"layer{i}.weight" in tensors and f"layer{i + 1}.weight" in tensors]
    for i in hidden:
        weight = tensors[f"layer{i}.weight"]
        rows, columns = weight.shape[0] // 2, weight.shape[1] // 2
        if weight[:rows, columns:].any() or weight[rows:, :columns].any():
            return False
    return bool(hidden)
