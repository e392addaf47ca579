# SPDX-License-Identifier: Apache-2.0
"""Builds rsl_rl's PPO, and turns its networks into tensors of the checkpoint format and back."""

from __future__ import annotations

import contextlib
import io
import math

import numpy as np
import torch
from rsl_rl.algorithms import PPO

from exo_policy.training.config import PpoConfig
from exo_policy.training.mirror import MirrorMap, MirrorModel
from exo_policy.training.rsl_env import OBSERVATION_GROUP, RslEnv

#: Samples that a loaded observation normalisation counts for, so that the first new ones do not sweep it away.
NORMALISER_MEMORY = 1_000_000


def build_ppo(env: RslEnv, config: PpoConfig, mirror: MirrorMap | None) -> PPO:
    """rsl_rl's PPO for this environment; with a mirror, policy and value are symmetric by construction."""
    model = {
        "class_name": "MLPModel",
        "hidden_dims": list(config.hidden_layers),
        "activation": "elu",
        "obs_normalization": True,
    }
    distribution = {"class_name": "GaussianDistribution", "init_std": config.initial_std, "std_type": "log"}
    algorithm = {
        "class_name": "PPO",
        "num_learning_epochs": config.epochs,
        "num_mini_batches": config.mini_batches,
        "clip_param": config.clip,
        "gamma": config.gamma,
        "lam": config.gae_lambda,
        "value_loss_coef": config.value_weight,
        "entropy_coef": config.entropy_weight,
        "learning_rate": config.learning_rate,
        "max_grad_norm": config.gradient_norm,
        # returns are tens of times the clip range: clipping value changes would stop the critic from learning
        "use_clipped_value_loss": False,
        # rsl_rl's own schedule changes the step size within an update and leaves it at its floor; see StepSize
        "schedule": "fixed",
        "desired_kl": None,
    }
    actor, critic = dict(model), dict(model)
    if mirror is not None:
        actor |= {"class_name": MirrorModel, "mirror": mirror, "invariant": False}
        critic |= {"class_name": MirrorModel, "mirror": mirror, "invariant": True}
    settings = {
        "num_steps_per_env": config.steps_per_iteration,
        "obs_groups": {"actor": [OBSERVATION_GROUP], "critic": [OBSERVATION_GROUP]},
        "actor": {**actor, "distribution_cfg": distribution},
        "critic": critic,
        "algorithm": algorithm,
        "multi_gpu": None,
    }
    with contextlib.redirect_stdout(io.StringIO()):       # it prints both networks
        algorithm = PPO.construct_algorithm(env.get_observations(), env, settings, "cpu")
    # a policy that starts near zero starts from the reference motion itself
    last = [layer for layer in algorithm.actor.mlp if isinstance(layer, torch.nn.Linear)][-1]
    with torch.no_grad():
        last.weight.mul_(0.01)
        last.bias.zero_()
    return algorithm


def bound_exploration(algorithm: PPO, config: PpoConfig) -> None:
    """Keeps exploration above its floor, after an update."""
    with torch.no_grad():
        algorithm.actor.distribution.log_std_param.clamp_(min=math.log(config.min_std))


class StepSize:
    """Adapts the learning rate from update to update to the divergence that the update made.

    Made before the update, which clears the rollouts; `adapt` is called after it.
    """

    #: Above and below these multiples of the desired divergence the rate changes by FACTOR.
    BAND = (0.6, 1.5)
    FACTOR = 1.4

    def __init__(self, algorithm: PPO) -> None:
        storage = algorithm.storage
        self._observations = storage.observations.flatten(0, 1).clone()
        self._before = tuple(p.flatten(0, 1).clone() for p in storage.distribution_params)

    def adapt(self, algorithm: PPO, config: PpoConfig) -> float:
        """Sets the next learning rate; returns the Kullback-Leibler divergence of the update just made."""
        actor = algorithm.actor
        with torch.inference_mode():
            actor(self._observations, stochastic_output=True)
            divergence = float(actor.get_kl_divergence(self._before, actor.output_distribution_params).mean())
        low, high = (share * config.desired_kl for share in self.BAND)
        rate = algorithm.learning_rate
        if divergence > high:
            rate = max(rate / self.FACTOR, config.min_learning_rate)
        elif divergence < low:
            rate = min(rate * self.FACTOR, config.max_learning_rate)
        algorithm.learning_rate = rate
        for group in algorithm.optimizer.param_groups:
            group["lr"] = rate
        return divergence


def actor_tensors(algorithm: PPO) -> dict[str, np.ndarray]:
    """The deterministic policy as tensors of exo_policy.networks.MlpPolicy."""
    actor = algorithm.get_policy()
    normaliser = actor.obs_normalizer
    tensors = {
        "obs_mean": normaliser.mean.numpy().astype(np.float32),
        "obs_std": (normaliser.std + normaliser.eps).numpy().astype(np.float32),
    }
    layers = [layer for layer in actor.mlp if isinstance(layer, torch.nn.Linear)]
    for i, layer in enumerate(layers):
        tensors[f"layer{i}.weight"] = layer.weight.detach().numpy().copy()
        tensors[f"layer{i}.bias"] = layer.bias.detach().numpy().copy()
    return tensors


def actor_sizes(algorithm: PPO) -> tuple[int, ...]:
    """Layer sizes of the policy: inputs, hidden, outputs."""
    layers = [layer for layer in algorithm.get_policy().mlp if isinstance(layer, torch.nn.Linear)]
    return (layers[0].in_features, *(layer.out_features for layer in layers))


def load_actor(algorithm: PPO, tensors: dict[str, np.ndarray]) -> None:
    """Starts the policy and its observation normalisation from tensors of `actor_tensors`."""
    actor = algorithm.get_policy()
    normaliser = actor.obs_normalizer
    layers = [layer for layer in actor.mlp if isinstance(layer, torch.nn.Linear)]
    with torch.no_grad():
        std = torch.from_numpy(tensors["obs_std"]) - normaliser.eps
        for model in (normaliser, algorithm.critic.obs_normalizer):
            model._mean.copy_(torch.from_numpy(tensors["obs_mean"])[None])
            model._std.copy_(std[None])
            model._var.copy_(std[None] ** 2)
            model.count.fill_(NORMALISER_MEMORY)
        for i, layer in enumerate(layers):
            layer.weight.copy_(torch.from_numpy(tensors[f"layer{i}.weight"]))
            layer.bias.copy_(torch.from_numpy(tensors[f"layer{i}.bias"]))
