# SPDX-License-Identifier: Apache-2.0
"""The whole state of a training in one safetensors file, so that a killed run goes on where it was."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from rsl_rl.algorithms import PPO
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from exo_lab.rl.ppo import set_learning_rate
from exo_policy.checkpoint import CheckpointError

#: Before the names of a second learner's tensors.
PARTNER = "partner."
#: Before the names of the mean parameters of a policy.
AVERAGE = "average."


def save_state(path: Path, algorithm: PPO, progress: dict, partner: PPO | None = None) -> None:
    """Writes networks, optimiser, random state and progress (JSON-able); replaces the old file at once.

    A second learner's go into the same file, so that a kill never leaves the two at different times.

    Raises:
        OSError: it cannot be written, as on a full disk; the old file is as it was.
    """
    tensors = {"random_state": torch.get_rng_state(), **_tensors(algorithm)}
    rates = {"learning_rate": algorithm.learning_rate}
    if partner is not None:
        tensors |= {f"{PARTNER}{name}": value for name, value in _tensors(partner).items()}
        rates["partner_learning_rate"] = partner.learning_rate
    metadata = {"progress": json.dumps({**progress, **rates})}
    partial = path.with_suffix(".partial")
    try:
        save_file(tensors, str(partial), metadata=metadata)
        os.replace(partial, path)
    except (OSError, SafetensorError) as error:
        partial.unlink(missing_ok=True)
        reason = " ".join(str(error).split())
        kept = "; the state of before is whole, and the same command goes on from it" if path.exists() else ""
        raise OSError(f"{path} cannot be written ({reason}): make room{kept}") from error


def load_state(path: Path, algorithm: PPO, partner: PPO | None = None) -> dict:
    """Restores what `save_state` wrote; returns its progress.

    Raises CheckpointError if the file cannot be read or belongs to a network of another shape.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}
            progress = json.loads(file.metadata()["progress"])
        _restore(
            algorithm,
            {name: v for name, v in tensors.items() if not name.startswith(PARTNER)},
            progress["learning_rate"],
        )
        if partner is not None:
            own = {name[len(PARTNER) :]: v for name, v in tensors.items() if name.startswith(PARTNER)}
            _restore(partner, own, progress["partner_learning_rate"])
    except (OSError, SafetensorError, KeyError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path}: cannot resume from it ({reason}); choose another run folder") from error
    torch.set_rng_state(tensors["random_state"])
    return progress


def _tensors(algorithm: PPO) -> dict[str, torch.Tensor]:
    tensors = {}
    for part in ("actor", "critic"):
        for name, value in getattr(algorithm, f"_raw_{part}").state_dict().items():
            tensors[f"{part}.{name}"] = value.contiguous().clone()
    for name, value in algorithm.policy_average.state().items():
        tensors[f"{AVERAGE}{name}"] = value.contiguous().clone()
    for index, entry in algorithm.optimizer.state_dict()["state"].items():
        for name, value in entry.items():
            tensors[f"optimizer.{index}.{name}"] = value.contiguous().clone()
    return tensors


def _restore(algorithm: PPO, tensors: dict[str, torch.Tensor], learning_rate: float) -> None:
    for part in ("actor", "critic"):
        prefix = f"{part}."
        getattr(algorithm, f"_raw_{part}").load_state_dict(
            {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}
        )
    algorithm.policy_average.restore(
        {name[len(AVERAGE) :]: value for name, value in tensors.items() if name.startswith(AVERAGE)}
    )
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".", 2)
            state.setdefault(int(index), {})[key] = value
    algorithm.optimizer.load_state_dict(
        {"state": state, "param_groups": algorithm.optimizer.state_dict()["param_groups"]}
    )
    set_learning_rate(algorithm, learning_rate)
