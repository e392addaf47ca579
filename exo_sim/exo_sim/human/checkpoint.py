# SPDX-License-Identifier: Apache-2.0
"""Loads the human's policy."""
from __future__ import annotations

from importlib import resources
from pathlib import Path

from exo_policy.networks import MlpPolicy

from exo_sim.human.contract import HUMAN_CONTRACT

SHIPPED = "walker"


def shipped_human() -> Path:
    """Path of the checkpoint that comes with the project (without suffix)."""
    return Path(str(resources.files("exo_sim.human") / "checkpoints" / SHIPPED))


def load_human(path: str | Path | None = None) -> MlpPolicy:
    """The human policy from a checkpoint, the shipped one for None or an empty path.

    Raises:
        CheckpointError: missing, damaged, of another kind or contract; says which and what to do.
    """
    policy, _ = MlpPolicy.from_checkpoint(path or shipped_human(), kind="human", contract=HUMAN_CONTRACT)
    return policy
