# SPDX-License-Identifier: Apache-2.0
"""Motor adaptation: what a person's way of walking is shifted by when they get used to a body or a device.

Two shifts: how strong they feel, and how they hold themselves. Both are constants that the human's network adds to what
it sees and what it does. A shift of them is therefore a change of biases alone, and an adapted person is a checkpoint
like any other. Few numbers, that much experience decides: changing biases alone is known to adapt a trained network well
from little data (Ben Zaken et al. 2022, BitFit, ACL short papers).

Compensations are adaptations that grow with weakness, muscle group by muscle group. A person knows the own weakness, and
the more there is of it, the more they walk otherwise. What one weak group asks for says little about a leg that is weak as
a whole, so that has an adaptation of its own:

    w_g   weakness of group g of a leg: 1 - strength
    m     mean of w over the leg's groups
    group g counts by max(0, w_g - m), the whole leg by max(0, m - 1/8)

One group alone, however weak, moves m by 1/8 at most; a leg whose groups are all equally weak has no group that counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from exo_sim.body.muscle_groups import GROUPS_BY_SIDE, MUSCLE_GROUPS
from exo_sim.gait.reference import JOINTS
from exo_sim.human.observation import HUMAN_TERMS, action_mirror_index

STRENGTH_TERM = "strength_minus_1"
#: Numbers of an adaptation.
ADAPTATION_SIZE = len(GROUPS_BY_SIDE) + len(JOINTS)


def _strength_slice() -> tuple[slice, float]:
    start = 0
    for term in HUMAN_TERMS:
        if term.name == STRENGTH_TERM:
            return slice(start, start + term.size), term.scale
        start += term.size
    raise LookupError(STRENGTH_TERM)


#: Where strengths are in the walker's observation, and what they are multiplied by there.
STRENGTH_SLICE, STRENGTH_SCALE = _strength_slice()


class Adaptations(NamedTuple):
    """Adaptations of n people.

    Attributes:
        strength: (n, 16) fractions of healthy force that they feel stronger by than they are; order of GROUPS_BY_SIDE.
        posture: (n, 14) units of action added to every action; order of JOINTS.
    """

    strength: np.ndarray
    posture: np.ndarray

    @classmethod
    def of(cls, numbers: np.ndarray) -> Adaptations:
        """From rows (n, ADAPTATION_SIZE)."""
        rows = np.atleast_2d(np.asarray(numbers, dtype=np.float32))
        groups = len(GROUPS_BY_SIDE)
        return cls(rows[:, :groups], rows[:, groups:])

    def perceive(self, observation: np.ndarray) -> np.ndarray:
        """What they take an observation (n, O) for."""
        felt = np.array(observation, dtype=np.float32)
        felt[:, STRENGTH_SLICE] += STRENGTH_SCALE * self.strength
        return felt


def with_adaptation(tensors: Mapping[str, np.ndarray], numbers: np.ndarray) -> dict[str, np.ndarray]:
    """Tensors of a walker (exo_policy.networks) who has the adaptation (ADAPTATION_SIZE,)."""
    adaptation = Adaptations.of(numbers)
    changed = {name: np.array(tensor) for name, tensor in tensors.items()}
    last = sum(name.endswith(".weight") for name in changed) - 1
    seen = STRENGTH_SCALE * adaptation.strength[0] / changed["obs_std"][STRENGTH_SLICE]
    changed["layer0.bias"] = (changed["layer0.bias"] + changed["layer0.weight"][:, STRENGTH_SLICE] @ seen).astype(
        np.float32
    )
    changed[f"layer{last}.bias"] = (changed[f"layer{last}.bias"] + adaptation.posture[0]).astype(np.float32)
    return changed


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
    """Adaptations (18, ADAPTATION_SIZE) by weakness of the right, then of the left leg, from those (9, ADAPTATION_SIZE) of the right."""
    swap = np.r_[np.arange(_GROUPS, 2 * _GROUPS), np.arange(_GROUPS), len(GROUPS_BY_SIDE) + action_mirror_index()]
    return np.concatenate([rows, rows[:, swap]])


def compensating_adaptations(rows: np.ndarray, strengths: np.ndarray) -> Adaptations:
    """Adaptations of people with these strengths (n, 16), from rows (9, ADAPTATION_SIZE) for weaknesses of the right leg."""
    return Adaptations.of(weaknesses(strengths).reshape(-1, 2 * len(WEAKNESSES)) @ both_legs(rows))
