# SPDX-License-Identifier: Apache-2.0
"""Metabolic power of muscles: Bhargava 2004 and, as a second opinion, Umberger 2010."""

from exo_sim.metabolics.bhargava import bhargava2004
from exo_sim.metabolics.errors import MetabolicsError
from exo_sim.metabolics.heat import MuscleHeat
from exo_sim.metabolics.looney import looney2019
from exo_sim.metabolics.parameters import MuscleParameters, muscle_mass, published_muscle_mass, slow_twitch_ratio
from exo_sim.metabolics.umberger import umberger2010
from exo_sim.metabolics.whole_body import whole_body_power

__all__ = [
    "MetabolicsError",
    "MuscleHeat",
    "MuscleParameters",
    "bhargava2004",
    "looney2019",
    "muscle_mass",
    "published_muscle_mass",
    "slow_twitch_ratio",
    "umberger2010",
    "whole_body_power",
]
