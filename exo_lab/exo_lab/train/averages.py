# SPDX-License-Identifier: Apache-2.0
"""Running means over about a stride: what sways within a stride must not be punished, what stays must."""

from __future__ import annotations

import numpy as np

from exo_sim.gait.reference import JOINTS
from exo_sim.human.observation import POLICY_RATE_HZ
from exo_sim.human.walkers import Walkers, WalkerState

#: Time constant of the mean speed (s): half a stride, so that it follows the commanded ramps.
SPEED_TIME_S = 0.5
#: Time constant of what tells left from right (s): a stride, whose sway would otherwise remain.
SIDE_TIME_S = 1.1
_COMPARED = ("hip_flexion", "knee_angle", "ankle_angle")
_RIGHT = [JOINTS.index(f"{joint}_r") for joint in _COMPARED]
_LEFT = [JOINTS.index(f"{joint}_l") for joint in _COMPARED]


class StrideAverages:
    """Means of n walkers.

    Attributes:
        speed: (n,) m/s, forward.
        sideways: (n,) m/s, to the left; other than 0 who walks crabwise.
        unevenness: (n, 3) rad, error of hip flexion, knee and ankle angle on the right less that on the left.
    """

    def __init__(self, count: int):
        self.speed, self.sideways = np.zeros(count), np.zeros(count)
        self.unevenness = np.zeros((count, len(_COMPARED)))

    def restart(self, i: int, speed: float) -> None:
        """Walker i begins anew at this speed (m/s)."""
        self.speed[i], self.sideways[i], self.unevenness[i] = speed, 0.0, 0.0

    def update(self, walkers: Walkers, state: WalkerState) -> None:
        """Takes in the state after one policy period."""
        error = state.joint_angle - walkers.reference.angles(walkers.speed_command, walkers.phase)
        fast, slow = (1.0 / (time * POLICY_RATE_HZ) for time in (SPEED_TIME_S, SIDE_TIME_S))
        self.speed += fast * (state.velocity[:, 0] - self.speed)
        self.sideways += slow * (state.velocity[:, 1] - self.sideways)
        self.unevenness += slow * (error[:, _RIGHT] - error[:, _LEFT] - self.unevenness)
