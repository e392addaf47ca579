# SPDX-License-Identifier: Apache-2.0
"""Loads the human's policy, of either kind: joint targets with told coordination, or nerves that drive the muscles.

Terms are only ever appended to the first kind's observation, so that what was learned before a term existed is not lost:
new inputs start without effect.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from pathlib import Path

import numpy as np

from exo_policy.checkpoint import CheckpointError, checkpoint_files, load_checkpoint
from exo_policy.manifest import Contract, contract_differences
from exo_policy.networks import MlpPolicy
from exo_sim.human.control import GoalControl, HumanControl, NerveControl
from exo_sim.human.observation import HUMAN_CONTRACT
from exo_sim.human.senses import NERVES_CONTRACT
from exo_sim.human.walkers import Walkers

#: Checkpoints that come with the project: who has always been healthy, and who has learned to walk with every impairment.
HEALTHY, IMPAIRED = "walker", "impaired_walker"
#: Kinds of a human's checkpoint, with what a network of the kind sees and does, and what puts it into force.
GOALS_KIND, NERVES_KIND = "human", "nerves"
_KINDS: dict[str, tuple[Contract, Callable[[Walkers, MlpPolicy], HumanControl]]] = {
    GOALS_KIND: (HUMAN_CONTRACT, GoalControl),
    NERVES_KIND: (NERVES_CONTRACT, NerveControl),
}


def shipped_human(impaired: bool = False) -> Path:
    """Path of the checkpoint that comes with the project for healthy or for impaired people (without suffix)."""
    return _shipped(IMPAIRED if impaired else HEALTHY)


def find_human(name: str | Path | None = None, impaired: bool = False) -> Path:
    """Path of a human's checkpoint.

    Args:
        name: a path, or the name of one that comes with the project, as "walker", where there is no file of that name;
            None or empty for `shipped_human`.
    """
    if not name:
        return shipped_human(impaired)
    if not checkpoint_files(name)[1].is_file() and str(name) in shipped_humans():
        return _shipped(str(name))
    return Path(name)


def shipped_humans() -> list[str]:
    """Names of all humans that come with the project."""
    return sorted(manifest.stem for manifest in _shipped("").glob("*.json"))


def load_human(path: str | Path | None = None, impaired: bool = False) -> MlpPolicy:
    """The policy of a human who sets joint goals; None or an empty path gives the shipped one (see `shipped_human`).

    Raises:
        CheckpointError: missing, damaged, of another kind or contract; says which and what to do.
    """
    policy, _ = MlpPolicy.from_checkpoint(find_human(path, impaired), kind=GOALS_KIND, contract=HUMAN_CONTRACT)
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


class Human:
    """How somebody has learned to walk.

    Args:
        policy: the network.
        kind: GOALS_KIND or NERVES_KIND.
    """

    def __init__(self, policy: MlpPolicy, kind: str):
        self.policy, self.kind = policy, kind

    def control(self, walkers: Walkers) -> HumanControl:
        """What moves these walkers so."""
        return _KINDS[self.kind][1](walkers, self.policy)


def load_any_human(path: str | Path | None = None, impaired: bool = False) -> Human:
    """A human of either kind; arguments as `find_human`.

    Raises:
        CheckpointError: missing, damaged, no human's or of another contract; says which and what to do.
    """
    found = find_human(path, impaired)
    tensors, manifest = load_checkpoint(found)
    if manifest.kind not in _KINDS:
        raise CheckpointError(f"{found}: is a checkpoint of kind '{manifest.kind}', not a human's; give another file")
    load_checkpoint(found, kind=manifest.kind, contract=_KINDS[manifest.kind][0])
    return Human(MlpPolicy(manifest.network, tensors), manifest.kind)


def _shipped(name: str) -> Path:
    return Path(str(resources.files("exo_sim.human") / "checkpoints" / name))
