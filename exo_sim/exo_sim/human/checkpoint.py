# SPDX-License-Identifier: Apache-2.0
"""Loads the human's policy."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from exo_policy.networks import MlpPolicy
from exo_sim.human.contract import HUMAN_CONTRACT

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
