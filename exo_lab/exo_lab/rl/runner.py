# SPDX-License-Identifier: Apache-2.0
"""The training loop: collect, learn, log, save; stops at a number of samples or a signal, resumes from its folder.

The whole state of a training is in one safetensors file, so that a killed run goes on where it was.
"""

from __future__ import annotations

import json
import math
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from exo_lab.csv_log import CsvLog
from exo_lab.rl.config import METRICS_FILE, STATE_FILE, PpoConfig
from exo_lab.rl.env import MirrorMap, StepResult
from exo_lab.rl.ppo import AveragedPPO, LearnerView, build_ppo
from exo_lab.rl.workers import Rollout, WorkerPool
from exo_policy.checkpoint import CheckpointError

#: Seconds between saves of the whole state; at most this much is lost to a kill.
SAVE_PERIOD_S = 60.0
#: Episodes that the mean duration is taken over.
EPISODE_WINDOW = 200
#: Before the names of a second learner's tensors.
PARTNER = "partner."


@dataclass(frozen=True)
class Partner:
    """A second learner in the same environments, whose results come as StepResult.partner.

    Its action follows the first one's in the environments' action and is asked for every `period` steps; in
    between it holds. For the first `warm_up` iterations only its critic learns: a good policy must not be led astray
    by a critic that knows nothing yet.
    """

    config: PpoConfig
    mirror: MirrorMap | None
    action_size: int
    period: int = 1
    warm_up: int = 0


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
            iteration, applied where the settings changed; its `resume` is told the settings of a resumed run. None: the
            same task from the first step to the last.
        on_save: called with (algorithm, row of metrics) before the state is saved, e.g. to write a checkpoint.
        partner: a second learner in the same environments, or None.
        warm_up: iterations in which only the learner's critic learns, for a policy that begins trained.
        build: makes the learner's PPO.

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
        on_save: Callable[[Any, dict[str, float]], None],
        curriculum: Curriculum | None = None,
        partner: Partner | None = None,
        warm_up: int = 0,
        build: Callable[[LearnerView, PpoConfig, MirrorMap | None], AveragedPPO] = build_ppo,
    ) -> None:
        torch.manual_seed(seed)
        # the workers hold every core while collecting, and the matrices are small: one thread is fastest
        torch.set_num_threads(1)
        self._pool, self._config, self._folder = pool, config, folder
        self._curriculum, self._on_save = curriculum, on_save
        first = pool.reset()
        own_actions = pool.action_size - (partner.action_size if partner else 0)
        view = LearnerView(first, own_actions, max_episode_steps)
        self._learners = [Learner(view, config, mirror, warm_up=warm_up, build=build)]
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
        self._log = CsvLog(folder / METRICS_FILE)
        self._board: Any = None  # of TensorBoard
        state = folder / STATE_FILE
        if state.exists():
            progress = load_state(state, self.algorithm, self.partner_algorithm)
            self.samples, self.seconds = progress["samples"], progress["seconds"]
            for learner in self._learners:
                learner.iterations = progress.get("iterations", 0)
            self._durations.extend(progress["durations"])
            if curriculum is not None:
                curriculum.resume(progress["settings"])
            self._configure(progress["settings"])
        else:
            self._advance_curriculum(0.0)
        self._log.forget_after("samples", self.samples)

    @property
    def newest_metrics(self) -> dict[str, float]:
        """The last row of the log; empty where nothing was logged."""
        return self._log.rows[-1] if self._log.rows else {}

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
                    self._write_down(row)
                    bar.update(task, completed=self.samples, description=_headline(row))
                    self._advance_curriculum(row["episode_s"])
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

    def _advance_curriculum(self, episode_s: float) -> None:
        if self._curriculum is not None:
            self._configure(self._curriculum(self.samples, episode_s))

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
        learner.record_rollout(rollout)
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
                for learner, part in zip(self._learners, (result, result.partner), strict=False):
                    learner.record(step, part)
        return {name: float(np.mean([m[name] for m in metrics])) for name in metrics[0]}

    def _write_down(self, row: dict[str, float]) -> None:
        self._log.add(row)
        if self._board is None:
            from torch.utils.tensorboard import SummaryWriter  # takes a second to import

            self._board = SummaryWriter(log_dir=str(self._folder / "tensorboard"), purge_step=self.samples)
        for name, value in row.items():
            self._board.add_scalar(name, value, self.samples)

    def _save(self, row: dict[str, float]) -> None:
        progress = {
            "samples": self.samples,
            "seconds": self.seconds,
            "durations": list(self._durations),
            "settings": self._settings,
            "iterations": self._learners[0].iterations,
        }
        # the state last: after a kill in between the training goes on from the one before, and both are written again
        self._on_save(self.algorithm, row)
        save_state(self._folder / STATE_FILE, self.algorithm, progress, self.partner_algorithm)


def _headline(row: dict[str, float]) -> str:
    return f"{row['episode_s']:5.1f} s an episode, reward {row['reward']:.3f}, {row['samples_per_s']:.0f} samples/s"


