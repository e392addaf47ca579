# SPDX-License-Identifier: Apache-2.0
"""One wearer gets used to a device: the search for the motor adaptation with the highest reward.

CMA-ES (Hansen 2016, arXiv 1604.00772) tries candidates in walks under equal conditions; a search that was stopped goes on.
Policy gradients on the whole network of the human, at what a few minutes with one wearer give, led nowhere: the reward fell
(seen with one wearer), where telling the same network another strength for one muscle group made it rise.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

import cma
import numpy as np

from exo_device.description import DeviceDescription
from exo_lab.pool import one_thread, progress_bar
from exo_lab.train.command_line import CONFIG_FILE
from exo_lab.train.config import CompensationConfig
from exo_lab.train.exo_config import EXO, HUMAN, AdaptationConfig, ExoTrainingConfig
from exo_lab.train.exo_env import PairEnv
from exo_lab.train.stages import HUMAN_STEM, STAGE_FILE, stage_document
from exo_policy.checkpoint import load_checkpoint, save_checkpoint
from exo_policy.networks import MlpPolicy
from exo_sim.body.muscle_groups import GROUPS_BY_SIDE
from exo_sim.gait.reference import JOINTS
from exo_sim.human.checkpoint import load_human
from exo_sim.human.motor_adaptation import ADAPTATION_SIZE, Adaptations, with_adaptation
from exo_sim.human.observation import COORDINATION_RATE_HZ, HUMAN_CONTRACT, PERIODS_PER_ACTION
from exo_sim.measurement import git_revision, write_json


class SearchResult(NamedTuple):
    """What a search found.

    Attributes:
        adaptation: (ADAPTATION_SIZE,).
        seconds: of the search, earlier runs included.
        rewards: mean of the better half of each generation.
    """

    adaptation: np.ndarray
    seconds: float
    rewards: list[float]


def search_adaptation(
    name: str,
    file: Path,
    walk: Callable[[np.ndarray], np.ndarray],
    deviations: np.ndarray,
    candidates: int,
    generations: int,
    seed: int,
    minutes: float = math.inf,
    change_price: float = 0.0,
) -> SearchResult:
    """The adaptation around which candidates earn most, less what it costs to change.

    Args:
        name: beside the progress bar.
        file: gets the rewards of every generation; those that are in it are not walked for again.
        walk: rewards (n,) of adaptations (n, ADAPTATION_SIZE).
        deviations: (ADAPTATION_SIZE,) standard deviations of the first candidates around no adaptation.
        candidates: of a generation.
        generations: at most.
        seed: of the candidates.
        minutes: at most, earlier runs included.
        change_price: reward taken off for each number of an adaptation that is one standard deviation off, squared.
    """
    strategy = cma.CMAEvolutionStrategy(
        np.zeros(ADAPTATION_SIZE), 1.0, {"CMA_stds": deviations, "popsize": candidates, "seed": seed, "verbose": -9}
    )

    def learn(tried: list[np.ndarray], rewards: np.ndarray) -> None:
        changes = ((np.array(tried) / deviations) ** 2).sum(axis=1)
        strategy.tell(tried, (change_price * changes - rewards).tolist())

    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"seconds": 0.0, "rewards": []}
    for rewards in known["rewards"]:  # the same seed asks for the same candidates
        learn(strategy.ask(), np.array(rewards))
    with progress_bar() as progress:
        bar = progress.add_task(name, total=generations, completed=len(known["rewards"]))
        while len(known["rewards"]) < generations and known["seconds"] < 60.0 * minutes:
            started = time.monotonic()
            tried = strategy.ask()
            rewards = walk(np.array(tried))
            learn(tried, rewards)
            known["rewards"].append(rewards.tolist())
            known["seconds"] += time.monotonic() - started
            write_json(file, known)
            progress.advance(bar)
    means = [float(np.sort(rewards)[candidates // 2 :].mean()) for rewards in known["rewards"]]
    return SearchResult(np.array(strategy.mean), known["seconds"], means)


#: Speeds of a trial relative to the middle of the configured range, and the phase of the stride each begins in.
SPEED_SHARES, PHASES = (0.0, 0.5, 1.0), (0.1, 0.4, 0.75)


def first_deviations(settings: AdaptationConfig | CompensationConfig) -> np.ndarray:
    """Standard deviations (ADAPTATION_SIZE,) of a search's first candidates."""
    return np.r_[np.full(len(GROUPS_BY_SIDE), settings.strength_sd), np.full(len(JOINTS), settings.posture_sd)]


