# SPDX-License-Identifier: Apache-2.0
"""A network from a checkpoint of kind "exo", behind the observation and action contract."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

import numpy as np

from exo_policy.action import ActionFilter
from exo_policy.checkpoint import load_checkpoint, require_contract
from exo_policy.controllers.base import Controller, ControllerError
from exo_policy.networks import MlpPolicy
from exo_policy.observation import (
    DEFAULT_RATE_HZ,
    DeviceObservation,
    ExoObservation,
    read_strengths,
    usable_contract,
)

PATIENTS, PATIENTS_TOLD = "patients", "patients_told"
"""Folders of the policies shipped for impaired wearers: who finds out, and who is told, which muscles are weak."""


def shipped_checkpoint(joint_names: Sequence[str], wearers: str = "") -> Path | None:
    """The manifest of the checkpoint shipped for exactly these joints, None if there is none.

    ``wearers``: PATIENTS or PATIENTS_TOLD; empty for the policy that healthy people's training led to.
    """
    with resources.as_file(resources.files("exo_policy") / "checkpoints" / wearers) as folder:
        for manifest in sorted(folder.glob("*.json")):
            names = json.loads(manifest.read_text(encoding="utf-8"))["contract"]["action"]["names"]
            if sorted(names) == sorted(joint_names):
                return manifest
    return None


class LearnedController(Controller):
    """Command = low-passed share x limit of each joint.

    Raises CheckpointError if the checkpoint cannot be read or was made for other joints, terms or another
    ``rate_hz``; the joints' order may differ, they are matched by name. Without ``checkpoint`` the one
    shipped for these joints is taken; ControllerError if there is none. ``strengths`` of the wearer by muscle
    group and side (or text, see read_strengths) are for a policy that was trained with them; left out, it takes
    the wearer for healthy. ObservationError for strengths that make no sense.
    """

    name = "learned"

    def __init__(
        self,
        joint_names: Sequence[str],
        wearer_mass: float,
        torque_limit: Sequence[float],
        *,
        checkpoint: str | None = None,
        rate_hz: float = DEFAULT_RATE_HZ,
        strengths: Mapping[str, float] | str | None = None,
    ) -> None:
        super().__init__(joint_names, wearer_mass, torque_limit)
        path = checkpoint or shipped_checkpoint(self.joint_names)
        if not path:
            raise ControllerError(
                f"controller 'learned' needs a checkpoint: none is shipped for the joints "
                f"{', '.join(self.joint_names)}; give the path of NAME.json"
            )
        self.checkpoint = str(path)
        tensors, self.manifest = load_checkpoint(path, kind="exo")
        contract = self.manifest.contract
        require_contract(self.manifest, usable_contract(contract, self.joint_names, rate_hz), path)
        self._network = MlpPolicy(self.manifest.network, tensors)
        self._observation = ExoObservation(contract, self.joint_names, self.wearer_mass, self.torque_limit)
        told = read_strengths(strengths) if isinstance(strengths, str) else strengths
        self._observation.set_strengths(told or {})
        self._filter = ActionFilter(contract.action, contract.rate_hz)
        # network's output i drives the device's joint _order[i]
        self._order = [self.joint_names.index(name) for name in contract.action.names]

    def set_wearer(self, wearer_mass: float, torque_limit: Sequence[float]) -> None:
        """Take over a new mass (kg) or new limits (J,) Nm; the network sees both."""
        super().set_wearer(wearer_mass, torque_limit)
        if hasattr(self, "_observation"):
            self._observation.set_wearer(self.wearer_mass, self.torque_limit)

    def reset(self) -> None:
        """Forget the history and the low-pass."""
        self._observation.reset()
        self._filter.reset()

    def _torque(self, obs: DeviceObservation) -> np.ndarray:
        output = self._network(self._observation.update(obs))
        if not np.isfinite(output).all():
            self.reset()  # a NaN in the low-pass would never leave it
            raise ControllerError(f"controller 'learned': network output {output.tolist()} is not finite")
        command = np.zeros(len(self.joint_names))
        command[self._order] = self._filter.update(output) * self.torque_limit[self._order]
        return command