class Learner:
    """Collects and learns from what one view of the environments shows.

    Args:
        view: of the environments.
        config: of its PPO.
        mirror: left-right symmetry of its task, or None.
        period: steps of the environments for one action of this learner.
        warm_up: iterations in which only the critic learns.
        build: makes the PPO.
    """

    def __init__(
        self,
        view: LearnerView,
        config: PpoConfig,
        mirror: MirrorMap | None,
        *,
        period: int = 1,
        warm_up: int = 0,
        build: Callable[[LearnerView, PpoConfig, MirrorMap | None], AveragedPPO] = build_ppo,
    ) -> None:
        self.view, self.config, self.period = view, config, period
        self.algorithm = build(view, config, mirror)
        self.iterations = 0
        self._warm_up = warm_up
        self._action = np.zeros((view.num_envs, view.num_actions), dtype=np.float32)
        self._held: StepResult | None = None
        self._rewards: list[float] = []

    @classmethod
    def of_partner(cls, partner: Partner, first: StepResult, max_episode_steps: int) -> Learner:
        """The learner of a partner, with the result of the environments' reset."""
        view = LearnerView(first, partner.action_size, max_episode_steps // partner.period)
        return cls(view, partner.config, partner.mirror, period=partner.period, warm_up=partner.warm_up)

    def begin(self) -> None:
        """A new rollout."""
        self.algorithm.train_mode()
        self._rewards.clear()

    def act(self, step: int) -> np.ndarray:
        """This learner's action (n, A) for a step of the rollout: a new one at its own steps."""
        if step % self.period == 0:
            self._action = self.algorithm.act(self.view.get_observations()).numpy()
        return self._action

    def record(self, step: int, result: StepResult) -> None:
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
        observation, reward, done, extras = self.view.record(result)
        self._rewards.append(float(reward.mean()))
        self.algorithm.process_env_step(observation, reward, done, extras)

    def record_rollout(self, rollout: Rollout) -> None:
        """Takes in a whole rollout that workers collected with this learner's policy, as `record` would step by step."""
        self.algorithm.record_rollout(rollout, self.view)
        self._rewards.append(float(rollout.reward.mean()))

    def learn(self) -> dict[str, float]:
        """Learns from the rollout; returns figures for the log."""
        figures = self.algorithm.learn(critic_only=self.iterations < self._warm_up)
        self.iterations += 1
        return {
            "reward": float(np.mean(self._rewards)),
            "std": self.algorithm.exploration,
            "learning_rate": self.algorithm.learning_rate,
            **figures,
        }

    def finish(self) -> None:
        """The rollout is complete: returns and advantages, within torch's inference mode."""
        with torch.inference_mode():
            self.algorithm.compute_returns(self.view.get_observations())


def replace_tensors(
    path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str] | None = None, kept: str = ""
) -> None:
    """Writes a safetensors file, which replaces the old one at once.

    Args:
        kept: what is said of the old file where the new one cannot be written.

    Raises:
        OSError: it cannot be written, as on a full disk; the old file is as it was.
    """
    partial = path.with_suffix(".partial")
    try:
        save_file(tensors, str(partial), metadata=metadata)
        os.replace(partial, path)
    except (OSError, SafetensorError) as error:
        partial.unlink(missing_ok=True)
        reason = " ".join(str(error).split())
        raise OSError(f"{path} cannot be written ({reason}): make room{kept}") from error


@contextmanager
def resuming(path: Path) -> Iterator[tuple[dict[str, torch.Tensor], dict[str, Any]]]:
    """Tensors and progress of a training's state, which the block takes over.

    Raises:
        CheckpointError: the file cannot be read, or does not fit what takes it over.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}
            progress = json.loads(file.metadata()["progress"])
        yield tensors, progress
    except (OSError, SafetensorError, KeyError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path}: cannot resume from it ({reason}); choose another run folder") from error


def save_state(path: Path, algorithm: AveragedPPO, progress: dict, partner: AveragedPPO | None = None) -> None:
    """Writes networks, optimiser, random state and progress (JSON-able); replaces the old file at once.

    A second learner's go into the same file, so that a kill never leaves the two at different times.

    Raises:
        CheckpointError: a tensor is not finite; the old file is as it was.
        OSError: it cannot be written, as on a full disk; the old file is as it was.
    """
    tensors = {"random_state": torch.get_rng_state(), **algorithm.state_tensors()}
    rates = {"learning_rate": algorithm.learning_rate}
    if partner is not None:
        tensors |= {f"{PARTNER}{name}": value for name, value in partner.state_tensors().items()}
        rates["partner_learning_rate"] = partner.learning_rate
    kept = "; the state of before is whole, and the same command goes on from it" if path.exists() else ""
    broken = [name for name, value in tensors.items() if not torch.isfinite(value).all()]
    if broken:
        raise CheckpointError(f"the training has diverged: {broken[0]} is not finite, {path} is not written{kept}")
    metadata = {"progress": json.dumps({**progress, **rates})}
    replace_tensors(path, tensors, metadata, kept)


def load_state(path: Path, algorithm: AveragedPPO, partner: AveragedPPO | None = None) -> dict:
    """Restores what `save_state` wrote; returns its progress.

    Raises CheckpointError if the file cannot be read or belongs to a network of another shape.
    """
    with resuming(path) as (tensors, progress):
        algorithm.restore(
            {name: v for name, v in tensors.items() if not name.startswith(PARTNER)},
            progress["learning_rate"],
        )
        if partner is not None:
            own = {name[len(PARTNER) :]: v for name, v in tensors.items() if name.startswith(PARTNER)}
            partner.restore(own, progress["partner_learning_rate"])
    torch.set_rng_state(tensors["random_state"])
    return progress
