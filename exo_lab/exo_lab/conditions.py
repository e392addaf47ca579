# SPDX-License-Identifier: Apache-2.0
"""Who walks, in what, under which controller: the conditions of an evaluation and the trained policies in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from exo_policy.checkpoint import checkpoint_files, load_checkpoint
from exo_sim.errors import SimError

NO_DEVICE, UNPOWERED, SPLINE, LEARNED = "no_device", "unpowered", "spline", "learned"
#: The policy of a training on one wearer; and unpowered too, but after as much practice as with power.
PERSONALISED, PRACTISED = "personalised", "practised"
#: In the order of every table.
CONDITIONS = (NO_DEVICE, UNPOWERED, SPLINE, LEARNED)
#: Who drives the device in each condition: a controller of exo_policy, "none" where nothing is worn.
CONTROLLERS = {
    NO_DEVICE: "none",
    UNPOWERED: "zero",
    PRACTISED: "zero",
    SPLINE: "spline",
    LEARNED: "learned",
    PERSONALISED: "learned",
}
RESULT_FILE = "result.json"


@dataclass(frozen=True)
class Policy:
    """A trained policy: its checkpoint, the device it is for, and who is used to which condition.

    Attributes:
        label: of its training, as in file names.
        checkpoint: path without suffix.
        device: name or path.
        humans: checkpoint of the walker by condition; conditions that are not in it take the given walker.
    """

    label: str
    checkpoint: str
    device: str
    humans: tuple[tuple[str, str], ...] = ()

    def human(self, condition: str, otherwise: str | None) -> str | None:
        """The walker of a condition."""
        humans = dict(self.humans)
        if condition == SPLINE:
            condition = UNPOWERED  # nobody has trained with it
        return humans.get(condition, otherwise)


def find_policy(path: str | Path, device: str | None) -> Policy:
    """A policy from a training's folder or from a checkpoint.

    Args:
        path: folder that `exo train exo` wrote, or a checkpoint.
        device: name or path; None for the one that the policy was trained for.

    Raises:
        SimError: a folder of a training that has trained no policy yet.
        CheckpointError: a checkpoint that cannot be used.
    """
    path = Path(path)
    result = path / RESULT_FILE
    if result.is_file():
        try:
            left = json.loads(result.read_text(encoding="utf-8"))
            checkpoint, humans = path / left["checkpoint"], left["humans"]
        except (ValueError, KeyError, TypeError) as error:
            raise SimError(f"{result}: damaged ({error}); train again or name the checkpoint itself") from error
        known = tuple((condition, str(path / stem)) for condition, stem in sorted(humans.items()))
        return Policy(path.name, str(checkpoint), device or _trained_for(checkpoint), known)
    if path.is_dir() and (path / "config.json").is_file():
        raise SimError(f"{path}: this training has no policy yet; `exo train exo --output {path}` goes on with it")
    return Policy(checkpoint_files(path)[1].stem, str(path), device or _trained_for(path))


def _trained_for(checkpoint: Path) -> str:
    _, manifest = load_checkpoint(checkpoint, kind="exo")
    name = manifest.training.config.get("config", manifest.training.config).get("device", {})
    name = name.get("name") if isinstance(name, dict) else name
    if not name:
        raise SimError(f"{checkpoint}: its manifest does not say for which device it was trained; give --device")
    return str(name)
