# SPDX-License-Identifier: Apache-2.0
"""`exo train compensations`: a human that knows how strong it is learns to make up for what is weak."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from exo_lab.train.command_line import add_run_arguments, refuse_another_training, run_command, training_document
from exo_lab.train.config import HumanTrainingConfig, load_training_config
from exo_lab.train.motor_adaptation import by_name, first_deviations, search_adaptation, trials_in_workers
from exo_lab.train.rewards import StrideAverages, imitation_reward
from exo_policy.checkpoint import load_checkpoint
from exo_sim.body.model import build_body
from exo_sim.body.muscle_groups import MUSCLE_GROUPS
from exo_sim.body.subject import Subject
from exo_sim.human.checkpoint import load_human, shipped_human
from exo_sim.human.control import GoalControl
from exo_sim.human.motor_adaptation import ADAPTATION_SIZE, WEAKNESSES, WHOLE_LEG, Adaptations, weaknesses
from exo_sim.human.observation import HUMAN_CONTRACT, POLICY_RATE_HZ
from exo_sim.human.walkers import Walkers
from exo_sim.measurement import write_json
from exo_sim.world.crowd import walk_together

COMMAND = "exo train compensations"
COMPENSATIONS_FILE = "compensations.json"


def weak_subject(weakness: str, strength: float) -> Subject:
    """Somebody whose right leg has this weakness (a name of WEAKNESSES)."""
    groups = MUSCLE_GROUPS if weakness == WHOLE_LEG else (weakness,)
    return Subject(name=weakness, strengths={f"{group}_r": strength for group in groups})


class CompensationTrial:
    """A batch of people, weak in one thing and to several degrees, who walk with different adaptations.

    They wear no device, nobody pushes them and their sensors have no noise, so that only the adaptations differ.

    Args:
        config: of the training.
        human: checkpoint of the walker.
        weakness: of WEAKNESSES, on the right.
        count: adaptations at a time.
    """

    def __init__(self, config: HumanTrainingConfig, human: Path, weakness: str, count: int):
        settings = config.compensations
        self.count, self._config, self._human = count, config, load_human(human)
        bodies = {
            strength: build_body(weak_subject(weakness, strength), None, config.physics_rate_hz, accelerometer=False)
            for strength in settings.strengths_of(weakness)
        }
        cases = list(product(bodies, zip(settings.speeds_mps, settings.phases, strict=False)))
        self._cases = [(speed, phase) for _, (speed, phase) in cases] * count
        self._walkers = Walkers([bodies[strength] for strength, _ in cases] * count)
        place = WEAKNESSES.index(weakness)
        #: What the weakness counts for in each case.
        self._weak = np.array([weaknesses(bodies[strength].strengths)[0, 0, place] for strength, _ in cases])
        self._steps, self._settled = (
            round(seconds * POLICY_RATE_HZ) for seconds in (settings.trial_s, settings.settle_s)
        )

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        """Reward (count,) per policy period for adaptations (count, ADAPTATION_SIZE); who has fallen gets nothing more."""
        walkers, config = self._walkers, self._config
        adaptations = Adaptations.of(np.kron(numbers, self._weak[:, None]))
        averages = StrideAverages(walkers.count, config.reward)
        for i, (speed, phase) in enumerate(self._cases):
            walkers.place(i, phase, speed)
            averages.restart(i, speed)
        total = np.zeros(walkers.count)

        def policy(observation: np.ndarray) -> np.ndarray:
            return self._human(adaptations.perceive(observation)) + adaptations.posture

        for period in walk_together(walkers, GoalControl(walkers, policy), self._steps):
            averages.update(walkers, period.state)
            result = imitation_reward(config, walkers, period.state, period.action, period.effort, averages)
            period.upright[result.failed] = False
            if period.step >= self._settled:
                total += np.where(period.upright, result.reward, 0.0)
        return (total / (self._steps - self._settled)).reshape(-1, len(self._weak)).mean(axis=1)


def parser() -> argparse.ArgumentParser:
    """Command line of `exo train compensations`."""
    p = argparse.ArgumentParser(
        prog=COMMAND,
        description="Let a walker that knows its strengths find adaptations that make up "
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
    refuse_another_training(folder, document, HumanTrainingConfig)
    found = {weakness: _search(weakness, config, human, folder, options.seed) for weakness in WEAKNESSES}
    write_json(folder / COMPENSATIONS_FILE, {weakness: found[weakness].in_words() for weakness in WEAKNESSES})
    rows = np.array([found[weakness].adaptation * found[weakness].adopted for weakness in WEAKNESSES])
    print(
        f"made up for: {', '.join(weakness for weakness in WEAKNESSES if found[weakness].adopted) or 'nothing'}",
        flush=True,
    )
    from exo_lab.train.teaching import PUPIL_STEM, teach  # imports torch

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
    """An adaptation (ADAPTATION_SIZE,) for a weakness: what it earns and what none does, and whether that is worth it."""

    adaptation: np.ndarray
    reward: float
    reward_without: float
    adopted: bool
    seconds: float

    def in_words(self) -> dict:
        """For people to read."""
        return {
            "reward": self.reward,
            "reward_without": self.reward_without,
            "adopted": self.adopted,
            "seconds": self.seconds,
            **by_name(self.adaptation),
        }


def _search(weakness: str, config: HumanTrainingConfig, human: Path, folder: Path, seed: int) -> Compensation:
    settings = config.compensations
    deviations = first_deviations(settings) / (1.0 - np.mean(settings.strengths_of(weakness)))
    make = partial(CompensationTrial, config, human, weakness)
    with trials_in_workers(make, config.workers, settings.candidates) as walk:
        found = search_adaptation(
            weakness, folder / f"{weakness}.json", walk, deviations, settings.candidates, settings.generations, seed
        )
        without, reward = walk(np.stack([np.zeros(ADAPTATION_SIZE), found.adaptation])).tolist()
    adopted = reward > (1.0 + settings.smallest_gain) * without
    return Compensation(found.adaptation, reward, without, adopted, found.seconds)


if __name__ == "__main__":
    sys.exit(main())
