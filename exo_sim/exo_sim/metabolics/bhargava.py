# SPDX-License-Identifier: Apache-2.0
"""Bhargava, Pandy and Anderson 2004 (J Biomech 37:81-88), with the options OpenSim uses by default."""

from __future__ import annotations

import numpy as np

from exo_sim.metabolics.heat import MuscleHeat, assemble, checked, recruitment
from exo_sim.metabolics.parameters import MuscleParameters

ACTIVATION_SLOW_W_KG = 40.0
ACTIVATION_FAST_W_KG = 133.0
MAINTENANCE_SLOW_W_KG = 74.0
MAINTENANCE_FAST_W_KG = 111.0
# maintenance heat falls with overlap of the filaments: factor over normalised fibre length
MAINTENANCE_LENGTH = (0.0, 0.5, 1.0, 1.5, 2.0)
MAINTENANCE_FACTOR = (0.5, 0.5, 1.0, 0.0, 0.0)
SHORTENING_FRACTION = 0.25  # of the total force times velocity, when shortening; lengthening none


def bhargava2004(
    parameters: MuscleParameters,
    excitation: np.ndarray,
    activation: np.ndarray,
    fibre_length_norm: np.ndarray,
    fibre_velocity: np.ndarray,
    active_force: np.ndarray,
    passive_force: np.ndarray,
) -> MuscleHeat:
    """Metabolic power of M muscles, vectorised over any leading axes.

    Args:
        parameters: the muscles.
        excitation: (..., M) 0 to 1.
        activation: (..., M) 0 to 1; not used by this model, here so that both models are called alike.
        fibre_length_norm: (..., M) fibre length over optimal fibre length.
        fibre_velocity: (..., M) m/s, negative when shortening.
        active_force: (..., M) N, force of the contractile element, positive in tension.
        passive_force: (..., M) N, force of the parallel elastic element, positive in tension.

    Returns:
        MuscleHeat of (..., M) arrays, W. NaN in, NaN out.

    Raises:
        MetabolicsError: shapes that do not match.
    """
    excitation, _, length, velocity, active, passive = checked(
        parameters,
        excitation=excitation,
        activation=activation,
        fibre_length_norm=fibre_length_norm,
        fibre_velocity=fibre_velocity,
        active_force=active_force,
        passive_force=passive_force,
    )
    slow, fast = recruitment(parameters.slow_twitch, excitation)
    activation_heat = parameters.mass * (ACTIVATION_SLOW_W_KG * slow + ACTIVATION_FAST_W_KG * fast)
    overlap = np.interp(length, MAINTENANCE_LENGTH, MAINTENANCE_FACTOR)
    maintenance = parameters.mass * overlap * (MAINTENANCE_SLOW_W_KG * slow + MAINTENANCE_FAST_W_KG * fast)
    shortening = np.where(velocity < 0, -SHORTENING_FRACTION * (active + passive) * velocity, 0.0 * velocity)
    return assemble(parameters, activation_heat, maintenance, shortening, -active * velocity)
