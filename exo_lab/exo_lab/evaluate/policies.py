# SPDX-License-Identifier: Apache-2.0
"""The trained policies of a study: found, checked against their devices, and by whom they are worn."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from exo_device.devices import find_device
from exo_lab.conditions import RESULT_FILE, Policy, find_policy
from exo_policy.checkpoint import load_checkpoint
from exo_policy.controllers import make_controller
from exo_sim.body.subject import Subject, make_subject
from exo_sim.errors import SimError
from exo_sim.human.checkpoint import load_any_human

#: Wearer that stands in while a policy is tried for fitting its device (kg).
ANY_MASS_KG = 75.0


def find_policies(paths: Sequence[str], device: str | None) -> list[Policy]:
    """Policies from folders or checkpoints, checked; labels are made different.

    Raises:
        SimError, CheckpointError, DeviceError, ControllerError: one that cannot be used.
    """
    found = [find_policy(path, device) for path in paths]
    labels = [policy.label for policy in found]
    if len(set(labels)) != len(labels):  # folders of the same name in different places
        found = [replace(policy, label=f"{policy.label}_{i}") for i, policy in enumerate(found, 1)]
    for policy in found:
        check_policy(policy)
    return found


def check_policy(policy: Policy) -> None:
    """Refuses now, not after half an hour of walking, a policy that does not fit its device, or lacks a walker.

    Raises:
        SimError, CheckpointError, DeviceError, ControllerError: it cannot be used.
    """
    device = find_device(policy.device)
    if device is None:
        raise SimError("--device none has no policy to measure; name a device")
    make_controller(
        "learned",
        joint_names=device.joint_names,
        wearer_mass=ANY_MASS_KG,
        torque_limit=device.torque_limits(ANY_MASS_KG),
        checkpoint=policy.checkpoint,
    )
    for _, human in policy.humans:
        load_any_human(human)


def describe(policy: Policy) -> dict[str, Any]:
    """For the configuration in summary.json."""
    _, manifest = load_checkpoint(policy.checkpoint, kind="exo")
    training = manifest.training
    return {
        "label": policy.label,
        "checkpoint": policy.checkpoint,
        "device": policy.device,
        "humans": dict(policy.humans),
        "sha256": manifest.sha256,
        "samples": training.samples,
        "training_seed": training.seed,
        "git_revision": training.git_revision,
    }


@dataclass(frozen=True)
class WornPolicy:
    """A policy, and the one wearer that it was personalised to; None for a policy for everybody.

    Attributes:
        others: walkers by condition, as Policy.humans, for who is not that wearer.
    """

    policy: Policy
    wearer: Subject | None = None
    others: tuple[tuple[str, str], ...] = ()

    def human(self, subject: Subject, condition: str, otherwise: str | None) -> str | None:
        """The walker whose ways this subject has in a condition."""
        policy = self.policy if self.is_for(subject) else replace(self.policy, humans=self.others)
        return policy.human(condition, otherwise)

    def is_for(self, subject: Subject) -> bool:
        """Whether this subject is to walk with it: anybody, or the same body with the same impairments."""
        return self.wearer is None or _who(self.wearer) == _who(subject)


def _who(subject: Subject) -> dict:
    return subject.model_dump(exclude={"name", "preferred_speed_mps"})


def find_personalised(paths: Sequence[str], device: str | None) -> list[WornPolicy]:
    """Policies from folders that `exo personalise` wrote, each with its wearer.

    Raises:
        SimError, CheckpointError, DeviceError, ControllerError: one that cannot be used.
    """
    wearers = [_wearer(Path(path)) for path in paths]
    found = [WornPolicy(p, *wearer) for p, wearer in zip(find_policies(paths, device), wearers, strict=True)]
    for worn in found:
        for _, human in worn.others:
            load_any_human(human)
    return found


def _wearer(path: Path) -> tuple[Subject, tuple[tuple[str, str], ...]]:
    file = path / RESULT_FILE
    try:
        result = json.loads(file.read_text(encoding="utf-8"))
        fields = result["wearer"]
        others = tuple((condition, str(path / stem)) for condition, stem in sorted(result["humans_of_others"].items()))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SimError(
            f"{path} is not a folder that `exo personalise` has finished; give one, or use --exo for a policy for "
            "everybody"
        ) from error
    return make_subject(fields, str(file)), others


def can_give(policies: Sequence[Policy]) -> list[tuple[str, float]]:
    """Kinds of joint with the signs of torque that all of these policies can give there."""
    given = None
    for policy in policies:
        _, manifest = load_checkpoint(policy.checkpoint, kind="exo")
        action = manifest.contract.action
        low, high = action.minimum or (-1.0,) * len(action.names), action.maximum or (1.0,) * len(action.names)
        own = {
            (name[:-2], sign)
            for name, a, b in zip(action.names, low, high, strict=True)
            for sign, share in ((-1.0, -a), (1.0, b))
            if share > 0.0
        }
        given = own if given is None else given & own
    return sorted(given or ())
