# SPDX-License-Identifier: Apache-2.0
"""Loads the human's policy; one that saw less goes on as one that sees more.

Terms are only ever appended to the observation, so that what was learned before a term existed is not lost: new inputs
start without effect.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np

from exo_policy.checkpoint import CheckpointError, load_checkpoint
from exo_policy.manifest import contract_differences
from exo_policy.networks import MlpPolicy
from exo_sim.human.observation import HUMAN_CONTRACT

#: Checkpoints that come with the project: who has always been healthy, and who has learned to walk with every impairment.
HEALTHY, IMPAIRED = "walker", "impaired_walker"


def shipped_human(impaired: bool = False) -> Path:
    """Path of the checkpoint that comes with the project for healthy or for impaired people (without suffix)."""
    return Path(str(resources.files("exo_sim.human") / "checkpoints" / (IMPAIRED if impaired else HEALTHY)))


def load_human(path: str | Path | None = None, impaired: bool = False) -> MlpPolicy:
    """The human policy from a checkpoint, the shipped one (see `shipped_human`) for None or an empty path.

    Raises:
        CheckpointError: missing, damaged, of another kind or contract; says which and what to do.
    """
    policy, _ = MlpPolicy.from_checkpoint(path or shipped_human(impaired), kind="human", contract=HUMAN_CONTRACT)
    return policy


def load_starting_policy(path: str | Path) -> dict[str, np.ndarray]:
    """Tensors of a human checkpoint, widened to today's observation.

    Returns:
        As of the checkpoint, with zero weights, mean 0 and deviation 1 for terms that it does not know.

    Raises:
        CheckpointError: missing or damaged, or not a human policy whose observation today's one begins with.
    """
    tensors, manifest = load_checkpoint(path, kind="human")
    known = len(manifest.contract.observation)
    beginning = HUMAN_CONTRACT.model_copy(update={"observation": HUMAN_CONTRACT.observation[:known]})
    differences = contract_differences(beginning, manifest.contract)
    if differences:
        raise CheckpointError(f"{path}: cannot start from it: {'; '.join(differences)}")
    return widened(tensors, HUMAN_CONTRACT.observation_size)


def widened(tensors: dict[str, np.ndarray], inputs: int) -> dict[str, np.ndarray]:
    """The same policy with more inputs, the last of which have no effect."""
    more = inputs - tensors["layer0.weight"].shape[1]
    rows = tensors["layer0.weight"].shape[0]
    return {
        **tensors,
        "obs_mean": np.append(tensors["obs_mean"], np.zeros(more, np.float32)),
        "obs_std": np.append(tensors["obs_std"], np.ones(more, np.float32)),
        "layer0.weight": np.append(tensors["layer0.weight"], np.zeros((rows, more), np.float32), axis=1),
    }
