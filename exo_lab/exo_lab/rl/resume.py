# SPDX-License-Identifier: Apache-2.0
"""The whole state of a training in one safetensors file, so that a killed run goes on where it was."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from exo_lab.rl.ppo import AveragedPPO
from exo_policy.checkpoint import CheckpointError

#: Before the names of a second learner's tensors.
PARTNER = "partner."


def save_state(path: Path, algorithm: AveragedPPO, progress: dict, partner: AveragedPPO | None = None) -> None:
    """Writes networks, optimiser, random state and progress (JSON-able); replaces the old file at once.

    A second learner's go into the same file, so that a kill never leaves the two at different times.

    Raises:
        OSError: it cannot be written, as on a full disk; the old file is as it was.
    """
    tensors = {"random_state": torch.get_rng_state(), **algorithm.state_tensors()}
    rates = {"learning_rate": algorithm.learning_rate}
    if partner is not None:
        tensors |= {f"{PARTNER}{name}": value for name, value in partner.state_tensors().items()}
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


def load_state(path: Path, algorithm: AveragedPPO, partner: AveragedPPO | None = None) -> dict:
    """Restores what `save_state` wrote; returns its progress.

    Raises CheckpointError if the file cannot be read or belongs to a network of another shape.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}
            progress = json.loads(file.metadata()["progress"])
        algorithm.restore(
            {name: v for name, v in tensors.items() if not name.startswith(PARTNER)},
            progress["learning_rate"],
        )
        if partner is not None:
            own = {name[len(PARTNER) :]: v for name, v in tensors.items() if name.startswith(PARTNER)}
            partner.restore(own, progress["partner_learning_rate"])
    except (OSError, SafetensorError, KeyError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path}: cannot resume from it ({reason}); choose another run folder") from error
    torch.set_rng_state(tensors["random_state"])
    return progress
