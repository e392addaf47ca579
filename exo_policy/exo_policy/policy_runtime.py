# SPDX-License-Identifier: Apache-2.0
"""What policy_node does, without ROS: holds the controller, swaps it with a fade, zero when in doubt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from exo_policy.checkpoint import load_checkpoint
from exo_policy.controllers import Controller, ControllerError, controller_params, make_controller
from exo_policy.crossfade import CrossFade
from exo_policy.observation import DeviceObservation, check_strengths, read_strengths

#: A fade may begin while others run, up to so many.
MOST_FADES = 4


@dataclass(frozen=True)
class Choice:
    """A controller by name with its checkpoint ("" for none) and the parameters of all controllers."""

    controller: str
    checkpoint: str
    params: Mapping[str, Any]

    def check(self) -> None:
        """Raise ControllerError, CheckpointError or ObservationError for what is wrong whatever the device is."""
        known = controller_params(self.controller)
        if "strengths" in known:
            check_strengths(read_strengths(self.params.get("strengths", "")))
        if self.checkpoint and "checkpoint" not in known:
            raise ControllerError(f"controller '{self.controller}' takes no checkpoint; leave it out")
        if self.checkpoint:
            load_checkpoint(self.checkpoint, kind="exo")

    def make(self, device: Device) -> Controller:
        """Make the controller for a device; raises as :func:`make_controller` does."""
        known = controller_params(self.controller)
        return make_controller(
            self.controller,
            joint_names=device.joint_names,
            wearer_mass=device.wearer_mass,
            torque_limit=device.torque_limit,
            checkpoint=self.checkpoint or None,
            **{name: value for name, value in self.params.items() if name in known},
        )


@dataclass(frozen=True)
class Device:
    """What exo/status tells: joints in the device's order, their limits (Nm), the wearer's mass (kg), and
    whether the device follows commands."""

    joint_names: tuple[str, ...]
    torque_limit: tuple[float, ...]
    wearer_mass: float
    active: bool


class PolicyRuntime:
    """Answers each device sample with torque by joint.

    ``error`` holds the last answer's problem, None when all is well. Torque is zero before the device is
    known, while it is not active (a device arms only on zero), and on any error.
    """

    def __init__(self, choice: Choice) -> None:
        choice.check()
        self.choice = choice
        self.error: str | None = None
        self._device: Device | None = None
        self._controller: Controller | None = None
        self._stamp_s: float | None = None
        self._torque = np.zeros(0)

    def set_device(self, device: Device) -> None:
        """Take over a status; the first one, or one with other joints, makes the controller.

        Raises ControllerError or CheckpointError if the chosen controller does not fit the device; torque
        stays zero until another one is loaded or the device changes.
        """
        before, self._device = self._device, device
        if before is None or before.joint_names != device.joint_names:
            self._controller = None
            self._controller = self.choice.make(device)
        elif self._controller is not None and (
            before.torque_limit != device.torque_limit or before.wearer_mass != device.wearer_mass
        ):
            self._controller.set_wearer(device.wearer_mass, device.torque_limit)

    def load(self, choice: Choice, fade_s: float) -> None:
        """Pass over to another controller within ``fade_s``; raises ControllerError or CheckpointError, and
        then the present controller goes on."""
        choice.check()
        if self._device is not None:
            new = choice.make(self._device)
            old = self._controller
            if isinstance(old, CrossFade) and old.depth >= MOST_FADES:
                raise ControllerError(f"{MOST_FADES} fades are under way: wait until they end")
            self._controller = new if old is None else CrossFade(old, new, fade_s)
        self.choice = choice

    def answer(self, sample: DeviceObservation) -> np.ndarray:
        """Torque (J,) Nm in the sample's order of joints; see ``error``."""
        self.error = None
        zero = np.zeros(len(sample.joint_names))
        if self._device is None:
            return zero
        if sample.stamp_s == self._stamp_s and len(self._torque) == len(zero):
            return self._torque if self._device.active else zero  # a paused simulation repeats its last state
        if self._controller is None:
            self.error = f"no controller: '{self.choice.controller}' does not fit this device"
            return zero
        if self._stamp_s is not None and sample.stamp_s < self._stamp_s:
            self._controller.reset()
        self._stamp_s = sample.stamp_s
        try:
            self._torque = self._controller.update(sample)
        except ValueError as error:
            self.error = str(error)
            self._torque = zero
        if isinstance(self._controller, CrossFade) and self._controller.finished:
            self._controller = self._controller.new
        return self._torque if self._device.active else zero
