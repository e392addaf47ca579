# SPDX-License-Identifier: Apache-2.0
"""All figures of the walker's realism, in the order in which they are to be read."""

from __future__ import annotations

from collections.abc import Sequence

from exo_lab.evaluate.realism import cost, loading, muscle_timing, recovery, symmetry, walking, waveforms
from exo_lab.evaluate.realism.group import SpeedGroup
from exo_sim.measurement import Figure
from exo_sim.world.walk import WalkResult

BY_SPEED = (
    walking.walking,
    waveforms.angles,
    waveforms.forces,
    loading.loading,
    waveforms.moments,
    waveforms.powers,
    loading.push_off,
    muscle_timing.muscle_timing,
    cost.power,
    symmetry.symmetry,
)


def grouped(walks: Sequence[WalkResult]) -> list[SpeedGroup]:
    """Walks by commanded speed, slowest first; within a speed in the order they came."""
    speeds = sorted({walk.task.speed_mps for walk in walks})
    return [SpeedGroup(speed, [walk for walk in walks if walk.task.speed_mps == speed]) for speed in speeds]


def realism_figures(walks: Sequence[WalkResult], pushes: Sequence[WalkResult]) -> list[Figure]:
    """Figures of all speeds together, then of each speed ("..._at_1.25")."""
    groups = grouped(walks)
    figures = [walking.share_without_fall(groups), *recovery.recovery(pushes), *cost.over_speed(groups)]
    for measure in BY_SPEED:
        for group in groups:
            figures += measure(group)
    return figures
