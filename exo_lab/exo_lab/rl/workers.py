# SPDX-License-Identifier: Apache-2.0
"""Batches of environments in worker processes, joined into one, and whole rollouts inside them.

The policy goes to the environments, not each observation to the policy: one message each way per iteration instead of
one per step, and no process waits for another while it collects. Numpy only, so that workers need not load torch.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from exo_lab.pool import ONE_THREAD
from exo_lab.rl.env import BatchEnv, StepResult
from exo_policy.networks import elu


@dataclass(frozen=True)
class SamplingPolicy:
    """A Gaussian policy with ELU layers in float32, symmetric by construction where `mirror` is given.

    Attributes:
        obs_mean, obs_std: (O,) normalisation of observations.
        layers: (weight (in, out), bias (out,)) of each layer.
        std: (A,) standard deviation of actions, or (A, A) factor L of their covariance L L' where they are correlated.
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

    def deviation(self, noise: np.ndarray) -> np.ndarray:
        """Deviations (n, A) from the mean actions for standard normal numbers (n, A)."""
        return noise * self.std if self.std.ndim == 1 else noise @ self.std.T

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
            action = mean + policy.deviation(noise)
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


def joined_rollouts(parts: list[Rollout]) -> Rollout:
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


#: Seeds of neighbouring workers lie this far apart, so that their environments never share one.
SEED_STRIDE = 10_007


class WorkerError(RuntimeError):
    """A worker process failed; the message carries its traceback."""


class WorkerDied(WorkerError):
    """The system killed a worker process; one line."""


class WorkerPool:
    """Several BatchEnv, each in its own process, seen as one BatchEnv.

    Args:
        factory: picklable; called in worker k as factory(k, seed) and returns its BatchEnv.
        workers: number of processes.
        seed: of the whole pool.
    """

    def __init__(self, factory: Callable[[int, int], BatchEnv], workers: int, seed: int) -> None:
        # spawn, not fork: a forked copy of a process that has used torch's threads can hang
        context = multiprocessing.get_context("spawn")
        self._connections, self._processes = [], []
        for index in range(workers):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_serve, args=(theirs, factory, index, seed + SEED_STRIDE * index), daemon=True
            )
            process.start()
            theirs.close()
            self._connections.append(ours)
            self._processes.append(process)
        self.workers = workers
        counts, observations, actions = zip(*self._gather(), strict=False)
        self._counts = list(counts)
        self.count = sum(counts)
        self.observation_size, self.action_size = observations[0], actions[0]

    def reset(self) -> StepResult:
        """Resets every environment."""
        return _joined(self._call("reset"))

    def step(self, action: np.ndarray) -> StepResult:
        """One step of every environment with actions (n, A)."""
        start = 0
        for index, count in enumerate(self._counts):
            self._send(index, ("step", action[start : start + count]))
            start += count
        return _joined(self._gather())

    def rollout(self, policy: SamplingPolicy, steps: int, seed: int) -> Rollout:
        """So many steps of every environment with actions drawn from the policy, each worker for itself."""
        return joined_rollouts(self._call("rollout", policy, steps, seed))

    def configure(self, settings: dict[str, Any]) -> None:
        """Hands a stage of the curriculum to every worker."""
        self._call("configure", settings)

    def ask(self, method: str, *arguments: Any) -> list:
        """Answer of each worker's environments to a call of one of their methods."""
        return self._call(method, *arguments)

    def ask_later(self, method: str, *arguments: Any) -> Callable[[], list]:
        """As `ask`, but does not wait: the answers come from what is returned, to be called before the next call."""
        for connection in self._connections:
            connection.send((method, *arguments))
        return self._gather

    def close(self) -> None:
        """Ends the workers."""
        for connection in self._connections:
            try:
                connection.send(("close",))
            except (BrokenPipeError, OSError):
                pass
        for process in self._processes:
            process.join(timeout=5.0)
            if process.is_alive():
                process.kill()

    def _call(self, *message) -> list:
        for index in range(self.workers):
            self._send(index, message)
        return self._gather()

    def _send(self, index: int, message: tuple) -> None:
        try:
            self._connections[index].send(message)
        except ConnectionError:
            raise _died(index) from None

    def _gather(self) -> list:
        answers = []
        for index, connection in enumerate(self._connections):
            try:
                kind, value = connection.recv()
            except (EOFError, ConnectionError):
                raise _died(index) from None
            if kind == "error":
                raise WorkerError(f"worker {index} failed:\n{value}")
            answers.append(value)
        return answers


def _died(index: int) -> WorkerDied:
    return WorkerDied(f"worker {index} died without a word (out of memory?)")


def _joined(parts: list[StepResult]) -> StepResult:
    names = parts[0].metrics
    arrays = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("observation", "reward", "terminated", "truncated")
    )
    privileged = None if parts[0].privileged is None else np.concatenate([part.privileged for part in parts])
    return StepResult(
        *arrays,
        metrics={name: float(np.mean([part.metrics[name] for part in parts])) for name in names},
        episode_seconds=[seconds for part in parts for seconds in part.episode_seconds],
        privileged=privileged,
        partner=None if parts[0].partner is None else _joined([part.partner for part in parts]),
    )


def _serve(connection, factory: Callable[[int, int], BatchEnv], index: int, seed: int) -> None:
    """Main loop of a worker."""
    # one thread each: the workers are the parallelism, and spinning helper threads would take their cores away
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the trainer decides
    try:
        env = factory(index, seed)
        collector = Collector(env, index)
        # what was built lives until the end: the garbage collector need not look through it again and again
        gc.collect()
        gc.freeze()
        connection.send(("ok", (env.count, env.observation_size, env.action_size)))
        while True:
            command, *arguments = connection.recv()
            if command == "close":
                return
            connection.send(("ok", getattr(collector if hasattr(collector, command) else env, command)(*arguments)))
    except (EOFError, BrokenPipeError):
        return  # the trainer is gone or going
    except Exception:
        connection.send(("error", traceback.format_exc()))
