# SPDX-License-Identifier: Apache-2.0
"""Which muscles of MyoLegs make up a clinical strength group.

A muscle that spans two joints belongs to the group of each action it is tested for in manual muscle testing
(Kendall et al. 2005, Muscles: Testing and Function); groups may therefore overlap, and a muscle in two groups
takes the smaller of the two strengths.
"""
from __future__ import annotations

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

SIDES = ("r", "l")
GROUPS_BY_SIDE: tuple[str, ...] = tuple(f"{group}_{side}" for side in SIDES for group in MUSCLE_GROUPS)


def muscles_of(group: str) -> tuple[str, ...]:
    """MyoLegs muscle names of a group with its side, e.g. plantarflexors_r.

    Raises:
        SimError: no such group.
    """
    if group not in GROUPS_BY_SIDE:
        raise SimError(f"unknown muscle group '{group}'; allowed: {', '.join(GROUPS_BY_SIDE)}")
    name, side = group.rsplit("_", 1)
    return tuple(f"{muscle}_{side}" for muscle in MUSCLE_GROUPS[name])


def strength_by_muscle(strengths: dict[str, float], muscles: tuple[str, ...]) -> list[float]:
    """Force factor for each of the muscles: the smallest strength of the groups that it belongs to, else 1.

    Args:
        strengths: fraction of the model's maximum isometric force by group and side.
        muscles: names, in the order of the result.
    """
    factor: dict[str, float] = {}
    for group, strength in strengths.items():
        for muscle in muscles_of(group):
            factor[muscle] = min(factor.get(muscle, strength), strength)
    return [factor.get(muscle, 1.0) for muscle in muscles]


def main_groups(muscles: tuple[str, ...]) -> dict[str, list[int]]:
    """Indices of the muscles (names with side, both sides together) by group, each once; "others" for the rest."""
    groups: dict[str, list[int]] = {group: [] for group in (*MUSCLE_GROUPS, OTHER_GROUP)}
    for index, name in enumerate(muscles):
        muscle = name[:-2]
        fitting = [group for group, members in MUSCLE_GROUPS.items() if muscle in members]
        groups[MAIN_GROUP.get(muscle, fitting[0] if fitting else OTHER_GROUP)].append(index)
    return {group: own for group, own in groups.items() if own}
