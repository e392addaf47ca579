# SPDX-License-Identifier: Apache-2.0
"""Metabolic power of muscles and of the whole body, and what people were measured to spend.

Two models, with the options that OpenSim uses by default: Bhargava, Pandy and Anderson 2004 (J Biomech 37:81-88) and
Umberger 2010 (J R Soc Interface 7:1329-1340, after Umberger 2003).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exo_sim.errors import MetabolicsError
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


BASAL_W_KG = 1.2  # OpenSim's default: everything that is not a simulated leg muscle, per kg of body mass


def whole_body_power(total: np.ndarray, body_mass: float) -> np.ndarray:
    """Gross metabolic power: muscles (..., M) W and basal power of the body (kg) -> (...) W.

    Raises:
        MetabolicsError: body mass not positive.
    """
    if not np.isfinite(body_mass) or body_mass <= 0:
        raise MetabolicsError(f"body mass must be a positive number of kg, got {body_mass}")
    return np.sum(total, axis=-1) + BASAL_W_KG * body_mass


def looney2019(speed_mps: np.ndarray | float) -> np.ndarray | float:
    """Gross metabolic power (W/kg) of level walking at speeds in m/s: 1.44 + 1.94 v^0.43 + 0.24 v^4.

    The same shape as its input. Source: Looney, Santee, Hansen, Bonventre, Chalmers and Potter 2019, Med Sci Sports Exerc
    51(9):1954-1960, doi 10.1249/MSS.0000000000002002; the level equation comes from their meta-regression over 95 people of
    11 studies up to 1.96 m/s, Med Sci Sports Exerc 51(2):346-351. 1.44 W/kg is standing.
    """
    speed = np.asarray(speed_mps, dtype=float)
    return 1.44 + 1.94 * speed**0.43 + 0.24 * speed**4
