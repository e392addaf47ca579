# SPDX-License-Identifier: Apache-2.0
"""A controller answers a device observation with a command; one of them gives no assistance."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from exo_core.joints import JointNameError, check_joint_names
from exo_policy.observation import DeviceObservation


class ControllerError(ValueError):
    """A controller that cannot be made or cannot answer; the message is one line that says what to do."""


class Controller(ABC):
    """Gives a command: torque (J,) Nm in the order of ``joint_names``, sign of the joint, within ``torque_limit``.

    ``wearer_mass`` kg; ``torque_limit`` (J,) Nm, not negative. Subclasses write :meth:`_torque`.
    """

    name = ""
    """The registry's name of the controller."""

    def __init__(self, joint_names: Sequence[str], wearer_mass: float, torque_limit: Sequence[float]) -> None:
        try:
            self.joint_names = check_joint_names(joint_names)
        except JointNameError as error:
            raise ControllerError(str(error)) from None
        self.set_wearer(wearer_mass, torque_limit)

    def set_wearer(self, wearer_mass: float, torque_limit: Sequence[float]) -> None:
        """Take over a new mass (kg) or new limits (J,) Nm; raises ControllerError if they make no sense."""
        limit = np.asarray(torque_limit, float)
        if limit.shape != (len(self.joint_names),):
            raise ControllerError(f"torque_limit has shape {limit.shape} for {len(self.joint_names)} joints")
        if not np.isfinite(limit).all() or (limit < 0.0).any():
            raise ControllerError(f"torque_limit {limit.tolist()} must be finite and not negative (Nm)")
        if not np.isfinite(wearer_mass) or wearer_mass <= 0.0:
            raise ControllerError(f"wearer_mass is {wearer_mass} kg; the device's status must give it above zero")
        self.wearer_mass = float(wearer_mass)
        self.torque_limit = limit

    def reset(self) -> None:
        """Forget the past, as if just made."""

    def update(self, obs: DeviceObservation) -> np.ndarray:
        """Answer one sample with a command (J,) Nm, clipped to the limits.

        Raises ObservationError for NaN or other joints, ControllerError if the answer itself is not finite.
        """
        obs.check(self.joint_names)
        command = np.asarray(self._torque(obs), float)
        if command.shape != (len(self.joint_names),) or not np.isfinite(command).all():
            raise ControllerError(f"controller '{self.name}' gave {command.tolist()}, not finite torque per joint")
        return np.clip(command, -self.torque_limit, self.torque_limit)

    @abstractmethod
    def _torque(self, obs: DeviceObservation) -> np.ndarray:
        """Command (J,) Nm for a checked observation; it may exceed the limits."""


class ZeroController(Controller):
    """Commands zero torque, always."""

    name = "zero"

    def _torque(self, obs: DeviceObservation) -> np.ndarray:
        return np.zeros(len(self.joint_names))
