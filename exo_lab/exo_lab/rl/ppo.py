# SPDX-License-Identifier: Apache-2.0
"""Builds rsl_rl's PPO, and turns its networks into tensors of the checkpoint format and back."""

from __future__ import annotations

import contextlib
import io
import math

import numpy as np
import torch
from rsl_rl.algorithms import PPO

from exo_lab.rl.config import PpoConfig
from exo_lab.rl.mirror import MirrorMap, MirrorModel
from exo_lab.rl.policy_average import PolicyAverage
from exo_lab.rl.rollout import SamplingPolicy
from exo_lab.rl.rsl_env import OBSERVATION_GROUP, PRIVILEGED_GROUP, LearnerView

#: Samples that a loaded observation normalisation counts for, so that the first new ones do not sweep it away.
NORMALISER_MEMORY = 1_000_000


def build_ppo(env: LearnerView, config: PpoConfig, mirror: MirrorMap | None) -> PPO:
    """rsl_rl's PPO for this environment; with a mirror, the policy is symmetric by construction,
    and so is the value unless it sees privileged signals."""
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
        if PRIVILEGED_GROUP not in env.get_observations().keys():
            critic |= {"class_name": MirrorModel, "mirror": mirror, "invariant": True}
    settings = {
        "num_steps_per_env": config.steps_per_iteration,
        # an asymmetric critic: it sees the policy's observation and whatever is privileged (Pinto et al. 2017)
        "obs_groups": {"actor": [OBSERVATION_GROUP], "critic": list(env.get_observations().keys())},
        "actor": {**actor, "distribution_cfg": distribution},
        "critic": critic,
        "algorithm": algorithm,
        "multi_gpu": None,
    }
    with contextlib.redirect_stdout(io.StringIO()):  # it prints both networks
        algorithm = PPO.construct_algorithm(env.get_observations(), env, settings, "cpu")
    if config.critic_learning_rate is not None:
        algorithm.optimizer = torch.optim.Adam(
            [
                {"params": list(algorithm.actor.parameters()), "lr": config.learning_rate},
                {"params": list(algorithm.critic.parameters()), "lr": config.critic_learning_rate},
            ]
        )
    algorithm.policy_average = PolicyAverage(algorithm.actor, config.averaged_iterations)
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
        self._observations = storage.observations.flatten(0, 1).select(OBSERVATION_GROUP).clone()
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
        set_learning_rate(algorithm, rate)
        return divergence


def set_learning_rate(algorithm: PPO, rate: float) -> None:
    """Sets the policy's learning rate, and the critic's where it has none of its own."""
    algorithm.learning_rate = rate
    algorithm.optimizer.param_groups[0]["lr"] = rate  # the policy's group, or the one for both


def actor_tensors(algorithm: PPO) -> dict[str, np.ndarray]:
    """The deterministic policy, averaged over the last iterations, as tensors of exo_policy.networks.MlpPolicy.

    A symmetric policy f(o) = 1/2 (g(o) + M g(M o)) becomes one plain network of twice the width, with g in one half
    and its mirror image in the other: whoever runs it needs to know nothing about mirrors.
    """
    actor = algorithm.get_policy()
    normaliser = actor.obs_normalizer
    mean, std = normaliser.mean.numpy(), (normaliser.std + normaliser.eps).numpy()
    with algorithm.policy_average.applied():
        weights = [layer.weight.detach().numpy().copy() for layer in _layers(actor)]
        biases = [layer.bias.detach().numpy().copy() for layer in _layers(actor)]
    if isinstance(actor, MirrorModel):
        weights, biases = _both_halves(weights, biases, mean, std, actor.mirror)
    tensors = {"obs_mean": mean.astype(np.float32), "obs_std": std.astype(np.float32)}
    for i, (weight, bias) in enumerate(zip(weights, biases)):
        tensors[f"layer{i}.weight"] = np.ascontiguousarray(weight, dtype=np.float32)
        tensors[f"layer{i}.bias"] = np.ascontiguousarray(bias, dtype=np.float32)
    return tensors


