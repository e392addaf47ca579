# SPDX-License-Identifier: Apache-2.0
"""The policy runtime is what policy_node does, without ROS: it holds the controller, swaps it with a fade, and commands
zero when in doubt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from exo_policy.checkpoint import load_checkpoint
from exo_policy.controllers import Controller, ControllerError, controller_params, make_controller
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
    """The device as exo/status tells of it.

    Joints in the device's order, their limits (Nm), the wearer's mass (kg), and whether the device follows commands.
    """

    joint_names: tuple[str, ...]
    torque_limit: tuple[float, ...]
    wearer_mass: float
    active: bool


class PolicyRuntime:
    """Answers each device sample with a command, torque by joint.

    ``error`` holds the last answer's problem, None when all is well. The command is zero before the device is
    known, while it is not active (a device arms only on zero), and on any error.
    """

    def __init__(self, choice: Choice) -> None:
        choice.check()
        self.choice = choice
        self.error: str | None = None
        self._device: Device | None = None
        self._controller: Controller | None = None
        self._stamp_s: float | None = None
        self._command = np.zeros(0)

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
        """Command (J,) Nm in the sample's order of joints; see ``error``."""
        self.error = None
        zero = np.zeros(len(sample.joint_names))
        if self._device is None:
            return zero
        if sample.stamp_s == self._stamp_s and len(self._command) == len(zero):
            return self._command if self._device.active else zero  # a paused simulation repeats its last state
        if self._controller is None:
            self.error = f"no controller: '{self.choice.controller}' does not fit this device"
            return zero
        if self._stamp_s is not None and sample.stamp_s < self._stamp_s:
            self._controller.reset()
        self._stamp_s = sample.stamp_s
        try:
            self._command = self._controller.update(sample)
        except ValueError as error:
            self.error = str(error)
            self._command = zero
        if isinstance(self._controller, CrossFade) and self._controller.finished:
            self._controller = self._controller.new
        return self._command if self._device.active else zero


class CrossFade(Controller):
    """Swaps controllers while a person walks: both run, and the command moves from one to the other.

    It takes ``duration_s`` from ``old`` to ``new``.

    The weight of the new one is a raised cosine of time, counted in stamps of the observations from the first
    update. If the old one fails during the fade, its last command fades out in its place. A fade may itself
    be the old one of a later fade.
    """

    name = "crossfade"

    def __init__(self, old: Controller, new: Controller, duration_s: float) -> None:
        if old.joint_names != new.joint_names:
            raise ControllerError("controllers of a fade must drive the same joints in the same order")
        if not np.isfinite(duration_s) or duration_s < 0.0:
            raise ControllerError(f"fade is {duration_s} s; give 0 or more")
        self._old: Controller | None = old
        self.new = new
        self._duration_s = float(duration_s)
        self._start_s: float | None = None
        self._held = np.zeros(len(new.joint_names))
        super().__init__(new.joint_names, new.wearer_mass, new.torque_limit)

    @property
    def finished(self) -> bool:
        """True once only the new controller counts; it can then take this one's place."""
        return self._old is None and not self._held.any()

    @property
    def depth(self) -> int:
        """Tells how many fades run, this one and those within it."""
        return 1 + (self._old.depth if isinstance(self._old, CrossFade) else 0)

    def set_wearer(self, wearer_mass: float, torque_limit: np.ndarray) -> None:
        """Pass a new mass (kg) or new limits (J,) Nm on to both."""
        super().set_wearer(wearer_mass, torque_limit)
        for controller in (self._old, self.new):
            if controller is not None:
                controller.set_wearer(wearer_mass, torque_limit)

    def reset(self) -> None:
        """Drop the old controller and reset the new one."""
        self._finish()
        self.new.reset()

    def _finish(self) -> None:
        self._old = None
        self._held[:] = 0.0

    def _torque(self, obs: DeviceObservation) -> np.ndarray:
        self._start_s = obs.stamp_s if self._start_s is None else min(self._start_s, obs.stamp_s)
        elapsed = obs.stamp_s - self._start_s
        if elapsed >= self._duration_s:
            self._finish()
        new = self.new.update(obs)
        if self.finished:
            return new
        if self._old is not None:
            try:
                self._held = self._old.update(obs)
            except ValueError:  # what the old one says no longer matters, only that torque does not jump
                self._old = None
        weight = 0.5 - 0.5 * np.cos(np.pi * elapsed / self._duration_s)
        return weight * new + (1.0 - weight) * self._held
