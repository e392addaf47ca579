# SPDX-License-Identifier: Apache-2.0
"""The second stage: PPO on the wanted activations, from the imitating network on.

What exo_lab.rl's PPO has beside it here: exploration that is correlated between muscles as the last layer mixes them (in
the spirit of Lattice, Chiappa et al. 2023, NeurIPS: independent noise on 80 muscles cancels in the joints and only costs),
an anchor to the imitating network, so that a cheaper gait does not lose what keeps it upright, and a loss that keeps the
policy near its own mirror image.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from rsl_rl.modules.distribution import Distribution

from exo_lab.rl.config import PpoConfig
from exo_lab.rl.ppo import OBSERVATION_GROUP, AveragedPPO, LearnerView, build_ppo
from exo_lab.train.nerves.config import PriceConfig, ReinforcementConfig
from exo_lab.train.nerves.imitation import Student
from exo_sim.human.senses import muscle_mirror_index, senses_mirror_map


class CorrelatedGaussian(Distribution):
    """A normal distribution about the network's output with a covariance L L' that is set from outside.

    Args:
        output_dim: numbers in an action.
        std: standard deviation of each before the first call of `set_factor`.
    """

    def __init__(self, output_dim: int, std: float):
        super().__init__(output_dim)
        self.factor: torch.Tensor
        self.register_buffer("factor", std * torch.eye(output_dim))
        self._mean = torch.zeros(1, output_dim)

    def set_factor(self, factor: torch.Tensor) -> None:
        """Takes the lower triangular L (A, A)."""
        self.factor.copy_(factor)

    def update(self, mlp_output: torch.Tensor) -> None:
        """The network gives the mean."""
        self._mean = mlp_output

    def sample(self) -> torch.Tensor:
        """One action for each mean."""
        return self._mean + torch.randn_like(self._mean) @ self.factor.T

    def deterministic_output(self, mlp_output: torch.Tensor) -> torch.Tensor:
        """The mean."""
        return mlp_output

    @property
    def input_dim(self) -> int:
        """Numbers that the network gives."""
        return self.output_dim

    @property
    def mean(self) -> torch.Tensor:
        """Of the actions."""
        return self._mean

    @property
    def std(self) -> torch.Tensor:
        """Standard deviation of every number of the action, like the mean in shape."""
        return self.factor.norm(dim=1).expand_as(self._mean)

    @property
    def entropy(self) -> torch.Tensor:
        """Of each action's distribution, up to a constant."""
        return self.factor.diagonal().log().sum().expand(self._mean.shape[:-1])

    @property
    def params(self) -> tuple[torch.Tensor, ...]:
        """The means; the covariance is the same for all within an update."""
        return (self._mean,)

    def _whitened(self, deviation: torch.Tensor) -> torch.Tensor:
        flat = deviation.reshape(-1, self.output_dim)
        return torch.linalg.solve_triangular(self.factor, flat.T, upper=False).T.reshape(deviation.shape)

    def log_prob(self, outputs: torch.Tensor) -> torch.Tensor:
        """Of actions, up to a constant."""
        return -0.5 * self._whitened(outputs - self._mean).square().sum(dim=-1) - self.factor.diagonal().log().sum()

    def kl_divergence(self, old_params: tuple[torch.Tensor, ...], new_params: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Between two sets of means under the present covariance."""
        return 0.5 * self._whitened(new_params[0] - old_params[0]).square().sum(dim=-1)


class MusclePPO(AveragedPPO):
    """AveragedPPO for wanted activations; made by `build_muscle_ppo`."""

    def begin_from(self, tensors: Mapping[str, np.ndarray], stage: ReinforcementConfig) -> None:
        """Sets the policy and what it is anchored to: tensors of the imitating network.

        What is sensed stays normalised as it was there.
        """
        self._stage = stage
        self._anchor = Student.of(tensors).requires_grad_(False)
        index, sign = senses_mirror_map()
        self._index, self._sign = torch.from_numpy(index), torch.from_numpy(sign)
        self._muscles = torch.from_numpy(muscle_mirror_index())
        self.load_policy(tensors)
        for model in (self.actor, self.critic):
            model.obs_normalizer.until = 0
        self._keep_exploring()

    @torch.no_grad()
    def _keep_exploring(self) -> None:
        """Exploration is correlated as the present last layer mixes what the muscles do."""
        weight, stage = self._layers[-1].weight, self._stage
        covariance = weight @ weight.T
        covariance *= stage.exploration**2 / covariance.diagonal().mean()
        covariance += (stage.independent_share * stage.exploration) ** 2 * torch.eye(len(covariance))
        self.actor.distribution.set_factor(torch.linalg.cholesky(covariance))

    @property
    def exploration(self) -> float:
        """Mean standard deviation of the policy's actions."""
        return float(self.actor.distribution.factor.norm(dim=1).mean())

    def _deviation(self) -> np.ndarray:
        return self.actor.distribution.factor.numpy().copy()

    def update(self) -> dict[str, float]:
        """rsl_rl's update with an anchor and a mirror image in the loss; returns mean losses."""
        stage, storage = self._stage, self.storage
        observations = storage.observations.flatten(0, 1)
        seen = observations[OBSERVATION_GROUP]
        actions, returns = storage.actions.flatten(0, 1), storage.returns.flatten(0, 1).squeeze(-1)
        old_log_prob = storage.actions_log_prob.flatten(0, 1).squeeze(-1)
        advantages = storage.advantages.flatten(0, 1).squeeze(-1)
        with torch.no_grad():
            anchored = self._anchor(seen)
        learns = any(parameter.requires_grad for parameter in self.actor.parameters())
        sums: dict[str, list[float]] = {"value": [], "surrogate": [], "anchor": [], "mirror": []}
        for _ in range(self.num_learning_epochs):
            for rows in torch.randperm(len(seen)).chunk(self.num_mini_batches):
                batch = observations[rows]
                value = (self.critic(batch).squeeze(-1) - returns[rows]).square().mean()
                loss = self.value_loss_coef * value
                sums["value"].append(float(value.detach()))
                if learns:
                    mean = self.actor(batch)
                    self.actor.distribution.update(mean)
                    ratio = (self.actor.get_output_log_prob(actions[rows]) - old_log_prob[rows]).exp()
                    gain = advantages[rows]
                    surrogate = -torch.min(
                        ratio * gain, ratio.clamp(1.0 - self.clip_param, 1.0 + self.clip_param) * gain
                    ).mean()
                    anchor = (mean - anchored[rows]).square().sum(dim=-1).mean()
                    mirror = self._mirror_loss(batch, mean)
                    loss = loss + surrogate + stage.anchor * anchor + stage.mirror * mirror
                    for name, part in (("surrogate", surrogate), ("anchor", anchor), ("mirror", mirror)):
                        sums[name].append(float(part.detach()))
                self.optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(self.actor.parameters(), self.max_grad_norm)
                torch.nn.utils.clip_grad_norm_(self.critic.parameters(), self.max_grad_norm)
                self.optimizer.step()
        storage.clear()
        return {name: float(np.mean(values)) if values else 0.0 for name, values in sums.items()}

    def _mirror_loss(self, batch, mean: torch.Tensor) -> torch.Tensor:
        """Of a quarter of the batch, which is enough for what changes slowly."""
        count = max(len(mean) // 4, 1)
        image = batch[:count].clone()
        image[OBSERVATION_GROUP] = self._sign * image[OBSERVATION_GROUP][:, self._index]
        target = mean[:count, self._muscles].detach()
        return (self.actor(image) - target).square().sum(dim=-1).mean()


def build_muscle_ppo(env: LearnerView, config: PpoConfig, mirror: None) -> MusclePPO:
    """The PPO of nerves; `begin_from` must follow."""
    distribution = {"class_name": CorrelatedGaussian, "std": config.initial_std}
    algorithm = build_ppo(env, config, mirror, MusclePPO, distribution)
    assert isinstance(algorithm, MusclePPO)
    return algorithm


class RisingPrice:
    """Price of metabolic power, as Trainer's curriculum: it rises only while nobody falls, and gives way where they do.

    Args:
        config: of the price.
        episode_s: longest episode (s).
    """

    def __init__(self, config: PriceConfig, episode_s: float):
        self._config, self._episode_s = config, episode_s
        self._price = config.first
        self._samples: int | None = None  # at the last call

    def __call__(self, samples: int, episode_s: float) -> dict[str, float]:
        """The price after so many samples, with episodes lasting so long on average (s)."""
        config, share = self._config, episode_s / self._episode_s
        new = 0 if self._samples is None else samples - self._samples
        change = (config.last - config.first) * new / config.rise_samples
        if share >= config.rise_from:
            self._price += change
        elif share < config.fall_below:
            self._price -= change
        self._price = min(max(self._price, config.first), config.last)
        self._samples = samples
        return self._settings()

    def resume(self, settings: dict[str, float]) -> None:
        """Goes on from this price."""
        self._price = float(settings.get("price", self._config.first))

    def _settings(self) -> dict[str, float]:
        return {"price": round(self._price, 6)}