def by_name(adaptation: np.ndarray) -> dict[str, dict[str, float]]:
    """An adaptation (ADAPTATION_SIZE,) by muscle group and joint, for people to read."""
    groups, numbers = len(GROUPS_BY_SIDE), adaptation.round(4).tolist()
    return {
        "felt_stronger_by": dict(zip(GROUPS_BY_SIDE, numbers[:groups], strict=True)),
        "posture": dict(zip(JOINTS, numbers[groups:], strict=True)),
    }


class Trial(Protocol):
    """People who walk with different adaptations under equal conditions."""

    count: int

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        """Rewards (count,) of adaptations (count, ADAPTATION_SIZE)."""


_trial: Trial | None = None  # of a worker process


@contextmanager
def trials_in_workers(
    make: Callable[..., Trial], workers: int, candidates: int
) -> Iterator[Callable[[np.ndarray], np.ndarray]]:
    """Yields a function from adaptations (n, ADAPTATION_SIZE) to rewards (n,), for so many candidates at most.

    Args:
        make: picklable; called in every worker process as make(count=places) and returns its trial.
        workers: processes at most.
    """
    workers = max(1, min(workers, candidates))
    arguments = (make, math.ceil(candidates / workers))
    with (
        one_thread(),
        ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _build_trial, arguments) as pool,
    ):
        yield lambda numbers: np.concatenate(list(pool.map(_walk, np.array_split(numbers, workers))))


def _build_trial(make: Callable[..., Trial], count: int) -> None:
    global _trial
    _trial = make(count=count)


def _walk(numbers: np.ndarray) -> np.ndarray:
    missing = _trial.count - len(numbers)
    return _trial(np.concatenate([numbers, np.zeros((missing, ADAPTATION_SIZE))]))[: len(numbers)]


def without_randomisation(config: ExoTrainingConfig) -> ExoTrainingConfig:
    """The configuration without what differs from day to day: candidates must differ by their adaptations alone."""
    fit, people = config.wearing, config.people

    def middle(pair: tuple[float, float]) -> tuple[float, float]:
        return (sum(pair) / 2.0,) * 2

    return config.model_copy(
        update={
            "stop_share": 0.0,
            "speed_change_s": 1e9,
            "episode_s": 1e3,
            "wearing": fit.model_copy(
                update={
                    "delay_s": middle(fit.delay_s),
                    "bandwidth_factor": (1.0, 1.0),
                    "strap_stiffness_nm_per_rad": middle(fit.strap_stiffness_nm_per_rad),
                    "payload_kg": (0.0, 0.0),
                    "position_offset_rad": 0.0,
                    "tilt_offset_rad": 0.0,
                    "gyro_offset_rad_s": 0.0,
                    "noise_factor": (1.0, 1.0),
                    "mass_error": 0.0,
                }
            ),
            "limits": config.limits.model_copy(update={"already_walking": 1.0, "heat": (0.0, 0.0)}),
            "people": people.model_copy(update={"friction_range": (1.0, 1.0), "servo_gain_range": (1.0, 1.0)}),
        }
    )


