# SPDX-License-Identifier: Apache-2.0
"""Runs batches of environments in worker processes and joins them into one."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

from exo_lab.rl import rollout
from exo_lab.rl.batch_env import BatchEnv, StepResult

#: Seeds of neighbouring workers lie this far apart, so that their environments never share one.
SEED_STRIDE = 10_007


class WorkerError(RuntimeError):
    """A worker process failed; the message carries its traceback."""


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
        counts, observations, actions = zip(*self._gather())
        self._counts = list(counts)
        self.count = sum(counts)
        self.observation_size, self.action_size = observations[0], actions[0]

    def reset(self) -> StepResult:
        """Resets every environment."""
        return _joined(self._call("reset"))

    def step(self, action: np.ndarray) -> StepResult:
        """One step of every environment with actions (n, A)."""
        start = 0
        for connection, count in zip(self._connections, self._counts):
            connection.send(("step", action[start : start + count]))
            start += count
        return _joined(self._gather())

    def rollout(self, policy: rollout.SamplingPolicy, steps: int, seed: int) -> rollout.Rollout:
        """So many steps of every environment with actions drawn from the policy, each worker for itself."""
        return rollout.joined(self._call("rollout", policy, steps, seed))

    def configure(self, settings: dict[str, Any]) -> None:
        """Hands a stage of the curriculum to every worker."""
        self._call("configure", settings)

    def ask(self, method: str, *arguments: Any) -> list:
        """Answer of each worker's environments to a call of one of their methods."""
        return self._call(method, *arguments)

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
        for connection in self._connections:
            connection.send(message)
        return self._gather()

    def _gather(self) -> list:
        answers = []
        for index, connection in enumerate(self._connections):
            try:
                kind, value = connection.recv()
            except EOFError:
                raise WorkerError(f"worker {index} died without a word (out of memory?)") from None
            if kind == "error":
                raise WorkerError(f"worker {index} failed:\n{value}")
            answers.append(value)
        return answers


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
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[variable] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the trainer decides
    try:
        env = factory(index, seed)
        collector = rollout.Collector(env, index)
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
