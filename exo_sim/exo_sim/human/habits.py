# SPDX-License-Identifier: Apache-2.0
"""What a person's way of walking is shifted by when they get used to a body or a device: how strong they feel, and how
they hold themselves.

Both are constants that the walker's network adds to what it sees and what it does. A shift of them is therefore a change of
biases alone, and a person with habits is a checkpoint like any other. Few numbers, that much experience decides: changing
biases alone is known to adapt a trained network well from little data (Ben Zaken et al. 2022, BitFit, ACL short papers).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from exo_sim.body.muscle_groups import GROUPS_BY_SIDE
from exo_sim.gait.reference import JOINTS
from exo_sim.human.observation import HUMAN_TERMS

STRENGTH_TERM = "strength_minus_1"
#: Numbers of a habit.
HABIT_SIZE = len(GROUPS_BY_SIDE) + len(JOINTS)


def _strength_slice() -> tuple[slice, float]:
    start = 0
    for term in HUMAN_TERMS:
        if term.name == STRENGTH_TERM:
            return slice(start, start + term.size), term.scale
        start += term.size
    raise LookupError(STRENGTH_TERM)


#: Where strengths are in the walker's observation, and what they are multiplied by there.
STRENGTH_SLICE, STRENGTH_SCALE = _strength_slice()


class Habits(NamedTuple):
    """Habits of n people.

    Attributes:
        strength: (n, 16) fractions of healthy force that they feel stronger by than they are; order of GROUPS_BY_SIDE.
        posture: (n, 14) units of action added to every action; order of JOINTS.
    """

    strength: np.ndarray
    posture: np.ndarray

    @classmethod
    def of(cls, numbers: np.ndarray) -> Habits:
        """From rows (n, HABIT_SIZE)."""
        rows = np.atleast_2d(np.asarray(numbers, dtype=np.float32))
        groups = len(GROUPS_BY_SIDE)
        return cls(rows[:, :groups], rows[:, groups:])

    def feel(self, observation: np.ndarray) -> np.ndarray:
        """What they take an observation (n, O) for."""
        felt = np.array(observation, dtype=np.float32)
        felt[:, STRENGTH_SLICE] += STRENGTH_SCALE * self.strength
        return felt


def with_habit(tensors: Mapping[str, np.ndarray], numbers: np.ndarray) -> dict[str, np.ndarray]:
    """Tensors of a walker (exo_policy.networks) who has the habit (HABIT_SIZE,)."""
    habit = Habits.of(numbers)
    changed = {name: np.array(tensor) for name, tensor in tensors.items()}
    last = sum(name.endswith(".weight") for name in changed) - 1
    seen = STRENGTH_SCALE * habit.strength[0] / changed["obs_std"][STRENGTH_SLICE]
    changed["layer0.bias"] = (changed["layer0.bias"] + changed["layer0.weight"][:, STRENGTH_SLICE] @ seen).astype(
        np.float32
    )
    changed[f"layer{last}.bias"] = (changed[f"layer{last}.bias"] + habit.posture[0]).astype(np.float32)
    return changed
