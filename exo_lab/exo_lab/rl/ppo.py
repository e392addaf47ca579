# SPDX-License-Identifier: Apache-2.0
"""The project's PPO: rsl_rl's, with what a training here needs beside it, all in one subclass.

What is added: a step size that follows the divergence from update to update, a floor of exploration, iterations in
which only the critic learns, the policy's mean over the last iterations, rollouts that workers without torch collected,
networks that are left-right symmetric by construction, and networks and state as plain tensors. Nobody outside this file
touches rsl_rl's attributes.
"""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from rsl_rl.algorithms import PPO
from rsl_rl.env import VecEnv
from rsl_rl.models import MLPModel
from tensordict import TensorDict

from exo_lab.rl.config import PpoConfig
from exo_lab.rl.env import MirrorMap, StepResult
from exo_lab.rl.workers import Rollout, SamplingPolicy


class MirrorModel(MLPModel):
    """An MLPModel averaged with its mirror image.

    Args:
        mirror: of the task.
        invariant: the output is the same for the mirror image (a value), instead of its mirror image (an action).
    """

    def __init__(self, *args, mirror: MirrorMap, invariant: bool, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.mirror = mirror
        self._observation_index = torch.tensor(mirror.observation_index)
        self._observation_sign = torch.tensor(mirror.observation_sign)
        self._output = None if invariant else (torch.tensor(mirror.action_index), torch.tensor(mirror.action_sign))

    def forward(self, obs, masks=None, hidden_state=None, stochastic_output=False) -> torch.Tensor:
        """As MLPModel.forward, for feed-forward networks."""
        own = torch.cat([obs[group] for group in self.obs_groups], dim=-1)
        mirrored = own[..., self._observation_index] * self._observation_sign
        direct, other = self.mlp(self.obs_normalizer(torch.cat([own, mirrored]))).chunk(2)
        if self._output is not None:
            index, sign = self._output
            other = other[..., index] * sign
        output = 0.5 * (direct + other)
        if self.distribution is None:
            return output
        if stochastic_output:
            self.distribution.update(output)
            return self.distribution.sample()
        return self.distribution.deterministic_output(output)


OBSERVATION_GROUP, PRIVILEGED_GROUP = "policy", "privileged"


class LearnerView(VecEnv):
    """What one learner sees of the environments: numpy batches as TensorDicts. `last` is the newest result.

    Args:
        first: result of the reset.
        actions: numbers in this learner's action.
        max_episode_steps: length of an episode that does not fail, in steps of this learner.
    """

    def __init__(self, first: StepResult, actions: int, max_episode_steps: int) -> None:
        self.num_envs, self.num_actions = len(first.reward), actions
        self.max_episode_length = max_episode_steps
        self.episode_length_buf = torch.zeros(self.num_envs, dtype=torch.long)
        self.device, self.cfg = "cpu", {}
        self.last = first
        self._observation = self._pack(first)

    def get_observations(self) -> TensorDict:
        return self._observation

    def record(self, result: StepResult):
        """Takes in a step; returns observation, reward, done and extras as rsl_rl wants them."""
        self.last = result
        self._observation = self._pack(result)
        done = torch.from_numpy(result.terminated | result.truncated)
        self.episode_length_buf += 1
        self.episode_length_buf[done] = 0
        extras = {"time_outs": torch.from_numpy(result.truncated.astype(np.float32))}
        return self._observation, torch.from_numpy(result.reward), done.float(), extras

    def show(self, observation: np.ndarray, privileged: np.ndarray | None) -> TensorDict:
        """Takes in observations over time (T + 1, n, ...) and returns them; the last ones are the present ones."""
        groups = {OBSERVATION_GROUP: torch.from_numpy(observation)}
        if privileged is not None:
            groups[PRIVILEGED_GROUP] = torch.from_numpy(privileged)
        whole = TensorDict(groups, batch_size=observation.shape[:2])
        self._observation = whole[-1]
        return whole

    def step(self, actions: torch.Tensor):
        """A view does not step: whoever owns the environments does."""
        raise NotImplementedError("step the environments and hand the result to record()")

    def _pack(self, result: StepResult) -> TensorDict:
        groups = {OBSERVATION_GROUP: torch.from_numpy(result.observation)}
        if result.privileged is not None:
            groups[PRIVILEGED_GROUP] = torch.from_numpy(result.privileged)
        return TensorDict(groups, batch_size=[self.num_envs])


#: Samples that a loaded observation normalisation counts for, so that the first new ones do not sweep it away.
NORMALISER_MEMORY = 1_000_000
#: Above and below these multiples of the desired divergence the step size changes by STEP_FACTOR.
DIVERGENCE_BAND = (0.6, 1.5)
STEP_FACTOR = 1.4
#: Before the names of the mean parameters of a policy in a state.
AVERAGE = "average."


class PolicyAverage:
    """Running mean of a network's parameters.

    Args:
        network: whose parameters are averaged.
        iterations: over about so many of the last; 1 is the network as it is.
    """

    def __init__(self, network: torch.nn.Module, iterations: int) -> None:
        self._network, self._iterations = network, iterations
        self._mean: dict[str, torch.Tensor] = {}
        self._count = 0

    def restart(self) -> None:
        """Forgets what has been, as the network has been replaced."""
        self._mean, self._count = {}, 0

    @torch.no_grad()
    def update(self) -> None:
        """Takes in the network after an iteration."""
        self._count = min(self._count + 1, self._iterations)
        for name, value in self._network.named_parameters():
            mean = self._mean.setdefault(name, value.detach().clone())
            mean += (value - mean) / self._count

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Within it the network has the mean parameters."""
        parameters = {name: value for name, value in self._network.named_parameters() if name in self._mean}
        own = {name: value.detach().clone() for name, value in parameters.items()}
        with torch.no_grad():
            for name, value in parameters.items():
                value.copy_(self._mean[name])
        try:
            yield
        finally:
            with torch.no_grad():
                for name, value in parameters.items():
                    value.copy_(own[name])

    def state(self) -> dict[str, torch.Tensor]:
        """What it needs to go on, as tensors; empty before the first iteration."""
        return {**self._mean, "count": torch.tensor([self._count])} if self._mean else {}

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """Goes on from `state`; from nothing where that is empty, as in files of before there were means."""
        self.restart()
        if state:
            self._count = int(state["count"])
            self._mean = {name: value.clone() for name, value in state.items() if name != "count"}


class AveragedPPO(PPO):
    """rsl_rl's PPO for one learner; made by `build_ppo`.

    Attributes:
        average: the policy's mean over its last iterations.
    """

    config: PpoConfig
    average: PolicyAverage

    def configure(self, config: PpoConfig) -> None:
        """Takes over what rsl_rl does not know; once, after it was made."""
        self.config = config
        if config.critic_learning_rate is not None:
            self.optimizer = torch.optim.Adam(
                [
                    {"params": list(self.actor.parameters()), "lr": config.learning_rate},
                    {"params": list(self.critic.parameters()), "lr": config.critic_learning_rate},
                ]
            )
        self.average = PolicyAverage(self.actor, config.averaged_iterations)
        # a policy that starts near zero starts from the reference motion itself
        last = self._layers[-1]
        with torch.no_grad():
            last.weight.mul_(0.01)
            last.bias.zero_()

    @property
    def _layers(self) -> list[torch.nn.Linear]:
        return [layer for layer in self.actor.mlp if isinstance(layer, torch.nn.Linear)]

    @property
    def exploration(self) -> float:
        """Mean standard deviation of the policy's actions."""
        return float(self.actor.distribution.log_std_param.detach().exp().mean())

    # --- learning

    def learn(self, critic_only: bool = False) -> dict[str, float]:
        """An update from the collected rollout; returns losses and the divergence (Kullback-Leibler) that it made.

        critic_only: a policy that begins trained waits for a critic that knows nothing yet.
        """
        for parameter in self.actor.parameters():
            parameter.requires_grad_(not critic_only)
        storage = self.storage
        observations = storage.observations.flatten(0, 1).select(OBSERVATION_GROUP).clone()
        before = tuple(p.flatten(0, 1).clone() for p in storage.distribution_params)
        losses = self.update()
        divergence = 0.0 if critic_only else self._adapt_step(observations, before)
        self._keep_exploring()
        if not critic_only:
            self.average.update()
        return {"divergence": divergence, **{f"loss_{name}": value for name, value in losses.items()}}

    @torch.no_grad()
    def _keep_exploring(self) -> None:
        self.actor.distribution.log_std_param.clamp_(min=math.log(self.config.min_std))

    def _adapt_step(self, observations, before: tuple[torch.Tensor, ...]) -> float:
        """Sets the next learning rate; returns the divergence of the update just made."""
        with torch.inference_mode():
            self.actor(observations, stochastic_output=True)
            divergence = float(self.actor.get_kl_divergence(before, self.actor.output_distribution_params).mean())
        low, high = (share * self.config.desired_kl for share in DIVERGENCE_BAND)
        rate = self.learning_rate
        if divergence > high:
            rate = max(rate / STEP_FACTOR, self.config.min_learning_rate)
        elif divergence < low:
            rate = min(rate * STEP_FACTOR, self.config.max_learning_rate)
        self.set_learning_rate(rate)
        return divergence

    def set_learning_rate(self, rate: float) -> None:
        """Sets the policy's learning rate, and the critic's where it has none of its own."""
        self.learning_rate = rate
        self.optimizer.param_groups[0]["lr"] = rate  # the policy's group, or the one for both

    @torch.inference_mode()
    def record_rollout(self, rollout: Rollout, view: LearnerView) -> None:
        """Takes in a whole rollout that workers collected with this policy, as act and process_env_step would."""
        storage, steps = self.storage, len(rollout.reward)
        observation = view.show(rollout.observation, rollout.privileged)
        values = self.critic(observation.flatten(0, 1)).view(steps + 1, view.num_envs, 1)
        action = torch.from_numpy(rollout.action)
        self.actor.distribution.update(torch.from_numpy(rollout.mean))
        parameters = self.actor.output_distribution_params
        if storage.distribution_params is None:
            storage.distribution_params = tuple(torch.zeros_like(p) for p in parameters)
        for kept, new in zip(storage.distribution_params, parameters, strict=True):
            kept.copy_(new)
        storage.observations.copy_(observation[:steps])
        storage.actions.copy_(action)
        storage.actions_log_prob.copy_(self.actor.get_output_log_prob(action).unsqueeze(-1))
        storage.values.copy_(values[:steps])
        storage.dones.copy_(torch.from_numpy(rollout.terminated | rollout.truncated).unsqueeze(-1))
        # an episode that only ran out of time would have gone on: its value stands for the rest
        rest = self.config.gamma * values[:steps, :, 0] * torch.from_numpy(rollout.truncated)
        storage.rewards.copy_((torch.from_numpy(rollout.reward) + rest).unsqueeze(-1))
        storage.step = steps

    # --- the policy as arrays

    def policy_tensors(self) -> dict[str, np.ndarray]:
        """The deterministic policy, averaged over the last iterations, as tensors of exo_policy.networks.MlpPolicy.

        A symmetric policy f(o) = 1/2 (g(o) + M g(M o)) becomes one plain network of twice the width, with g in one half
        and its mirror image in the other: whoever runs it needs to know nothing about mirrors.
        """
        actor = self.actor
        mean, std = self._normalisation()
        with self.average.applied():
            weights = [layer.weight.detach().numpy().copy() for layer in self._layers]
            biases = [layer.bias.detach().numpy().copy() for layer in self._layers]
        if isinstance(actor, MirrorModel):
            weights, biases = _both_halves(weights, biases, mean, std, actor.mirror)
        tensors = {"obs_mean": mean.astype(np.float32), "obs_std": std.astype(np.float32)}
        for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            tensors[f"layer{i}.weight"] = np.ascontiguousarray(weight, dtype=np.float32)
            tensors[f"layer{i}.bias"] = np.ascontiguousarray(bias, dtype=np.float32)
        return tensors

    def _normalisation(self) -> tuple[np.ndarray, np.ndarray]:
        normaliser = self.actor.obs_normalizer
        return normaliser.mean.numpy(), (normaliser.std + normaliser.eps).numpy()

    def sampling_policy(self) -> SamplingPolicy:
        """The present policy with its exploration, for workers that have no torch."""
        actor, mirror = self.actor, None
        if isinstance(actor, MirrorModel):
            m = actor.mirror
            mirror = (
                np.array(m.observation_index),
                np.array(m.observation_sign, dtype=np.float32),
                np.array(m.action_index),
                np.array(m.action_sign, dtype=np.float32),
            )
        std = self._deviation()
        mean, spread = self._normalisation()
        layers = (
            (np.ascontiguousarray(layer.weight.detach().numpy().T), layer.bias.detach().numpy())
            for layer in self._layers
        )
        return SamplingPolicy(mean.astype(np.float32), spread.astype(np.float32), tuple(layers), std, mirror)

    @torch.no_grad()
    def _deviation(self) -> np.ndarray:
        """Of actions, as SamplingPolicy.std."""
        self.actor.distribution.update(torch.zeros(1, self.actor.distribution.output_dim))
        return self.actor.output_std[0].numpy()

    def load_policy(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Starts the policy and the normalisation of observations from tensors of `policy_tensors`."""
        mean = torch.from_numpy(tensors["obs_mean"])
        std = torch.from_numpy(tensors["obs_std"]) - self.actor.obs_normalizer.eps
        with torch.no_grad():
            for model in (self.actor, self.critic):
                normaliser, size = model.obs_normalizer, len(mean)
                normaliser._mean[0, :size] = mean
                normaliser._std[0, :size] = std
                normaliser._var[0, :size] = std**2
                normaliser.count.fill_(NORMALISER_MEMORY)
            for i, layer in enumerate(self._layers):
                # of a doubled network the first half; its last layer was halved, see policy_tensors
                weight = torch.from_numpy(tensors[f"layer{i}.weight"])
                bias = torch.from_numpy(tensors[f"layer{i}.bias"])
                rows, columns = layer.weight.shape
                doubled = weight.shape[1] == 2 * columns and weight.shape[0] == rows
                layer.weight.copy_(weight[:rows, :columns] * (2.0 if doubled else 1.0))
                layer.bias.copy_(bias[:rows])
        self.average.restart()

    # --- the whole state, for a training that goes on

    def state_tensors(self) -> dict[str, torch.Tensor]:
        """Networks, mean policy and optimiser."""
        tensors = {}
        for part, model in (("actor", self._raw_actor), ("critic", self._raw_critic)):
            for name, value in model.state_dict().items():
                tensors[f"{part}.{name}"] = value.contiguous().clone()
        for name, value in self.average.state().items():
            tensors[f"{AVERAGE}{name}"] = value.contiguous().clone()
        for index, entry in self.optimizer.state_dict()["state"].items():
            for name, value in entry.items():
                tensors[f"optimizer.{index}.{name}"] = value.contiguous().clone()
        return tensors

    def restore(self, tensors: Mapping[str, torch.Tensor], learning_rate: float) -> None:
        """Goes on from `state_tensors`.

        Raises:
            RuntimeError, KeyError, ValueError: of networks of another shape.
        """

        def part(prefix: str) -> dict[str, torch.Tensor]:
            return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}

        self._raw_actor.load_state_dict(part("actor."))
        self._raw_critic.load_state_dict(part("critic."))
        self.average.restore(part(AVERAGE))
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, value in part("optimizer.").items():
            index, key = name.split(".", 1)
            state.setdefault(int(index), {})[key] = value
        self.optimizer.load_state_dict({"state": state, "param_groups": self.optimizer.state_dict()["param_groups"]})
        self.set_learning_rate(learning_rate)


def build_ppo(
    env: LearnerView,
    config: PpoConfig,
    mirror: MirrorMap | None,
    kind: type[AveragedPPO] = AveragedPPO,
    distribution: dict[str, Any] | None = None,
) -> AveragedPPO:
    """The PPO of a learner that sees this; with a mirror, the policy is symmetric by construction,
    and so is the value unless it sees privileged signals.

    Args:
        kind: of the algorithm.
        distribution: rsl_rl's settings of how actions are drawn; independently by default.
    """
    model = {
        "class_name": "MLPModel",
        "hidden_dims": list(config.hidden_layers),
        "activation": "elu",
        "obs_normalization": True,
    }
    independent = {"class_name": "GaussianDistribution", "init_std": config.initial_std, "std_type": "log"}
    algorithm = {
        "class_name": kind,
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
        # rsl_rl's own schedule changes the step size within an update and leaves it at its floor; see learn
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
        "actor": {**actor, "distribution_cfg": distribution or independent},
        "critic": critic,
        "algorithm": algorithm,
        "multi_gpu": None,
    }
    with contextlib.redirect_stdout(io.StringIO()):  # it prints both networks
        algorithm = kind.construct_algorithm(env.get_observations(), env, settings, "cpu")
    algorithm.configure(config)
    return algorithm


def tensor_sizes(tensors: dict[str, np.ndarray]) -> tuple[int, ...]:
    """Layer sizes of a network: inputs, hidden, outputs."""
    count = sum(name.endswith(".weight") for name in tensors)
    weights = [tensors[f"layer{i}.weight"] for i in range(count)]
    return (weights[0].shape[1], *(weight.shape[0] for weight in weights))


def _both_halves(weights, biases, mean, std, mirror):
    """Weights and biases of the doubled network, see policy_tensors."""
    index, sign = np.array(mirror.observation_index), np.array(mirror.observation_sign)
    # normalised mirrored observation as a function of the normalised one: x' = turn x + shift
    turn = np.zeros((len(mean), len(mean)))
    turn[np.arange(len(mean)), index] = sign * std[index] / std
    shift = (sign * mean[index] - mean) / std
    first, last = 0, len(weights) - 1
    doubled_weights, doubled_biases = [], []
    for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
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
