# SPDX-License-Identifier: Apache-2.0
"""Gross metabolic cost over speed, after both metabolic models."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from exo_lab.evaluate.realism.group import SpeedGroup
from exo_lab.evaluate.realism.targets import CHEAPEST_SPEED_MPS, SMALLEST_COST_R
from exo_sim.measurement import Figure
from exo_sim.metabolics.models import looney2019

MODELS = {"bhargava": "metabolic_power_per_mass", "umberger": "metabolic_power_umberger_per_mass"}
#: A curve over speed needs at least so many speeds.
FEWEST_SPEEDS = 3


def power(group: SpeedGroup) -> list[Figure]:
    """Metabolic power, and cost per distance at the speed that was walked."""
    figures = []
    for model, scalar in MODELS.items():
        watts = [walk.scalar(scalar) for walk in group.walks]
        figures.append(group.figure(f"metabolic_power_{model}", watts, "W/kg"))
        figures.append(
            group.figure(
                f"cost_of_transport_{model}", [w / walk.speed for w, walk in zip(watts, group.walks)], "J/kg/m"
            )
        )
    return figures


def over_speed(groups: Sequence[SpeedGroup]) -> list[Figure]:
    """Correlation with Looney's curve, and where a metre is cheapest; means over seeds that walked at all speeds."""
    if len(groups) < FEWEST_SPEEDS:
        return []
    figures = []
    for model, scalar in MODELS.items():
        correlations, cheapest = [], []
        for walks in zip(*(group.walks for group in groups)):
            speed = np.array([walk.speed for walk in walks])
            watts = np.array([walk.scalar(scalar) for walk in walks])
            known = bool(np.isfinite(watts).all())
            correlations.append(float(np.corrcoef(watts, looney2019(speed))[0, 1]) if known else math.nan)
            cheapest.append(cheapest_speed(speed, watts / speed) if known else math.nan)
        figures.append(Figure.mean_of(f"cost_r_{model}", correlations, "1", at_least=SMALLEST_COST_R))
        figures.append(
            Figure.mean_of(
                f"cheapest_speed_{model}",
                cheapest,
                "m/s",
                at_least=CHEAPEST_SPEED_MPS[0],
                at_most=CHEAPEST_SPEED_MPS[1],
            )
        )
    return figures


def cheapest_speed(speed: np.ndarray, cost: np.ndarray) -> float:
    """Speed (m/s) of the lowest cost per distance: the vertex of the parabola through the lowest point and its
    neighbours, or the end of the range where the lowest point is there. Both arrays (n,), speed increasing."""
    i = int(np.argmin(cost))
    if i in (0, len(cost) - 1):
        return float(speed[i])
    a, b, _ = np.polyfit(speed[i - 1 : i + 2], cost[i - 1 : i + 2], 2)
    return float(-b / (2.0 * a))