def sampling_policy(algorithm: PPO) -> SamplingPolicy:
    """The present policy with its exploration, for workers that have no torch."""
    actor = algorithm.get_policy()
    normaliser = actor.obs_normalizer
    mirror = None
    if isinstance(actor, MirrorModel):
        m = actor.mirror
        mirror = (
            np.array(m.observation_index),
            np.array(m.observation_sign, dtype=np.float32),
            np.array(m.action_index),
            np.array(m.action_sign, dtype=np.float32),
        )
    with torch.no_grad():
        actor.distribution.update(torch.zeros(1, actor.distribution.output_dim))
        std = actor.output_std[0].numpy()
    return SamplingPolicy(
        normaliser.mean.numpy().astype(np.float32),
        (normaliser.std + normaliser.eps).numpy().astype(np.float32),
        tuple(
            (np.ascontiguousarray(layer.weight.detach().numpy().T), layer.bias.detach().numpy())
            for layer in _layers(actor)
        ),
        std,
        mirror,
    )


def tensor_sizes(tensors: dict[str, np.ndarray]) -> tuple[int, ...]:
    """Layer sizes of a network: inputs, hidden, outputs."""
    count = sum(name.endswith(".weight") for name in tensors)
    weights = [tensors[f"layer{i}.weight"] for i in range(count)]
    return (weights[0].shape[1], *(weight.shape[0] for weight in weights))


def _layers(model: torch.nn.Module) -> list[torch.nn.Linear]:
    return [layer for layer in model.mlp if isinstance(layer, torch.nn.Linear)]


def _both_halves(weights, biases, mean, std, mirror):
    """Weights and biases of the doubled network, see actor_tensors."""
    index, sign = np.array(mirror.observation_index), np.array(mirror.observation_sign)
    # normalised mirrored observation as a function of the normalised one: x' = turn x + shift
    turn = np.zeros((len(mean), len(mean)))
    turn[np.arange(len(mean)), index] = sign * std[index] / std
    shift = (sign * mean[index] - mean) / std
    first, last = 0, len(weights) - 1
    doubled_weights, doubled_biases = [], []
    for i, (weight, bias) in enumerate(zip(weights, biases)):
        if i == first:
            halves = np.concatenate([weight, weight @ turn])
            bias = np.concatenate([bias, bias + weight @ shift])
        else:
            zero = np.zeros_like(weight)
            halves = np.block([[weight, zero], [zero, weight]])
            bias = np.concatenate([bias, bias])
        if i == last:
            outputs = len(mirror.action_index)
            action, action_sign = np.array(mirror.action_index), np.array(mirror.action_sign)
            halves = 0.5 * (halves[:outputs] + action_sign[:, None] * halves[outputs:][action])
            bias = 0.5 * (bias[:outputs] + action_sign * bias[outputs:][action])
        doubled_weights.append(halves)
        doubled_biases.append(bias)
    return doubled_weights, doubled_biases


def load_actor(algorithm: PPO, tensors: dict[str, np.ndarray]) -> None:
    """Starts the policy and its observation normalisation from tensors of `actor_tensors`."""
    actor = algorithm.get_policy()
    mean, std = torch.from_numpy(tensors["obs_mean"]), torch.from_numpy(tensors["obs_std"]) - actor.obs_normalizer.eps
    with torch.no_grad():
        for model in (actor, algorithm.critic):
            normaliser, size = model.obs_normalizer, len(mean)
            normaliser._mean[0, :size] = mean
            normaliser._std[0, :size] = std
            normaliser._var[0, :size] = std**2
            normaliser.count.fill_(NORMALISER_MEMORY)
        for i, layer in enumerate(_layers(actor)):
            # of a doubled network the first half; its last layer was halved, see actor_tensors
            weight = torch.from_numpy(tensors[f"layer{i}.weight"])
            bias = torch.from_numpy(tensors[f"layer{i}.bias"])
            rows, columns = layer.weight.shape
            doubled = weight.shape[1] == 2 * columns and weight.shape[0] == rows
            layer.weight.copy_(weight[:rows, :columns] * (2.0 if doubled else 1.0))
            layer.bias.copy_(bias[:rows])
    algorithm.policy_average.restart()
