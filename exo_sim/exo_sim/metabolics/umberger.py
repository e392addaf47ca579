# SPDX-License-Identifier: Apache-2.0
"""Umberger 2010 (J R Soc Interface 7:1329-1340, after Umberger 2003), with OpenSim's default options."""

from __future__ import annotations

import numpy as np

from exo_sim.metabolics.heat import MuscleHeat, assemble, checked, recruitment
from exo_sim.metabolics.parameters import MuscleParameters

AEROBIC_SCALING = 1.5  # mainly aerobic activity, such as walking
HEAT_FAST_W_KG = 128.0  # activation and maintenance, W/kg = 128 (1 - r) + 25
HEAT_BASE_W_KG = 25.0
ACTIVATION_EXPONENT = 0.6
LENGTH_INDEPENDENT_SHARE = 0.4  # of the activation and maintenance heat: ion pumping
FAST_SHORTENING_W_KG = 153.0  # divided by vmax (optimal lengths per second)
SLOW_SHORTENING_W_KG = 100.0  # divided by vmax / 2.5, and never more than this
SLOW_VMAX_RATIO = 2.5
LENGTHENING_FACTOR = 4.0  # the change of 2010 against 2003: 4.0 in place of 0.3
FORCE_LENGTH_WIDTH = 0.45  # Thelen 2003 (J Biomech Eng 125:70-77): exp(-(l - 1)^2 / 0.45)


def thelen_force_length(fibre_length_norm: np.ndarray) -> np.ndarray:
    """Active force-length multiplier of Thelen 2003, 1 at optimal length; same shape as its input."""
    return np.exp(-((np.asarray(fibre_length_norm, dtype=float) - 1.0) ** 2) / FORCE_LENGTH_WIDTH)


def umberger2010(
    parameters: MuscleParameters,
    excitation: np.ndarray,
    activation: np.ndarray,
    fibre_length_norm: np.ndarray,
    fibre_velocity: np.ndarray,
    active_force: np.ndarray,
    passive_force: np.ndarray,
    force_length: np.ndarray | None = None,
) -> MuscleHeat:
    """Metabolic power of M muscles, vectorised over any leading axes.

    Args:
        parameters: the muscles.
        excitation, activation: (..., M) 0 to 1.
        fibre_length_norm: (..., M) fibre length over optimal fibre length.
        fibre_velocity: (..., M) m/s, negative when shortening.
        active_force: (..., M) N, force of the contractile element, positive in tension.
        passive_force: (..., M) N; not used by this model, here so that both models are called alike.
        force_length: (..., M) active force-length multiplier; Thelen 2003 of ``fibre_length_norm`` if None.

    Returns:
        MuscleHeat of (..., M) arrays, W; ``activation`` holds activation and maintenance together.

    Raises:
        MetabolicsError: shapes that do not match.
    """
    if force_length is None:
        force_length = thelen_force_length(fibre_length_norm)
    u, a, length, velocity, active, _, overlap = checked(
        parameters,
        excitation=excitation,
        activation=activation,
        fibre_length_norm=fibre_length_norm,
        fibre_velocity=fibre_velocity,
        active_force=active_force,
        passive_force=passive_force,
        force_length=force_length,
    )
    slow, fast = recruitment(parameters.slow_twitch, u)
    excited = slow + fast
    # no excitation: the limit of small excitations, where slow fibres are recruited alone
    slow_share = np.divide(slow, excited, out=np.ones_like(excited), where=excited > 0)
    scale = np.where(u > a, u, 0.5 * (u + a))
    overlap = np.where(length > 1.0, overlap, 1.0)

    heat = AEROBIC_SCALING * scale**ACTIVATION_EXPONENT * (HEAT_FAST_W_KG * (1.0 - slow_share) + HEAT_BASE_W_KG)
    heat = heat * (LENGTH_INDEPENDENT_SHARE + (1.0 - LENGTH_INDEPENDENT_SHARE) * overlap)

    speed = velocity / parameters.lopt
    slow_coefficient = SLOW_SHORTENING_W_KG / (parameters.vmax / SLOW_VMAX_RATIO)
    fast_coefficient = FAST_SHORTENING_W_KG / parameters.vmax
    shortening = scale**2 * (
        np.minimum(-slow_coefficient * speed, SLOW_SHORTENING_W_KG) * slow_share
        - fast_coefficient * speed * (1.0 - slow_share)
    )
    lengthening = scale * LENGTHENING_FACTOR * slow_coefficient * speed
    change = AEROBIC_SCALING * overlap * np.where(speed <= 0, shortening, lengthening)
    mass = parameters.mass
    return assemble(parameters, mass * heat, np.zeros_like(heat), mass * change, -active * velocity)
