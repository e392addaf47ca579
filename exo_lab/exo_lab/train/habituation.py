# SPDX-License-Identifier: Apache-2.0
"""One wearer gets used to a device: habits that earn most of what a walker strives for.

Policy gradients on the whole network of the walker, at what a few minutes with one wearer give, led nowhere: the reward fell
(seen with one wearer), where telling the same network another strength for one muscle group made it rise.
"""

from __future__ import annotations

import math
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from exo_device.description import DeviceDescription
from exo_lab.pool import one_thread
from exo_lab.train.exo_config import HUMAN, ExoTrainingConfig
from exo_lab.train.habit_search import Found, search_habit
from exo_lab.train.habit_trial import HabitTrial
from exo_lab.train.stages import CONFIG_FILE, HUMAN_STEM, STAGE_FILE
from exo_policy.checkpoint import load_checkpoint, save_checkpoint
from exo_sim.body.muscle_groups import GROUPS_BY_SIDE
from exo_sim.gait.reference import JOINTS
from exo_sim.human.contract import HUMAN_CONTRACT
from exo_sim.human.habits import HABIT_SIZE, with_habit
from exo_sim.measurement.provenance import git_revision
from exo_sim.measurement.summary import write_json

GENERATIONS_FILE = "generations.json"

_trial: HabitTrial | None = None


class Habituation:
    """One wearer's practice, in a folder; goes on where it was.

    Args:
        name: of the stage.
        folder: gets config.json, generations.json, the walker with the habits, and stage.json once it is complete.
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
        document = {
            "config": {
                **self._config.model_dump(mode="json"),
                "device": self._device.model_dump(mode="json"),
                "stage": self._name,
                "began_with_sha256": {HUMAN: manifest.sha256},
            },
            "seed": self._seed,
            "git_revision": git_revision(),
        }
        write_json(self.folder / CONFIG_FILE, document)
        habit, seconds, rewards = self._search(human, exo)
        metrics = {
            "samples": len(rewards) * self._config.habits.candidates,
            "seconds": seconds,
            "reward_at_first": rewards[0],
            "reward": rewards[-1],
        }
        save_checkpoint(
            self.human,
            with_habit(tensors, habit),
            {
                "kind": HUMAN,
                "network": manifest.network.model_dump(),
                "contract": HUMAN_CONTRACT.model_dump(),
                "training": {**document, "samples": metrics["samples"], "metrics": metrics},
            },
        )
        groups = len(GROUPS_BY_SIDE)
        write_json(
            self.folder / STAGE_FILE,
            {
                "stage": self._name,
                "seed": self._seed,
                "git_revision": git_revision(),
                "seconds": seconds,
                "metrics": metrics,
                "felt_stronger_by": dict(zip(GROUPS_BY_SIDE, habit[:groups].round(4).tolist())),
                "posture": dict(zip(JOINTS, habit[groups:].round(4).tolist())),
            },
        )

    def _search(self, human: Path, exo: Path | None) -> Found:
        settings = self._config.habits
        deviations = np.r_[
            np.full(len(GROUPS_BY_SIDE), settings.strength_sd), np.full(len(JOINTS), settings.posture_sd)
        ]
        workers = max(1, min(self._config.workers, settings.candidates))
        arguments = (self._config, self._device, human, exo, math.ceil(settings.candidates / workers), self._seed)
        with (
            one_thread(),
            ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _prepare, arguments) as pool,
        ):

            def walk(numbers: np.ndarray) -> np.ndarray:
                return np.concatenate(list(pool.map(_walk, np.array_split(numbers, workers))))

            return search_habit(
                self._name,
                self.folder / GENERATIONS_FILE,
                walk,
                deviations,
                settings.candidates,
                settings.generations,
                self._seed,
                self._minutes,
                settings.change_price,
            )


def _prepare(
    config: ExoTrainingConfig, device: DeviceDescription, human: Path, exo: Path | None, count: int, seed: int
) -> None:
    global _trial
    _trial = HabitTrial(config, device, human, exo, count, seed)


def _walk(numbers: np.ndarray) -> np.ndarray:
    """Rewards of habits (n, HABIT_SIZE), at most as many as the trial has places for."""
    missing = _trial.count - len(numbers)
    return _trial(np.concatenate([numbers, np.zeros((missing, HABIT_SIZE))]))[: len(numbers)]
