# SPDX-License-Identifier: Apache-2.0
"""Which muscles of MyoLegs make up a clinical strength group.

A muscle that spans two joints belongs to the group of each action it is tested for in manual muscle testing
(Kendall et al. 2005, Muscles: Testing and Function); groups may therefore overlap, and a muscle in two groups
takes the smaller of the two strengths.
"""

from __future__ import annotations

from collections.abc import Callable

from exo_core.joints import SIDES
from exo_sim.errors import SimError

MUSCLE_GROUPS: dict[str, tuple[str, ...]] = {
    "hip_flexors": ("iliacus", "psoas", "recfem", "sart", "tfl"),
    "hip_extensors": ("glmax1", "glmax2", "glmax3", "semimem", "semiten", "bflh", "addmagIsch"),
    "hip_abductors": ("glmed1", "glmed2", "glmed3", "glmin1", "glmin2", "glmin3", "tfl", "piri"),
    "hip_adductors": ("addbrev", "addlong", "addmagDist", "addmagIsch", "addmagMid", "addmagProx", "grac"),
    "knee_extensors": ("recfem", "vasint", "vaslat", "vasmed"),
    "knee_flexors": ("bflh", "bfsh", "semimem", "semiten", "grac", "sart"),
    "plantarflexors": ("soleus", "gasmed", "gaslat", "tibpost", "fhl", "fdl", "perlong", "perbrev"),
    "dorsiflexors": ("tibant", "edl", "ehl"),
}

#: A muscle of two groups is counted where its larger action in walking is.
MAIN_GROUP = {
    "recfem": "knee_extensors",
    "semimem": "knee_flexors",
    "semiten": "knee_flexors",
    "bflh": "knee_flexors",
    "sart": "hip_flexors",
    "tfl": "hip_abductors",
    "grac": "hip_adductors",
    "addmagIsch": "hip_extensors",
}
OTHER_GROUP = "others"

GROUPS_BY_SIDE: tuple[str, ...] = tuple(f"{group}_{side}" for side in SIDES for group in MUSCLE_GROUPS)
#: Every muscle of MyoLegs with its side; each is in at least one group.
MUSCLES_BY_SIDE: tuple[str, ...] = tuple(
    f"{muscle}_{side}"
    for side in SIDES
    for muscle in sorted({muscle for members in MUSCLE_GROUPS.values() for muscle in members})
)


def muscles_of(name: str) -> tuple[str, ...]:
    """MyoLegs muscle names of a group with its side, e.g. plantarflexors_r; a muscle, e.g. soleus_r, is its own.

    Raises:
        SimError: no such group or muscle.
    """
    if name in MUSCLES_BY_SIDE:
        return (name,)
    if name not in GROUPS_BY_SIDE:
        raise SimError(
            f"unknown muscle group '{name}'; allowed: {', '.join(GROUPS_BY_SIDE)}, "
            f"or a muscle: {', '.join(MUSCLES_BY_SIDE)}"
        )
    group, side = name.rsplit("_", 1)
    return tuple(f"{muscle}_{side}" for muscle in MUSCLE_GROUPS[group])


def value_by_muscle(
    values: dict[str, float], muscles: tuple[str, ...], healthy: float, worse: Callable[[float, float], float]
) -> list[float]:
    """A value for each of the muscles: of the groups that it belongs to the worse one, else the healthy one.

    Args:
        values: by muscle group and side, or muscle.
        muscles: names, in the order of the result.
        healthy: value of a muscle that nothing is said about.
        worse: which of two values holds for a muscle of two groups (min or max).
    """
    own: dict[str, float] = {}
    for name, value in values.items():
        for muscle in muscles_of(name):
            own[muscle] = worse(own.get(muscle, value), value)
    return [own.get(muscle, healthy) for muscle in muscles]


def strength_by_muscle(strengths: dict[str, float], muscles: tuple[str, ...]) -> list[float]:
    """Force factor for each of the muscles: the smallest strength of the groups that it belongs to, else 1.

    Args:
        strengths: fraction of the model's maximum isometric force by muscle group and side, or muscle.
        muscles: names, in the order of the result.
    """
    return value_by_muscle(strengths, muscles, 1.0, min)


def strength_by_group(strengths: dict[str, float]) -> list[float]:
    """Strength (16,) of GROUPS_BY_SIDE: as given, else the mean of what is given of its muscles by name, else 1."""
    named = {muscle: strength for muscle, strength in strengths.items() if muscle in MUSCLES_BY_SIDE}
    result = []
    for group in GROUPS_BY_SIDE:
        members = muscles_of(group)
        mean = sum(named.get(muscle, 1.0) for muscle in members) / len(members)
        result.append(min(strengths.get(group, mean), mean) if named else strengths.get(group, 1.0))
    return result


def main_groups(muscles: tuple[str, ...]) -> dict[str, list[int]]:
    """Indices of the muscles (names with side, both sides together) by group, each once; "others" for the rest."""
    groups: dict[str, list[int]] = {group: [] for group in (*MUSCLE_GROUPS, OTHER_GROUP)}
    for index, name in enumerate(muscles):
        muscle = name[:-2]
        fitting = [group for group, members in MUSCLE_GROUPS.items() if muscle in members]
        groups[MAIN_GROUP.get(muscle, fitting[0] if fitting else OTHER_GROUP)].append(index)
    return {group: own for group, own in groups.items() if own}
