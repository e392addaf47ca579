# SPDX-License-Identifier: Apache-2.0
"""Swap controllers while a person walks: both run for a while and the torque passes over smoothly."""

from __future__ import annotations

import numpy as np

from exo_policy.controllers.base import Controller, ControllerError
from exo_policy.observation import DeviceObservation


class CrossFade(Controller):
    """Runs ``old`` and ``new`` side by side; torque moves from one to the other over ``duration_s``.

    The weight of the new one is a raised cosine of time, counted in stamps of the observations from the first
    update. If the old one fails during the fade, its last torque fades out in its place. A fade may itself
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
        """How many fades run, this one and those within it."""
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
