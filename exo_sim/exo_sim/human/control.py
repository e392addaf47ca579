# SPDX-License-Identifier: Apache-2.0
"""Puts a human's policy into force, of either kind; the simulator, crowds and checks move people through this alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from exo_sim.human.observation import PERIODS_PER_ACTION
from exo_sim.human.senses import Senses
from exo_sim.human.walkers import Walkers

#: From observations (n, O) to actions (n, A).
Policy = Callable[[np.ndarray], np.ndarray]


class HumanControl(Protocol):
    """Decides what n walkers do.

    Attributes:
        periods: coordination periods (10 ms) that a decision holds for.
    """

    periods: int

    def decide(self) -> np.ndarray:
        """Decides, to be called every `periods` coordination periods before they begin; returns the actions (n, A)."""


class GoalControl:
    """Offsets to joint targets at 50 Hz; reflexes, servo and coordination, which is told of the device, do the rest."""

    periods = PERIODS_PER_ACTION

    def __init__(self, walkers: Walkers, policy: Policy):
        self._walkers, self._policy = walkers, policy

    def decide(self) -> np.ndarray:
        """As HumanControl."""
        action = self._policy(self._walkers.observe())
        self._walkers.set_action(action)
        return action


class NerveControl:
    """Wanted activations of all muscles at 100 Hz from what the nervous system senses; nobody is told of a device."""

    periods = 1

    def __init__(self, walkers: Walkers, policy: Policy):
        self._walkers, self._policy = walkers, policy
        self._senses = Senses(walkers)

    def decide(self) -> np.ndarray:
        """As HumanControl."""
        action = self._policy(self._senses.sense())
        self._walkers.set_activation(self._senses.to_body(action))
        return action
