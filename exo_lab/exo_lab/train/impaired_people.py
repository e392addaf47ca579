# SPDX-License-Identifier: Apache-2.0
"""Draws impairments for training: weak groups on one side, a whole weak side, both sides, and what comes with them."""

from __future__ import annotations

import numpy as np

from exo_lab.train.config import ImpairmentConfig
from exo_sim.body.impairments import Contracture, Impairments, Spasticity
from exo_sim.body.muscle_groups import MUSCLE_GROUPS

#: What is stiff, drawn to which angle (rad), in a contracture: equinus, and knees or hips drawn into flexion.
_CONTRACTURES = {"ankle_angle": -0.15, "knee_angle": 0.3, "hip_flexion": 0.25}
#: Groups that spasticity is common in after a stroke and in cerebral palsy.
_SPASTIC = ("plantarflexors", "knee_flexors", "knee_extensors", "hip_adductors")
_CO_CONTRACTED = ("ankle_angle", "knee_angle")
#: Lowest and highest threshold of a reflex (optimal fibre lengths per second).
_REFLEX_THRESHOLD = (0.2, 1.0)
#: Groups of a weak side differ from each other by this standard deviation of strength.
_UNEVEN_SD = 0.1


def draw_impairments(
    config: ImpairmentConfig, severity: float, strengths: dict[str, float], random: np.random.Generator
) -> Impairments:
    """Impairments of a person whose healthy muscles have these strengths (by group and side).

    Args:
        severity: share of the configured ranges in use, 0 to 1.
    """
    groups, sides = list(MUSCLE_GROUPS), [str(random.choice(["r", "l"]))]
    kind = random.random()
    if kind < config.whole_side:
        weak = groups
    else:
        count = random.integers(config.weak_groups[0], config.weak_groups[1] + 1)
        weak = [str(group) for group in random.choice(groups, size=count, replace=False)]
        if kind < config.whole_side + config.bilateral:
            sides = ["r", "l"]
    low, high = config.strength_range
    common, drawn = random.uniform(low, high), dict(strengths)
    for group in weak:
        left = random.uniform(low, high) if len(weak) < len(groups) else common + _UNEVEN_SD * random.standard_normal()
        left = 1.0 - severity * (1.0 - float(np.clip(left, low, high)))
        for side in sides:
            drawn[f"{group}_{side}"] = min(left, drawn.get(f"{group}_{side}", left))
    fields: dict[str, dict] = {
        "strengths": drawn,
        "contractures": {},
        "spasticity": {},
        "activation_slowdown": {},
        "co_contraction": {},
    }
    for side in sides:
        _others(config, severity, side, fields, random)
    return Impairments(**fields)


def _others(
    config: ImpairmentConfig, severity: float, side: str, fields: dict[str, dict], random: np.random.Generator
) -> None:
    def some(most: float) -> float:
        return float(severity * random.uniform(0.2, 1.0) * most)

    def struck() -> bool:
        return bool(random.random() < config.others)

    if struck():
        joint = str(random.choice(list(_CONTRACTURES)))
        fields["contractures"][f"{joint}_{side}"] = Contracture(
            stiffness_nm_per_rad=some(config.most_stiffness_nm_per_rad), rest_rad=_CONTRACTURES[joint]
        )
    if struck():
        group = str(random.choice(_SPASTIC))
        fields["spasticity"][f"{group}_{side}"] = Spasticity(
            gain=some(config.most_reflex_gain), threshold=float(random.uniform(*_REFLEX_THRESHOLD))
        )
    if struck():
        slowdown = 1.0 + some(config.most_slowdown - 1.0)
        fields["activation_slowdown"].update({f"{group}_{side}": slowdown for group in MUSCLE_GROUPS})
    if struck():
        joint = str(random.choice(_CO_CONTRACTED))
        fields["co_contraction"][f"{joint}_{side}"] = some(config.most_co_contraction)
