# SPDX-License-Identifier: Apache-2.0
"""Recovery from pushes."""

from __future__ import annotations

from collections.abc import Sequence

from exo_lab.evaluate.realism.targets import SMALLEST_SHARE_RECOVERED
from exo_sim.measurement import Figure, share_interval
from exo_sim.world.walk import PUSH_DIRECTIONS, WalkResult


def recovery(trials: Sequence[WalkResult]) -> list[Figure]:
    """Share of trials without a fall, over all sides (judged) and from each side; nothing without trials."""
    if not trials:
        return []
    share, interval = _share(trials)
    figures = [Figure.against("pushes_recovered", share, "1", at_least=SMALLEST_SHARE_RECOVERED, interval=interval)]
    for origin in PUSH_DIRECTIONS:
        own = [trial for trial in trials if trial.task.pushed_from == origin]
        if own:
            share, interval = _share(own)
            figures.append(Figure(f"pushes_from_{origin}_recovered", share, "1", interval=interval))
    return figures


def _share(trials: Sequence[WalkResult]) -> tuple[float, tuple[float, float]]:
    return share_interval(sum(trial.recovered for trial in trials), len(trials))
