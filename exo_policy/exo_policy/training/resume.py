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

from exo_policy.checkpoint import CheckpointError


def save_state(path: Path, algorithm: PPO, progress: dict) -> None:
    """Writes networks, optimiser, random state and progress (JSON-able); replaces the old file at once."""
    tensors = {}
    for part in ("actor", "critic"):
        for name, value in getattr(algorithm, f"_raw_{part}").state_dict().items():
            tensors[f"{part}.{name}"] = value.contiguous().clone()
    for index, entry in algorithm.optimizer.state_dict()["state"].items():
        for name, value in entry.items():
            tensors[f"optimizer.{index}.{name}"] = value.contiguous().clone()
    tensors["random_state"] = torch.get_rng_state()
    metadata = {"progress": json.dumps({**progress, "learning_rate": algorithm.learning_rate})}
    partial = path.with_suffix(".partial")
    save_file(tensors, str(partial), metadata=metadata)
    os.replace(partial, path)


def load_state(path: Path, algorithm: PPO) -> dict:
    """Restores what `save_state` wrote; returns its progress.

    Raises CheckpointError if the file cannot be read or belongs to a network of another shape.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}
            progress = json.loads(file.metadata()["progress"])
        for part in ("actor", "critic"):
            prefix = f"{part}."
            getattr(algorithm, f"_raw_{part}").load_state_dict(
                {name[len(prefix):]: value for name, value in tensors.items() if name.startswith(prefix)}
            )
    except (OSError, SafetensorError, KeyError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path}: cannot resume from it ({reason}); choose another run folder") from error
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".", 2)
            state.setdefault(int(index), {})[key] = value
    groups = algorithm.optimizer.state_dict()["param_groups"]
    for group in groups:
        group["lr"] = progress["learning_rate"]
    algorithm.optimizer.load_state_dict({"state": state, "param_groups": groups})
    algorithm.learning_rate = progress["learning_rate"]
    torch.set_rng_state(tensors["random_state"])
    return progress
