# SPDX-License-Identifier: Apache-2.0
"""How a walker makes up for weakness: habits (habits.py) that grow with it, muscle group by muscle group.

A person knows the own weakness, and the more there is of it, the more they walk otherwise. What one weak group asks for says
little about a leg that is weak as a whole, so that has a habit of its own:

    w_g   weakness of group g of a leg: 1 - strength
    m     mean of w over the leg's groups
    group g counts by max(0, w_g - m), the whole leg by max(0, m - 1/8)

One group alone, however weak, moves m by 1/8 at most; a leg whose groups are all equally weak has no group that counts.
"""

from __future__ import annotations

import numpy as np

from exo_sim.body.muscle_groups import GROUPS_BY_SIDE, MUSCLE_GROUPS
from exo_sim.human.habits import Habits
from exo_sim.human.observation import action_mirror_index

WHOLE_LEG = "whole_leg"
#: What a leg can be weak in, in the order of the rows of compensations.
WEAKNESSES = (*MUSCLE_GROUPS, WHOLE_LEG)
_GROUPS = len(MUSCLE_GROUPS)
#: Mean weakness of a leg from which on it counts as weak as a whole: one group without any strength.
_ONE_GROUP = 1.0 / _GROUPS


def weaknesses(strengths: np.ndarray) -> np.ndarray:
    """What counts (n, 2, 9) of right and left leg, order of WEAKNESSES, for strengths (n, 16) of GROUPS_BY_SIDE."""
    weak = 1.0 - np.asarray(strengths, dtype=float).reshape(-1, 2, _GROUPS)
    mean = weak.mean(axis=2, keepdims=True)
    return np.maximum(np.concatenate([weak - mean, mean - _ONE_GROUP], axis=2), 0.0)


def both_legs(rows: np.ndarray) -> np.ndarray:
    """Habits (18, HABIT_SIZE) by weakness of the right, then of the left leg, from those (9, HABIT_SIZE) of the right."""
    swap = np.r_[np.arange(_GROUPS, 2 * _GROUPS), np.arange(_GROUPS), len(GROUPS_BY_SIDE) + action_mirror_index()]
    return np.concatenate([rows, rows[:, swap]])


def compensating_habits(rows: np.ndarray, strengths: np.ndarray) -> Habits:
    """Habits of people with these strengths (n, 16), from rows (9, HABIT_SIZE) for weaknesses of the right leg."""
    return Habits.of(weaknesses(strengths).reshape(-1, 2 * len(WEAKNESSES)) @ both_legs(rows))
