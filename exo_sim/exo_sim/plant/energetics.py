# SPDX-License-Identifier: Apache-2.0
"""Metabolic power of the simulated body: what the muscles did, through both metabolic models."""

from __future__ import annotations

from dataclasses import replace

import mujoco
import numpy as np

from exo_sim.body.coordination import Coordinator
from exo_sim.body.model import BodyModel
from exo_sim.body.muscles import MuscleCurves, all_active_and_passive, normalised_length
from exo_sim.metabolics import MuscleHeat, MuscleParameters, bhargava2004, umberger2010, whole_body_power

#: A muscle that is wasted altogether keeps this share of its mass: the metabolic models divide by mass.
LEAST_MUSCLE_MASS_SHARE = 1e-3


def muscle_parameters(body: BodyModel, curves: MuscleCurves, body_mass: float) -> MuscleParameters:
    """Metabolic parameters of a body's muscles, for this body mass (kg); wasted muscles have the mass that is left."""
    healthy = MuscleParameters.for_body(body.muscles, body.default_force, curves.optimal_length, body_mass, curves.vmax)
    return _wasted(healthy, body.condition.muscle_mass)


def _wasted(parameters: MuscleParameters, share: np.ndarray) -> MuscleParameters:
    return replace(parameters, mass=parameters.mass * np.maximum(share, LEAST_MUSCLE_MASS_SHARE))


def _muscle_signals(
    datas: list[mujoco.MjData], coordinators: list[Coordinator], count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What the metabolic models take of n people with so many muscles, (n, M) each.

    Excitation, activation, normalised length, velocity (m/s), active and passive force (N).
    """
    length = np.stack([data.actuator_length[:count] for data in datas])
    velocity = np.stack([data.actuator_velocity[:count] for data in datas])
    active, passive, normalised = (np.empty_like(length) for _ in range(3))
    for i, coordinator in enumerate(coordinators):
        all_active_and_passive(coordinator.curves, length[i], velocity[i], active[i], passive[i])
        normalised[i] = normalised_length(coordinator.curves, length[i])
    activation = np.clip([data.act[:count] for data in datas], 0.0, 1.0)
    excitation = np.clip([data.ctrl[:count] for data in datas], 0.0, 1.0)
    return excitation, activation, normalised, velocity, active * activation, passive


class Energetics:
    """Metabolic cart of one body.

    Muscle mass is that of the full-strength body: a weakened muscle is taken as weakly driven, so that weakness does
    not look cheap, unless the body's impairments say that it is wasted (atrophy).
    """

    def __init__(self, body: BodyModel, coordinator: Coordinator):
        self._body, self._coordinator = body, coordinator
        self._parameters = muscle_parameters(body, coordinator.curves, body.body_mass)

    def power(self, data: mujoco.MjData) -> tuple[float, float]:
        """Gross metabolic power (W) after Bhargava 2004 and after Umberger 2010."""
        state = self._muscle_state([data])
        return float(self._whole(bhargava2004(*state))[0]), float(self._whole(umberger2010(*state))[0])

    def muscle_power(self, data: mujoco.MjData) -> np.ndarray:
        """Metabolic power (M,) in W of each muscle after Bhargava 2004, without the body's basal power."""
        return bhargava2004(*self._muscle_state([data])).total[0]

    def _whole(self, heat: MuscleHeat) -> np.ndarray:
        return whole_body_power(heat.total, self._body.body_mass)

    def _muscle_state(self, datas: list[mujoco.MjData]) -> tuple:
        """Arguments of both metabolic models, (n, M) each but the parameters."""
        return self._parameters, *_muscle_signals(datas, [self._coordinator] * len(datas), len(self._body.muscles))


class CrowdEnergetics:
    """Metabolic power of many people at once, each of a body of their own.

    Power per body mass depends on muscle mass per body mass, which is everybody's, and on force per body mass: one
    set of parameters, of a person of 1 kg, serves all but those who have wasted muscles, which weigh less.
    """

    def __init__(self, body: BodyModel, coordinator: Coordinator):
        self._count = len(body.muscles)
        curves = coordinator.curves
        self._parameters = MuscleParameters.for_body(
            body.muscles, body.default_force, curves.optimal_length, 1.0, curves.vmax
        )

    def power_per_mass(
        self, datas: list[mujoco.MjData], coordinators: list[Coordinator], body_mass: np.ndarray
    ) -> np.ndarray:
        """Gross metabolic power (n,) in W/kg after Bhargava 2004, of people of these masses (n,) in kg."""
        *signals, active, passive = _muscle_signals(datas, coordinators, self._count)
        mass = body_mass[:, None]
        state = (*signals, active / mass, passive / mass)
        total = bhargava2004(self._parameters, *state).total
        for i, coordinator in enumerate(coordinators):
            if coordinator.wasted:
                own = _wasted(self._parameters, coordinator.muscle_mass)
                total[i] = bhargava2004(own, *(signal[i] for signal in state)).total
        return whole_body_power(total, 1.0)
