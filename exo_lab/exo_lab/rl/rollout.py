# SPDX-License-Identifier: Apache-2.0
"""Whole rollouts inside a worker process: the policy goes to the environments, not each observation to the policy.

One message each way per iteration instead of one per step: no process waits for another while it collects. Numpy
only, so that workers need not load torch.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from exo_lab.rl.batch_env import BatchEnv, StepResult
from exo_policy.networks import elu


@dataclass(frozen=True)
class SamplingPolicy:
    """A Gaussian policy with ELU layers in float32, symmetric by construction where `mirror` is given.

    Attributes:
        obs_mean, obs_std: (O,) normalisation of observations.
        layers: (weight (in, out), bias (out,)) of each layer.
        std: (A,) standard deviation of actions.
        mirror: index and sign arrays of the observation's mirror image and of the action's.
    """

    obs_mean: np.ndarray
    obs_std: np.ndarray
    layers: tuple[tuple[np.ndarray, np.ndarray], ...]
    std: np.ndarray
    mirror: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None = None

    def mean(self, observation: np.ndarray) -> np.ndarray:
        """Mean actions (n, A) for observations (n, O)."""
        if self.mirror is None:
            return self._network(observation)
        index, sign, action_index, action_sign = self.mirror
        both = self._network(np.concatenate([observation, observation[:, index] * sign]))
        direct, other = both[: len(observation)], both[len(observation) :]
        return 0.5 * (direct + other[:, action_index] * action_sign)

    def _network(self, observation: np.ndarray) -> np.ndarray:
        x = (observation - self.obs_mean) / self.obs_std
        for weight, bias in self.layers[:-1]:
            x = elu(x @ weight + bias)
        weight, bias = self.layers[-1]
        return x @ weight + bias


@dataclass
class Rollout:
    """T steps of n environments. Observations have one more entry in time: what followed the last step."""

    observation: np.ndarray  # (T + 1, n, O) float32
    privileged: np.ndarray | None  # (T + 1, n, P) float32
    mean: np.ndarray  # (T, n, A) float32, of the policy
    action: np.ndarray  # (T, n, A) float32, drawn
    reward: np.ndarray  # (T, n) float32
    terminated: np.ndarray  # (T, n) bool
    truncated: np.ndarray  # (T, n) bool
    metrics: dict[str, float] = field(default_factory=dict)  # means over time and batch
    episode_seconds: list[float] = field(default_factory=list)


class Collector:
    """Rolls a batch of environments out; remembers where they stand between rollouts.

    Args:
        env: the environments.
        stream: number of this collector, for random numbers of its own.
    """

    def __init__(self, env: BatchEnv, stream: int) -> None:
        self._env, self._stream = env, stream
        self._last: StepResult | None = None

    def reset(self) -> StepResult:
        """Starts every episode anew."""
        self._last = self._env.reset()
        return self._last

    def step(self, action: np.ndarray) -> StepResult:
        """One step with actions (n, A)."""
        self._last = self._env.step(action)
        return self._last

    def cpu_seconds(self) -> float:
        """CPU time that this process has used (s)."""
        return time.process_time()

    def configure(self, settings: dict[str, Any]) -> None:
        """Takes over a stage of the curriculum."""
        self._env.configure(settings)

    def rollout(self, policy: SamplingPolicy, steps: int, seed: int) -> Rollout:
        """Draws actions from the policy for so many steps; `seed` and the stream decide which."""
        random = np.random.default_rng((seed, self._stream))
        last = self._last or self.reset()
        results, means, actions = [last], [], []
        for _ in range(steps):
            mean = policy.mean(last.observation)
            noise = random.standard_normal(mean.shape, dtype=np.float32)
            action = mean + policy.std * noise
            last = self.step(action)
            results.append(last)
            means.append(mean)
            actions.append(action)
        after = results[1:]
        return Rollout(
            np.stack([result.observation for result in results]),
            None if last.privileged is None else np.stack([result.privileged for result in results]),
            np.stack(means),
            np.stack(actions),
            np.stack([result.reward for result in after]),
            np.stack([result.terminated for result in after]),
            np.stack([result.truncated for result in after]),
            {name: float(np.mean([result.metrics[name] for result in after])) for name in last.metrics},
            [seconds for result in after for seconds in result.episode_seconds],
        )


def joined(parts: list[Rollout]) -> Rollout:
    """Rollouts of several workers as one."""

    def together(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts], axis=1)

    return Rollout(
        together("observation"),
        None if parts[0].privileged is None else together("privileged"),
        *(together(name) for name in ("mean", "action", "reward", "terminated", "truncated")),
        {name: float(np.mean([part.metrics[name] for part in parts])) for name in parts[0].metrics},
        [seconds for part in parts for seconds in part.episode_seconds],
    )
