# SPDX-License-Identifier: Apache-2.0
"""A task that is learned in seconds, for tests of the training loop."""

import numpy as np

from exo_lab.rl.env import StepResult


class ReachEnv:
    """Reward for an action equal to the first two observations: learnable in seconds, mirror symmetric."""

    count, observation_size, action_size = 8, 3, 2

    def __init__(self, seed=0, privileged=False):
        self._random, self._privileged = np.random.default_rng(seed), privileged

    def _result(self, reward):
        self._observation = self._random.normal(0.3, 0.5, (self.count, 3)).astype(np.float32)
        ended = self._random.random(self.count) < 0.1
        extra = self._random.normal(size=(self.count, 2)).astype(np.float32) if self._privileged else None
        return StepResult(
            self._observation,
            reward.astype(np.float32),
            ended,
            np.zeros(self.count, bool),
            {"x": 1.0},
            [1.0] * int(ended.sum()),
            extra,
        )

    def reset(self):
        return self._result(np.zeros(self.count))

    def step(self, action):
        return self._result(-((action - self._observation[:, :2]) ** 2).sum(axis=1))

    def configure(self, settings):
        if settings.get("break"):
            raise ValueError("broken on purpose")


def make_env(worker, seed):
    return ReachEnv(seed)


class PairEnv(ReachEnv):
    """Two learners in one environment: each is to answer with its own sum of what it sees."""

    action_size = 3  # two of the learner, one of its partner

    def _result(self, reward):
        result = super()._result(reward)
        result.partner = StepResult(
            result.observation[:, ::-1].copy(),
            self._partner_reward.astype(np.float32),
            result.terminated,
            result.truncated,
            {},
            [],
        )
        return result

    def reset(self):
        self._partner_reward = np.zeros(self.count)
        return super().reset()

    def step(self, action):
        # the partner acts every second step only; what it gave then holds
        self._partner_reward = -((action[:, 2] - 0.5) ** 2)
        return super().step(action[:, :2])


def make_pair(worker, seed):
    return PairEnv(seed)
