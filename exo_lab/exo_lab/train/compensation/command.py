# SPDX-License-Identifier: Apache-2.0
"""`exo train compensations`: a walker that knows how strong it is learns to make up for what is weak."""

from __future__ import annotations

import argparse
import math
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from exo_lab.pool import one_thread
from exo_lab.train.command_line import add_run_arguments, run_command, training_document
from exo_lab.train.compensation import trial
from exo_lab.train.config import HumanTrainingConfig, load_training_config
from exo_lab.train.habit_search import search_habit
from exo_lab.train.stages import refuse_another_training
from exo_policy.checkpoint import load_checkpoint
from exo_sim.body.muscle_groups import GROUPS_BY_SIDE
from exo_sim.gait.reference import JOINTS
from exo_sim.human.checkpoint import load_human, shipped_human
from exo_sim.human.compensations import WEAKNESSES
from exo_sim.human.contract import HUMAN_CONTRACT
from exo_sim.human.habits import HABIT_SIZE
from exo_sim.measurement.summary import write_json

COMMAND = "exo train compensations"
COMPENSATIONS_FILE = "compensations.json"


def parser() -> argparse.ArgumentParser:
    """Command line of `exo train compensations`."""
    p = argparse.ArgumentParser(
        prog=COMMAND,
        description="Let a walker that knows its strengths find habits that make up "
        "for weak muscle groups, and teach them to its network (resumes a run folder)",
    )
    p.add_argument(
        "--human", default=None, metavar="CHECKPOINT", help="the walker (default: the project's for impaired people)"
    )
    add_run_arguments(p, "runs/compensations", samples=False)
    return p


def main(argv: list[str] | None = None) -> int:
    """Runs the training; returns the exit code."""
    return run_command(COMMAND, train, parser().parse_args(argv))


def train(options: argparse.Namespace) -> int:
    """Trains as the command line says.

    Raises:
        SimError: a wrong configuration or option.
        CheckpointError: a walker that cannot be used.
    """
    config = load_training_config(*options.config)
    if options.workers:
        config = config.model_copy(update={"workers": options.workers})
    human, folder = Path(options.human or shipped_human(impaired=True)), Path(options.output)
    load_human(human)
    _, before = load_checkpoint(human, kind="human")
    document = training_document(
        "exo train compensations",
        options,
        {**config.model_dump(mode="json"), "began_with_sha256": before.sha256},
    )
    refuse_another_training(folder, document)
    found = {weakness: _search(weakness, config, human, folder, options.seed) for weakness in WEAKNESSES}
    write_json(folder / COMPENSATIONS_FILE, {weakness: found[weakness].in_words() for weakness in WEAKNESSES})
    rows = np.array([found[weakness].habit * found[weakness].adopted for weakness in WEAKNESSES])
    print(
        f"made up for: {', '.join(weakness for weakness in WEAKNESSES if found[weakness].adopted) or 'nothing'}",
        flush=True,
    )
    from exo_lab.train.compensation.teaching import PUPIL_STEM, teach  # imports torch

    learned = teach(
        config,
        human,
        rows,
        folder,
        options.seed,
        {
            "kind": "human",
            "contract": HUMAN_CONTRACT.model_dump(),
            "training": {
                "seed": document["seed"],
                "git_revision": document["git_revision"],
                "config": {
                    **document["config"],
                    "found": {
                        weakness: found[weakness].in_words() for weakness in WEAKNESSES if found[weakness].adopted
                    },
                },
                "samples": config.compensations.rounds
                * config.compensations.round_steps
                * config.workers
                * config.envs_per_worker,
            },
        },
    )
    print(f"checkpoint {folder / PUPIL_STEM}.safetensors, {learned['error']:.3f} units of action from its teacher")
    return 0


class Compensation(NamedTuple):
    """A habit (HABIT_SIZE,) for a weakness: what it earns and what none does, and whether that is worth it."""

    habit: np.ndarray
    reward: float
    reward_without: float
    adopted: bool
    seconds: float

    def in_words(self) -> dict:
        """For people to read."""
        groups = len(GROUPS_BY_SIDE)
        return {
            "reward": self.reward,
            "reward_without": self.reward_without,
            "adopted": self.adopted,
            "seconds": self.seconds,
            "felt_stronger_by": dict(zip(GROUPS_BY_SIDE, self.habit[:groups].round(4).tolist())),
            "posture": dict(zip(JOINTS, self.habit[groups:].round(4).tolist())),
        }


def _search(weakness: str, config: HumanTrainingConfig, human: Path, folder: Path, seed: int) -> Compensation:
    settings = config.compensations
    deviations = np.r_[np.full(len(GROUPS_BY_SIDE), settings.strength_sd), np.full(len(JOINTS), settings.posture_sd)]
    deviations /= 1.0 - np.mean(settings.strengths_of(weakness))
    workers = max(1, min(config.workers, settings.candidates))
    arguments = (config, human, weakness, math.ceil(settings.candidates / workers))
    with (
        one_thread(),
        ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), trial.prepare, arguments) as pool,
    ):

        def walk(numbers: np.ndarray) -> np.ndarray:
            return np.concatenate(list(pool.map(trial.walk, np.array_split(numbers, workers))))

        found = search_habit(
            weakness, folder / f"{weakness}.json", walk, deviations, settings.candidates, settings.generations, seed
        )
        without, reward = walk(np.stack([np.zeros(HABIT_SIZE), found.habit])).tolist()
    adopted = reward > (1.0 + settings.smallest_gain) * without
    return Compensation(found.habit, reward, without, adopted, found.seconds)


if __name__ == "__main__":
    sys.exit(main())
