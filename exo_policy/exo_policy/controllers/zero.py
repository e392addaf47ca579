# SPDX-License-Identifier: Apache-2.0
"""No assistance: the device is worn, its motors give no torque."""

from __future__ import annotations

import numpy as np

from exo_policy.controllers.base import Controller
from exo_policy.observation import DeviceObservation


class ZeroController(Controller):
    """Commands zero torque, always."""

    name = "zero"

    def _torque(self, obs: DeviceObservation) -> np.ndarray:
        return np.zeros(len(self.joint_names))
