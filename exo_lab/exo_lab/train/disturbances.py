# SPDX-License-Identifier: Apache-2.0
"""What goes wrong while people walk: pushes at the pelvis and senses that err."""

from __future__ import annotations

import numpy as np

from exo_lab.train.config import DisturbanceConfig
from exo_sim.body.model import PELVIS_BODY
from exo_sim.human.observation import HUMAN_TERMS, POLICY_RATE_HZ
from exo_sim.human.walkers import Walkers


class RandomPushes:
    """Horizontal forces of random size, direction and duration at the pelvis, now and then.

    Attributes:
        level: share of the largest force that is drawn, 0 to 1.
    """

    def __init__(self, walkers: Walkers, config: DisturbanceConfig, random: np.random.Generator):
        self.level = 0.0
        self._config, self._random = config, random
        self._pelvis = walkers.body.model.body(PELVIS_BODY).id
        self._remaining_s = np.zeros(walkers.count)

    def forget(self, i: int) -> None:
        """Ends the push on person i."""
        self._remaining_s[i] = 0.0

    def apply(self, walkers: Walkers) -> None:
        """Starts, holds and ends pushes for the coming policy period."""
        if self.level == 0.0:
            return
        period, random, config = 1.0 / POLICY_RATE_HZ, self._random, self._config
        ending = (self._remaining_s > 0.0) & (self._remaining_s <= period)
        self._remaining_s = np.maximum(self._remaining_s - period, 0.0)
        for i in np.flatnonzero(ending):
            walkers.datas[i].xfrc_applied[self._pelvis, :2] = 0.0
        for i in np.flatnonzero(
            (random.random(walkers.count) < period / config.push_every_s) & (self._remaining_s == 0.0)
        ):
            force = self.level * random.uniform(0.0, config.push_force_n)
            direction = random.uniform(0.0, 2.0 * np.pi)
            walkers.datas[i].xfrc_applied[self._pelvis, :2] = force * np.cos(direction), force * np.sin(direction)
            self._remaining_s[i] = random.uniform(*config.push_duration_s)


class SensorNoise:
    """White noise on what the policy senses of its body.

    Attributes:
        level: share of the configured deviations, 0 to 1.
    """

    def __init__(self, config: DisturbanceConfig, random: np.random.Generator):
        self.level = 0.0
        self._random = random
        self._deviation = np.concatenate(
            [np.full(term.size, config.sensor_noise.get(term.name, 0.0) * term.scale) for term in HUMAN_TERMS]
        ).astype(np.float32)

    def __call__(self, observation: np.ndarray) -> np.ndarray:
        """The observation (n, O) with noise."""
        if self.level == 0.0:
            return observation
        noise = self._random.standard_normal(observation.shape, dtype=np.float32)
        return observation + self.level * self._deviation * noise
