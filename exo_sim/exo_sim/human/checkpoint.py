# SPDX-License-Identifier: Apache-2.0
"""Loads the human's policy."""
from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
from exo_policy.networks import MlpPolicy

from exo_sim.human.contract import HUMAN_CONTRACT, MIRROR_SYMMETRY, SYMMETRY_NOTE
from exo_sim.human.observation import action_mirror_index, mirror_map

SHIPPED = "walker"


def shipped_human() -> Path:
    """Path of the checkpoint that comes with the project (without suffix)."""
    return Path(str(resources.files("exo_sim.human") / "checkpoints" / SHIPPED))


class HumanPolicy:
    """Observations (n, OBSERVATION_SIZE) to actions (n, 14).

    Args:
        network: as trained.
        symmetric: average it with its mirror image, so that neither leg is favoured.
    """

    def __init__(self, network: MlpPolicy, symmetric: bool):
        self._network, self._symmetric = network, symmetric
        self._index, self._sign = mirror_map()
        self._action_index = action_mirror_index()

    def __call__(self, observation: np.ndarray) -> np.ndarray:
        """Actions, in units of ACTION_SCALE_RAD."""
        if not self._symmetric:
            return self._network(observation)
        both = self._network(np.concatenate([observation, observation[:, self._index] * self._sign]))
        direct, other = np.split(both, 2)
        return 0.5 * (direct + other[:, self._action_index])


def load_human(path: str | Path | None = None) -> HumanPolicy:
    """The human policy from a checkpoint, the shipped one for None or an empty path.

    Raises:
        CheckpointError: missing, damaged, of another kind or contract; says which and what to do.
    """
    network, manifest = MlpPolicy.from_checkpoint(path or shipped_human(), kind="human", contract=HUMAN_CONTRACT)
    notes = manifest.notes if isinstance(manifest.notes, dict) else {}
    return HumanPolicy(network, notes.get(SYMMETRY_NOTE) == MIRROR_SYMMETRY)
