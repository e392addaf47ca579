# SPDX-License-Identifier: Apache-2.0
"""What a wearer who learns strives for: to walk as people do at the commanded speed, and to spend little on it.

How people walk is what the walker has learned from in its own training, with the same reward; only the moments at the
joints are not judged, because a device takes a part of them over. Pushes and erring senses are as they were there: who
learned to walk cheaply and nothing else would fall over the next kerb.
"""

from __future__ import annotations

import numpy as np

from exo_lab.train.averages import StrideAverages
from exo_lab.train.config import HumanTrainingConfig
from exo_lab.train.disturbances import RandomPushes, SensorNoise
from exo_lab.train.rewards import judge
from exo_sim.human.walkers import Walkers, WalkerState


class WearerReward:
    """Judges n walkers over their policy periods.

    Args:
        config: of the walker's own training.
        walkers: who are judged.
        random: of pushes and of what the senses err by.
    """

    def __init__(self, config: HumanTrainingConfig, walkers: Walkers, random: np.random.Generator):
        self._config = config.model_copy(update={"reward": config.reward.model_copy(update={"moment": 0.0})})
        self._walkers = walkers
        self._averages = StrideAverages(walkers.count)
        self._effort, self._blocks = np.zeros(walkers.count), 0
        self._pushes = RandomPushes(walkers, config.disturbance, random)
        self._noise = SensorNoise(config.disturbance, random)
        self._pushes.level = self._noise.level = 1.0

    def be_undisturbed(self) -> None:
        """No pushes, and senses that do not err."""
        self._pushes.level = self._noise.level = 0.0

    def restart(self, i: int) -> None:
        """Walker i begins anew."""
        self._averages.restart(i, self._walkers.speed_command[i])
        self._pushes.forget(i)

    def observe(self) -> np.ndarray:
        """What the walkers sense (n, O), with errors."""
        return self._noise(self._walkers.observe())

    def begin(self) -> None:
        """A policy period begins: perhaps a push."""
        self._pushes.apply(self._walkers)
        self._effort[:], self._blocks = 0.0, 0

    def add_block(self) -> None:
        """A coordination period of it is over."""
        self._effort += self._walkers.mean_squared_activation()
        self._blocks += 1

    def end(self, state: WalkerState, action: np.ndarray) -> np.ndarray:
        """The policy period with this action (n, 14) led to this state: reward (n,)."""
        self._averages.update(self._walkers, state)
        return judge(self._config, self._walkers, state, action, self._effort / self._blocks, self._averages).reward
