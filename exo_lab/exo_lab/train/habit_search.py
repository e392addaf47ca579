# SPDX-License-Identifier: Apache-2.0
"""Looks for the habit that earns most, by CMA-ES (Hansen 2016, arXiv 1604.00772); goes on where it was."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cma
import numpy as np

from exo_lab.pool import progress_bar
from exo_sim.human.habits import HABIT_SIZE
from exo_sim.measurement.summary import write_json


class Found(NamedTuple):
    """What a search found.

    Attributes:
        habit: (HABIT_SIZE,).
        seconds: of the search, earlier runs included.
        rewards: mean of the better half of each generation.
    """

    habit: np.ndarray
    seconds: float
    rewards: list[float]


def search_habit(
    name: str,
    file: Path,
    walk: Callable[[np.ndarray], np.ndarray],
    deviations: np.ndarray,
    candidates: int,
    generations: int,
    seed: int,
    minutes: float = math.inf,
    change_price: float = 0.0,
) -> Found:
    """The habit around which candidates earn most, less what it costs to change.

    Args:
        name: beside the progress bar.
        file: gets the rewards of every generation; those that are in it are not walked for again.
        walk: rewards (n,) of habits (n, HABIT_SIZE).
        deviations: (HABIT_SIZE,) standard deviations of the first candidates around no habit.
        candidates: of a generation.
        generations: at most.
        seed: of the candidates.
        minutes: at most, earlier runs included.
        change_price: reward taken off for each number of a habit that is one standard deviation off, squared.
    """
    strategy = cma.CMAEvolutionStrategy(
        np.zeros(HABIT_SIZE), 1.0, {"CMA_stds": deviations, "popsize": candidates, "seed": seed, "verbose": -9}
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
    return Found(np.array(strategy.mean), known["seconds"], means)
