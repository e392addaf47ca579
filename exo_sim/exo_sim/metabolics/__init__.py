# SPDX-License-Identifier: Apache-2.0
"""Metabolic power of muscles: Bhargava 2004 and, as a second opinion, Umberger 2010."""

from exo_sim.metabolics.models import MuscleHeat, bhargava2004, looney2019, umberger2010, whole_body_power
from exo_sim.metabolics.parameters import MuscleParameters, muscle_mass, published_muscle_mass, slow_twitch_ratio

__all__ = [
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
