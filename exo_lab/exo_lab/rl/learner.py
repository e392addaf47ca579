# SPDX-License-Identifier: Apache-2.0
"""One learner among those that act in the same environments: a PPO, its view of them, its own slower clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from exo_lab.rl.batch_env import StepResult
from exo_lab.rl.config import PpoConfig
from exo_lab.rl.mirror import MirrorMap
from exo_lab.rl.ppo import build_ppo
from exo_lab.rl.rollout import Rollout
from exo_lab.rl.rsl_env import LearnerView


@dataclass(frozen=True)
class Partner:
    """A second learner in the same environments, whose results come as StepResult.partner.

    Its action follows the first one's in the environments' action and is asked for every `period` steps; in
    between it holds. For the first `warm_up` iterations only its critic learns: a good policy must not be led astray
    by a critic that knows nothing yet.
    """

    config: PpoConfig
    mirror: MirrorMap | None
    action_size: int
    period: int = 1
    warm_up: int = 0


class Learner:
    """Collects and learns from what one view of the environments shows.

    Args:
        view: of the environments.
        config: of its PPO.
        mirror: left-right symmetry of its task, or None.
        period: steps of the environments for one action of this learner.
        warm_up: iterations in which only the critic learns.
    """

    def __init__(
        self, view: LearnerView, config: PpoConfig, mirror: MirrorMap | None, *, period: int = 1, warm_up: int = 0
    ) -> None:
        self.view, self.config, self.period = view, config, period
        self.algorithm = build_ppo(view, config, mirror)
        self.iterations = 0
        self._warm_up = warm_up
        self._action = np.zeros((view.num_envs, view.num_actions), dtype=np.float32)
        self._held: StepResult | None = None
        self._rewards: list[float] = []

    @classmethod
    def of_partner(cls, partner: Partner, first: StepResult, max_episode_steps: int) -> Learner:
        """The learner of a partner, with the result of the environments' reset."""
        view = LearnerView(first, partner.action_size, max_episode_steps // partner.period)
        return cls(view, partner.config, partner.mirror, period=partner.period, warm_up=partner.warm_up)

    def begin(self) -> None:
        """A new rollout."""
        self.algorithm.train_mode()
        self._rewards.clear()

    def act(self, step: int) -> np.ndarray:
        """This learner's action (n, A) for a step of the rollout: a new one at its own steps."""
        if step % self.period == 0:
            self._action = self.algorithm.act(self.view.get_observations()).numpy()
        return self._action

    def take(self, step: int, result: StepResult) -> None:
        """Takes in what came of a step of the environments; between its own steps rewards add up."""
        held = self._held
        if held is not None:
            # what follows the end of an episode within one action belongs to the next one, which has not acted yet
            over = held.terminated | held.truncated
            result = StepResult(
                result.observation,
                held.reward + np.where(over, 0.0, result.reward).astype(np.float32),
                held.terminated | (result.terminated & ~over),
                held.truncated | (result.truncated & ~over),
                result.metrics,
                result.episode_seconds,
                result.privileged,
            )
        if (step + 1) % self.period:
            self._held = result
            return
        self._held = None
        observation, reward, done, extras = self.view.take(result)
        self._rewards.append(float(reward.mean()))
        self.algorithm.process_env_step(observation, reward, done, extras)

    def take_rollout(self, rollout: Rollout) -> None:
        """Takes in a whole rollout that workers collected with this learner's policy, as `take` would step by step."""
        self.algorithm.take_rollout(rollout, self.view)
        self._rewards.append(float(rollout.reward.mean()))

    def learn(self) -> dict[str, float]:
        """Learns from the rollout; returns figures for the log."""
        figures = self.algorithm.learn(critic_only=self.iterations < self._warm_up)
        self.iterations += 1
        return {
            "reward": float(np.mean(self._rewards)),
            "std": self.algorithm.exploration,
            "learning_rate": self.algorithm.learning_rate,
            **figures,
        }

    def finish(self) -> None:
        """The rollout is complete: returns and advantages, within torch's inference mode."""
        with torch.inference_mode():
            self.algorithm.compute_returns(self.view.get_observations())
