# SPDX-License-Identifier: Apache-2.0
"""What both metabolic models share: the result, recruitment by fibre type, limits on heat and total."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exo_sim.metabolics.errors import MetabolicsError
from exo_sim.metabolics.parameters import MuscleParameters

MINIMUM_HEAT_W_KG = 1.0  # OpenSim master: a muscle releases at least this much heat per kg


@dataclass(frozen=True)
class MuscleHeat:
    """Metabolic power by cause, W, each (..., M).

    Attributes:
        activation: activation heat (Umberger 2010: activation and maintenance together).
        maintenance: maintenance heat (Umberger 2010: zero, see ``activation``).
        shortening: shortening or lengthening heat, after negative total power was forbidden.
        work: mechanical power of the contractile element, negative when it lengthens.
        total: all of it, with heat not below 1 W/kg of muscle.
    """

    activation: np.ndarray
    maintenance: np.ndarray
    shortening: np.ndarray
    work: np.ndarray
    total: np.ndarray


def recruitment(slow_twitch: np.ndarray, excitation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Excited shares of slow and fast fibres (Bhargava 2004): slow fibres are recruited first."""
    angle = 0.5 * np.pi * excitation
    return slow_twitch * np.sin(angle), (1.0 - slow_twitch) * (1.0 - np.cos(angle))


def assemble(
    parameters: MuscleParameters,
    activation: np.ndarray,
    maintenance: np.ndarray,
    shortening: np.ndarray,
    work: np.ndarray,
) -> MuscleHeat:
    """Forbid negative total power, then apply the minimum heat rate (the order of OpenSim master)."""
    deficit = np.minimum(activation + maintenance + shortening + work, 0.0)
    shortening = shortening - deficit
    heat = np.maximum(activation + maintenance + shortening, MINIMUM_HEAT_W_KG * parameters.mass)
    return MuscleHeat(activation, maintenance, shortening, work, heat + work)


def checked(parameters: MuscleParameters, **signals: np.ndarray) -> list[np.ndarray]:
    """Signals as float arrays of one common shape (..., M).

    Raises:
        MetabolicsError: the last axis is not the muscles, or shapes do not broadcast.
    """
    count = len(parameters.names)
    arrays = []
    for name, value in signals.items():
        array = np.asarray(value, dtype=float)
        if array.ndim == 0 or array.shape[-1] != count:
            raise MetabolicsError(f"{name} must have the {count} muscles on its last axis, got shape {array.shape}")
        arrays.append(array)
    try:
        return list(np.broadcast_arrays(*arrays))
    except ValueError:
        shapes = ", ".join(f"{name} {np.shape(value)}" for name, value in signals.items())
        raise MetabolicsError(f"leading axes do not match: {shapes}") from None
