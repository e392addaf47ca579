# SPDX-License-Identifier: Apache-2.0
"""How well people with one weakness walk with each of several habits that grow with it."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np

from exo_lab.train.averages import StrideAverages
from exo_lab.train.config import HumanTrainingConfig
from exo_lab.train.rewards import judge
from exo_sim.body.model import build_body
from exo_sim.body.muscle_groups import MUSCLE_GROUPS
from exo_sim.body.subject import Subject
from exo_sim.human.checkpoint import load_human
from exo_sim.human.compensations import WEAKNESSES, WHOLE_LEG, weaknesses
from exo_sim.human.habits import Habits
from exo_sim.human.observation import POLICY_RATE_HZ
from exo_sim.human.walkers import Walkers
from exo_sim.world.crowd import walk_together

_trial: CompensationTrial | None = None


def weak_subject(weakness: str, strength: float) -> Subject:
    """Somebody whose right leg has this weakness (a name of WEAKNESSES)."""
    groups = MUSCLE_GROUPS if weakness == WHOLE_LEG else (weakness,)
    return Subject(name=weakness, strengths={f"{group}_r": strength for group in groups})


class CompensationTrial:
    """A batch of people, weak in one thing and to several degrees, who walk with different habits.

    They wear nothing, nobody pushes them and their senses do not err: habits must differ by what they are alone.

    Args:
        config: of the training.
        human: checkpoint of the walker.
        weakness: of WEAKNESSES, on the right.
        count: habits at a time.
    """

    def __init__(self, config: HumanTrainingConfig, human: Path, weakness: str, count: int):
        settings = config.compensations
        self.count, self._config, self._human = count, config, load_human(human)
        bodies = {
            strength: build_body(weak_subject(weakness, strength), None, config.physics_rate_hz, accelerometer=False)
            for strength in settings.strengths_of(weakness)
        }
        cases = list(product(bodies, zip(settings.speeds_mps, settings.phases)))
        self._cases = [(speed, phase) for _, (speed, phase) in cases] * count
        self._walkers = Walkers([bodies[strength] for strength, _ in cases] * count)
        place = WEAKNESSES.index(weakness)
        #: What the weakness counts for in each case.
        self._weak = np.array([weaknesses(bodies[strength].strengths)[0, 0, place] for strength, _ in cases])
        self._steps, self._settled = (
            round(seconds * POLICY_RATE_HZ) for seconds in (settings.trial_s, settings.settle_s)
        )

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        """Reward (count,) per policy period for habits (count, HABIT_SIZE); who has fallen gets nothing more."""
        walkers, config = self._walkers, self._config
        habits = Habits.of(np.kron(numbers, self._weak[:, None]))
        averages = StrideAverages(walkers.count)
        for i, (speed, phase) in enumerate(self._cases):
            walkers.place(i, phase, speed)
            averages.restart(i, speed)
        total = np.zeros(walkers.count)

        def policy(observation: np.ndarray) -> np.ndarray:
            return self._human(habits.feel(observation)) + habits.posture

        for period in walk_together(walkers, policy, self._steps):
            averages.update(walkers, period.state)
            judgement = judge(config, walkers, period.state, period.action, period.effort, averages)
            period.upright[judgement.failed] = False
            if period.step >= self._settled:
                total += np.where(period.upright, judgement.reward, 0.0)
        return (total / (self._steps - self._settled)).reshape(-1, len(self._weak)).mean(axis=1)


def prepare(config: HumanTrainingConfig, human: Path, weakness: str, count: int) -> None:
    """Builds the trial of this process."""
    global _trial
    _trial = CompensationTrial(config, human, weakness, count)


def walk(numbers: np.ndarray) -> np.ndarray:
    """Rewards of habits (n, HABIT_SIZE) in the trial of this process, at most as many as it has places for."""
    missing = _trial.count - len(numbers)
    return _trial(np.concatenate([numbers, np.zeros((missing, numbers.shape[1]))]))[: len(numbers)]
