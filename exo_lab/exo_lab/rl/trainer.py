# SPDX-License-Identifier: Apache-2.0
"""The training loop: collect, learn, log, save; stops at a number of samples or a signal, resumes from its folder."""

from __future__ import annotations

import csv
import math
import os
import signal
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from exo_core.files import whole_file
from exo_lab.rl.config import PpoConfig
from exo_lab.rl.learner import Learner, Partner
from exo_lab.rl.mirror import MirrorMap
from exo_lab.rl.resume import load_state, save_state
from exo_lab.rl.rsl_env import LearnerView
from exo_lab.rl.worker_pool import WorkerPool

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
        partner: a second learner in the same environments, or None.
        warm_up: iterations in which only the learner's critic learns, for a policy that begins trained.

    Attributes:
        algorithm: the learner's PPO.
        partner_algorithm: the partner's PPO, or None.
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
        partner: Partner | None = None,
        warm_up: int = 0,
    ) -> None:
        torch.manual_seed(seed)
        # the workers hold every core while collecting, and the matrices are small: one thread is fastest
        torch.set_num_threads(1)
        self._pool, self._config, self._folder = pool, config, folder
        self._curriculum, self._on_save = curriculum, on_save
        first = pool.reset()
        own_actions = pool.action_size - (partner.action_size if partner else 0)
        self._learners = [Learner(LearnerView(first, own_actions, max_episode_steps), config, mirror, warm_up=warm_up)]
        if partner is not None:
            if partner.config.steps_per_iteration * partner.period != config.steps_per_iteration:
                raise ValueError(
                    f"partner's rollout of {partner.config.steps_per_iteration} actions of "
                    f"{partner.period} steps must be as long as the learner's of "
                    f"{config.steps_per_iteration}"
                )
            self._learners.append(Learner.of_partner(partner, first.partner, max_episode_steps))
        self.algorithm = self._learners[0].algorithm
        self.partner_algorithm = self._learners[1].algorithm if partner else None
        self.samples, self.seconds = 0, 0.0
        self._durations: deque[float] = deque(maxlen=EPISODE_WINDOW)
        self._settings: dict[str, Any] = {}
        self._stop = False
        self._columns: list[str] = []
        state = folder / STATE_FILE
        if state.exists():
            progress = load_state(state, self.algorithm, self.partner_algorithm)
            self.samples, self.seconds = progress["samples"], progress["seconds"]
            for learner in self._learners:
                learner.iterations = progress.get("iterations", 0)
            self._durations.extend(progress["durations"])
            curriculum.resume(progress["settings"])
            self._configure(progress["settings"])
        else:
            self._configure(curriculum(0, 0.0))

    def run(self, total_samples: int, limit_s: float = math.inf) -> None:
        """Trains until `total_samples` environment steps, or for `limit_s` seconds of training (earlier runs of the same
        folder included), or until SIGINT or SIGTERM; saves in any case."""
        handlers = {s: signal.signal(s, self._request_stop) for s in (signal.SIGINT, signal.SIGTERM)}
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        saved, row = time.monotonic(), {}
        try:
            with Progress(*columns) as bar:
                task = bar.add_task("training", total=total_samples, completed=self.samples)
                while self.samples < total_samples and self.seconds < limit_s and not self._stop:
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
        for learner in self._learners:
            learner.begin()
        metrics = self._collect() if len(self._learners) > 1 else self._collect_in_workers()
        self._take_free_cores()
        for learner in self._learners:
            learner.finish()
        collected = time.monotonic()
        learnt = [learner.learn() for learner in self._learners]
        torch.set_num_threads(1)
        new = self._learners[0].view.num_envs * self._config.steps_per_iteration
        self.samples += new
        elapsed = time.monotonic() - started
        self.seconds += elapsed
        return {
            "samples": self.samples,
            "seconds": self.seconds,
            "samples_per_s": new / elapsed,
            "learning_share": (time.monotonic() - collected) / elapsed,
            "episode_s": float(np.mean(self._durations)) if self._durations else 0.0,
            **learnt[0],
            **{f"partner_{name}": value for part in learnt[1:] for name, value in part.items()},
            **metrics,
        }

    def _take_free_cores(self) -> None:
        """The workers wait while this process learns: it may use what they use otherwise."""
        torch.set_num_threads(min(self._pool.workers, os.cpu_count() or 1))

    def _collect_in_workers(self) -> dict[str, float]:
        """One learner alone: its policy goes to the workers. Returns the means of the environments' metrics."""
        learner = self._learners[0]
        seed = int(torch.randint(2**62, (1,)))  # of torch's random state, which a resumed run continues
        rollout = self._pool.rollout(learner.algorithm.sampling_policy(), self._config.steps_per_iteration, seed)
        self._take_free_cores()
        learner.take_rollout(rollout)
        self._durations.extend(rollout.episode_seconds)
        return rollout.metrics

    def _collect(self) -> dict[str, float]:
        """Step by step, with actions of every learner. Returns the means of the environments' metrics."""
        metrics: list[dict[str, float]] = []
        with torch.inference_mode():
            for step in range(self._config.steps_per_iteration):
                result = self._pool.step(np.concatenate([learner.act(step) for learner in self._learners], axis=1))
                metrics.append(result.metrics)
                self._durations.extend(result.episode_seconds)
                for learner, part in zip(self._learners, (result, result.partner)):
                    learner.take(step, part)
        return {name: float(np.mean([m[name] for m in metrics])) for name in metrics[0]}

    def _log(self, row: dict[str, float]) -> None:
        file = self._folder / METRICS_FILE
        if not self._columns:
            self._columns = _columns(file, list(row))
        with file.open("a", newline="") as stream:
            csv.DictWriter(stream, self._columns).writerow({name: f"{value:.6g}" for name, value in row.items()})
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
            "iterations": self._learners[0].iterations,
        }
        save_state(self._folder / STATE_FILE, self.algorithm, progress, self.partner_algorithm)
        self._on_save(self.algorithm, row)


def _columns(file: Path, wanted: list[str]) -> list[str]:
    """Columns of a metrics file, which is begun with those wanted; one of a training of before gets those it lacks."""
    rows: list[dict[str, str]] = []
    known: list[str] = []
    if file.exists():
        with file.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            rows, known = list(reader), list(reader.fieldnames or ())
        if set(wanted) <= set(known):
            return known
    columns = known + [name for name in wanted if name not in known]
    with whole_file(file, newline="") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)
    return columns


def _headline(row: dict[str, float]) -> str:
    return f"{row['episode_s']:5.1f} s an episode, reward {row['reward']:.3f}, {row['samples_per_s']:.0f} samples/s"
