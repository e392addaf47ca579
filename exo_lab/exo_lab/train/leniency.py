# SPDX-License-Identifier: Apache-2.0
"""What is asked less of impaired people, and what they mind more: a healthy gait must not be forced on a weak body.

All in proportion to the deficit of each leg (Walkers.deficit). For a healthy person every factor is 1, and reward
and end of an episode are what they were.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from exo_lab.train.config import LeniencyConfig
from exo_sim.gait.reference import LEG_JOINTS


class Leniency(NamedTuple):
    """Factors, each 1 for n healthy people.

    Attributes:
        leg: (n, 2) on errors against the healthy reference, right and left.
        joint: (n, 14) the same by joint.
        person: (n,) the smaller of the two.
        speed: (n,) on the error of the walking speed.
        upright: (n,) on tilt and heading: a lean of the trunk is how weak hips are compensated for.
        effort: (n,) on the weight of effort; 1 or more.
        impaired: (n,) bool: episodes end on falls alone.
    """

    leg: np.ndarray
    joint: np.ndarray
    person: np.ndarray
    speed: np.ndarray
    upright: np.ndarray
    effort: np.ndarray
    impaired: np.ndarray


def leniency(config: LeniencyConfig, deficit: np.ndarray) -> Leniency:
    """The factors for deficits (n, 2) of right and left legs, 0 to 1."""
    counted = np.maximum(deficit, config.other_leg * deficit[:, ::-1])
    leg = 1.0 - config.imitation * counted
    worst = deficit.max(axis=1)
    return Leniency(
        leg,
        np.repeat(leg, len(LEG_JOINTS), axis=1),
        leg.min(axis=1),
        1.0 - config.speed_error * worst,
        1.0 - config.tilt * worst,
        1.0 + config.effort * worst,
        worst > 0.0,
    )


def lower_speed(config: LeniencyConfig, speed: float, slowest: float, deficit: np.ndarray) -> float:
    """Speed (m/s) that a person with these deficits (2,) is asked for in place of another, not below the slowest."""
    return slowest + (speed - slowest) * (1.0 - config.slower * float(deficit.max()))
