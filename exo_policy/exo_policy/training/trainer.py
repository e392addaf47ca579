# SPDX-License-Identifier: Apache-2.0
"""The training loop: collect, learn, log, save; stops at a number of samples or a signal, resumes from its folder."""

from __future__ import annotations

import csv
import signal
import time
from collections import deque
from pathlib import Path
from typing import Any, Callable, Protocol

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from exo_policy.training.config import PpoConfig
from exo_policy.training.ppo import StepSize, bound_exploration, build_ppo
from exo_policy.training.resume import load_state, save_state
from exo_policy.training.mirror import MirrorMap
from exo_policy.training.rsl_env import RslEnv
from exo_policy.training.worker_pool import WorkerPool

STATE_FILE = "state.safetensors"
METRICS_FILE = "metrics.csv"
#: Seconds between saves of the whole state; at most this much is lost to a kill.
SAVE_PERIOD_S = 60.0
#: Episodes that the mean duration is taken over.
EPISODE_WINDOW = 200


class Curriculum(Protocol):
    """Decides how hard the environments are."""

    def __call__(self, samples: int, episode_s: float) -> dict[str, Any]:
        """Settings after so many samples, with episodes lasting so long on average (s)."""

    def resume(self, settings: dict[str, Any]) -> None:
        """Goes on from these settings."""


class Trainer:
    """One training run in one folder.

    Args:
        pool: the environments.
        config: PPO settings.
        mirror: left-right symmetry of the task, or None.
        max_episode_steps: length of an episode that does not fail.
        folder: of the run; a state file in it is resumed.
        seed: of networks and exploration.
        curriculum: maps (samples, mean episode seconds) to settings for the environments; asked after every
            iteration, applied where the settings changed; its `resume` is told the settings of a resumed run.
        on_save: called with (algorithm, row of metrics) whenever the state was saved, e.g. to write a checkpoint.
    """

    def __init__(
        self,
        pool: WorkerPool,
        config: PpoConfig,
        mirror: MirrorMap | None,
        *,
        max_episode_steps: int,
        folder: Path,
        seed: int,
        curriculum: Curriculum,
        on_save: Callable[[Any, dict[str, float]], None],
    ) -> None:
        torch.manual_seed(seed)
        # the workers hold every core while collecting, and the matrices are small: one thread is fastest
        torch.set_num_threads(1)
        self._pool, self._config, self._folder = pool, config, folder
        self._curriculum, self._on_save = curriculum, on_save
        self._env = RslEnv(pool, max_episode_steps)
        self.algorithm = build_ppo(self._env, config, mirror)
        self.samples, self.seconds = 0, 0.0
        self._durations: deque[float] = deque(maxlen=EPISODE_WINDOW)
        self._settings: dict[str, Any] = {}
        self._stop = False
        state = folder / STATE_FILE
        if state.exists():
            progress = load_state(state, self.algorithm)
            self.samples, self.seconds = progress["samples"], progress["seconds"]
            self._durations.extend(progress["durations"])
            curriculum.resume(progress["settings"])
            self._configure(progress["settings"])
        else:
            self._configure(curriculum(0, 0.0))

    def run(self, total_samples: int) -> None:
        """Trains until `total_samples` environment steps, or until SIGINT or SIGTERM; saves either way."""
        handlers = {s: signal.signal(s, self._request_stop) for s in (signal.SIGINT, signal.SIGTERM)}
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        saved, row = time.monotonic(), {}
        try:
            with Progress(*columns) as bar:
                task = bar.add_task("training", total=total_samples, completed=self.samples)
                while self.samples < total_samples and not self._stop:
                    row = self._iterate()
                    self._log(row)
                    bar.update(task, completed=self.samples, description=_headline(row))
                    self._configure(self._curriculum(self.samples, row["episode_s"]))
                    if time.monotonic() - saved > SAVE_PERIOD_S:
                        self._save(row)
                        saved = time.monotonic()
        finally:
            if row:
                self._save(row)
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _request_stop(self, *_: Any) -> None:
        self._stop = True

    def _configure(self, settings: dict[str, Any]) -> None:
        if settings != self._settings:
            self._pool.configure(settings)
            self._settings = settings

    def _iterate(self) -> dict[str, float]:
        """Collects and learns from one batch; returns its metrics."""
        started = time.monotonic()
        algorithm, env = self.algorithm, self._env
        algorithm.train_mode()
        metrics: list[dict[str, float]] = []
        rewards = []
        observation = env.get_observations()
        with torch.inference_mode():
            for _ in range(self._config.steps_per_iteration):
                observation, reward, done, extras = env.step(algorithm.act(observation))
                rewards.append(float(reward.mean()))
                algorithm.process_env_step(observation, reward, done, extras)
                metrics.append(env.last.metrics)
                self._durations.extend(env.last.episode_seconds)
            algorithm.compute_returns(observation)
        collected = time.monotonic()
        step_size = StepSize(algorithm)
        losses = algorithm.update()
        divergence = step_size.adapt(algorithm, self._config)
        bound_exploration(algorithm, self._config)
        self.samples += env.num_envs * self._config.steps_per_iteration
        elapsed = time.monotonic() - started
        self.seconds += elapsed
        return {
            "samples": self.samples,
            "seconds": self.seconds,
            "samples_per_s": env.num_envs * self._config.steps_per_iteration / elapsed,
            "learning_share": (time.monotonic() - collected) / elapsed,
            "episode_s": float(np.mean(self._durations)) if self._durations else 0.0,
            "reward": float(np.mean(rewards)),
            "std": float(algorithm.actor.distribution.log_std_param.detach().exp().mean()),
            "learning_rate": algorithm.learning_rate,
            "divergence": divergence,
            **{f"loss_{name}": value for name, value in losses.items()},
            **{name: float(np.mean([m[name] for m in metrics])) for name in metrics[0]},
        }

    def _log(self, row: dict[str, float]) -> None:
        file = self._folder / METRICS_FILE
        new = not file.exists()
        with file.open("a", newline="") as stream:
            writer = csv.DictWriter(stream, row.keys())
            if new:
                writer.writeheader()
            writer.writerow({name: f"{value:.6g}" for name, value in row.items()})
        writer = self._tensorboard()
        for name, value in row.items():
            writer.add_scalar(name, value, self.samples)

    def _tensorboard(self):
        if not hasattr(self, "_board"):
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(log_dir=str(self._folder / "tensorboard"), purge_step=self.samples)
        return self._board

    def _save(self, row: dict[str, float]) -> None:
        progress = {
            "samples": self.samples,
            "seconds": self.seconds,
            "durations": list(self._durations),
            "settings": self._settings,
        }
        save_state(self._folder / STATE_FILE, self.algorithm, progress)
        self._on_save(self.algorithm, row)


def _headline(row: dict[str, float]) -> str:
    return f"{row['episode_s']:5.1f} s an episode, reward {row['reward']:.3f}, {row['samples_per_s']:.0f} samples/s"
