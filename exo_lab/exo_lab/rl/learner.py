# SPDX-License-Identifier: Apache-2.0
"""One learner among those that act in the same environments: a PPO, its view of them, its own slower clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from exo_lab.rl.batch_env import StepResult
from exo_lab.rl.config import PpoConfig
from exo_lab.rl.mirror import MirrorMap
from exo_lab.rl.ppo import StepSize, bound_exploration, build_ppo, load_actor
from exo_lab.rl.rollout import Rollout
from exo_lab.rl.rsl_env import LearnerView


@dataclass(frozen=True)
class Partner:
    """A second learner in the same environments, whose results come as StepResult.partner.

    Its action follows the first one's in the environments' action and is asked for every `period` steps; in
    between it holds. `start` are tensors of its policy to start from. For the first `warm_up` iterations only its
    critic learns: a good policy must not be led astray by a critic that knows nothing yet.
    """

    config: PpoConfig
    mirror: MirrorMap | None
    action_size: int
    period: int = 1
    start: Mapping[str, np.ndarray] | None = None
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
        learner = cls(view, partner.config, partner.mirror, period=partner.period, warm_up=partner.warm_up)
        if partner.start is not None:
            load_actor(learner.algorithm, dict(partner.start))
        return learner

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
        algorithm, steps = self.algorithm, len(rollout.reward)
        storage = algorithm.storage
        with torch.inference_mode():
            observation = self.view.show(rollout.observation, rollout.privileged)
            values = algorithm.critic(observation.flatten(0, 1)).view(steps + 1, self.view.num_envs, 1)
            action = torch.from_numpy(rollout.action)
            algorithm.actor.distribution.update(torch.from_numpy(rollout.mean))
            parameters = algorithm.actor.output_distribution_params
            if storage.distribution_params is None:
                storage.distribution_params = tuple(torch.zeros_like(p) for p in parameters)
            for kept, new in zip(storage.distribution_params, parameters):
                kept.copy_(new)
            storage.observations.copy_(observation[:steps])
            storage.actions.copy_(action)
            storage.actions_log_prob.copy_(algorithm.actor.get_output_log_prob(action).unsqueeze(-1))
            storage.values.copy_(values[:steps])
            storage.dones.copy_(torch.from_numpy(rollout.terminated | rollout.truncated).unsqueeze(-1))
            # an episode that only ran out of time would have gone on: its value stands for the rest
            rest = self.config.gamma * values[:steps, :, 0] * torch.from_numpy(rollout.truncated)
            storage.rewards.copy_((torch.from_numpy(rollout.reward) + rest).unsqueeze(-1))
            storage.step = steps
        self._rewards.append(float(rollout.reward.mean()))

    def learn(self) -> dict[str, float]:
        """Learns from the rollout; returns figures for the log."""
        algorithm = self.algorithm
        step_size = StepSize(algorithm)
        warm = self.iterations < self._warm_up
        for parameter in algorithm.actor.parameters():
            parameter.requires_grad_(not warm)
        losses = algorithm.update()
        divergence = 0.0 if warm else step_size.adapt(algorithm, self.config)
        bound_exploration(algorithm, self.config)
        if not warm:
            algorithm.policy_average.update()
        self.iterations += 1
        return {
            "reward": float(np.mean(self._rewards)),
            "std": float(algorithm.actor.distribution.log_std_param.detach().exp().mean()),
            "learning_rate": algorithm.learning_rate,
            "divergence": divergence,
            **{f"loss_{name}": value for name, value in losses.items()},
        }

    def finish(self) -> None:
        """The rollout is complete: returns and advantages, within torch's inference mode."""
        with torch.inference_mode():
            self.algorithm.compute_returns(self.view.get_observations())