class AdaptationTrial:
    """Several copies of one wearer, who walk with different adaptations.

    Args:
        config: of the fitting, with its wearer.
        device: that is worn.
        human: checkpoint of the walker whose adaptations are tried.
        exo: checkpoint of the device's policy; None for a device without power.
        count: adaptations at a time.
        seed: of sensor noise.
    """

    def __init__(
        self, config: ExoTrainingConfig, device: DeviceDescription, human: Path, exo: Path | None, count: int, seed: int
    ):
        self.count, self._walks = count, len(SPEED_SHARES)
        day = without_randomisation(config).model_copy(update={"envs_per_worker": count * self._walks})
        self._env = PairEnv(day, device, str(human), seed)
        self._env.stop_disturbances()
        self._human = load_human(human)
        self._exo: Callable | None = None if exo is None else MlpPolicy.from_checkpoint(exo, kind=EXO)[0]
        low, high = config.speed_range_mps
        self._speeds = np.tile([low + share * (high - low) for share in SPEED_SHARES], count)
        self._phases = np.tile(PHASES, count)
        self._steps, self._settled = (
            round(seconds * COORDINATION_RATE_HZ)
            for seconds in (config.motor_adaptation.trial_s, config.motor_adaptation.settle_s)
        )

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        """Reward (count,) per control period for adaptations (count, ADAPTATION_SIZE); who has fallen gets nothing more."""
        adaptations = Adaptations.of(np.repeat(numbers, self._walks, axis=0))
        env = self._env
        result = env.reset_at(self._phases, self._speeds)
        upright = np.ones(env.count, dtype=bool)
        total = np.zeros(env.count)
        idle = np.zeros((env.count, env.device_joints), dtype=np.float32)
        for step in range(self._steps):
            if step % PERIODS_PER_ACTION == 0:
                action = self._human(adaptations.perceive(result.partner.observation)) + adaptations.posture
            torque = idle if self._exo is None else self._exo(result.observation)
            result = env.step(np.concatenate([torque, action], axis=1))
            upright &= ~result.terminated
            if step >= self._settled:
                total += np.where(upright, result.partner.reward, 0.0)
        return (total / (self._steps - self._settled)).reshape(-1, self._walks).mean(axis=1)


GENERATIONS_FILE = "generations.json"


class AdaptationStage:
    """One wearer's practice, in a folder; goes on where it was.

    Args:
        name: of the stage.
        folder: gets config.json, generations.json, the walker with the adaptations, and stage.json once it is complete.
        config: of the fitting, with its wearer.
        device: that is worn.
        seed: of the candidates.
        minutes: of practice at most.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        config: ExoTrainingConfig,
        device: DeviceDescription,
        seed: int,
        minutes: float = math.inf,
    ):
        self._name, self.folder, self._config = name, folder, config
        self._device, self._seed, self._minutes = device, seed, minutes

    @property
    def finished(self) -> bool:
        """Whether it is complete."""
        return (self.folder / STAGE_FILE).exists()

    @property
    def human(self) -> Path:
        """The walker that it leaves (without suffix)."""
        return self.folder / HUMAN_STEM

    def run(self, human: Path, exo: Path | None) -> None:
        """Practises to the end.

        Args:
            human: checkpoint of the walker.
            exo: checkpoint of the device's policy; None for a device without power.

        Raises:
            CheckpointError: one that cannot be used.
        """
        tensors, manifest = load_checkpoint(human, kind=HUMAN, contract=HUMAN_CONTRACT)
        self.folder.mkdir(parents=True, exist_ok=True)
        document = stage_document(self._name, self._config, self._device, {HUMAN: manifest.sha256}, self._seed)
        write_json(self.folder / CONFIG_FILE, document)
        adaptation, seconds, rewards = self._search(human, exo)
        metrics = {
            "samples": len(rewards) * self._config.motor_adaptation.candidates,
            "seconds": seconds,
            "reward_at_first": rewards[0],
            "reward": rewards[-1],
        }
        save_checkpoint(
            self.human,
            with_adaptation(tensors, adaptation),
            {
                "kind": HUMAN,
                "network": manifest.network.model_dump(),
                "contract": HUMAN_CONTRACT.model_dump(),
                "training": {**document, "samples": metrics["samples"], "metrics": metrics},
            },
        )
        write_json(
            self.folder / STAGE_FILE,
            {
                "stage": self._name,
                "seed": self._seed,
                "git_revision": git_revision(),
                "seconds": seconds,
                "metrics": metrics,
                **by_name(adaptation),
            },
        )

    def _search(self, human: Path, exo: Path | None) -> SearchResult:
        settings = self._config.motor_adaptation
        make = partial(AdaptationTrial, self._config, self._device, human, exo, seed=self._seed)
        with trials_in_workers(make, self._config.workers, settings.candidates) as walk:
            return search_adaptation(
                self._name,
                self.folder / GENERATIONS_FILE,
                walk,
                first_deviations(settings),
                settings.candidates,
                settings.generations,
                self._seed,
                self._minutes,
                settings.change_price,
            )
