# SPDX-License-Identifier: Apache-2.0
"""Metabolic power of the simulated body: what the muscles did, through both metabolic models."""
from __future__ import annotations

import mujoco
import numpy as np

from exo_sim.body.coordination import Coordinator
from exo_sim.body.model import BodyModel
from exo_sim.body.muscles import all_active_and_passive, normalised_length
from exo_sim.metabolics import MuscleParameters, bhargava2004, umberger2010, whole_body_power


class Energetics:
    """Metabolic cart of one body.

    Muscle mass is that of the full-strength body: a weakened muscle is taken as weakly driven, not as wasted,
    so that weakness does not look cheap.
    """

    def __init__(self, body: BodyModel, coordinator: Coordinator):
        self._body, self._coordinator = body, coordinator
        curves = coordinator.curves
        self._parameters = MuscleParameters.for_body(body.muscles, body.default_force, curves.optimal_length,
                                                     body.body_mass, curves.vmax)
        self._active = np.zeros(len(body.muscles))
        self._passive = np.zeros(len(body.muscles))

    def power(self, data: mujoco.MjData) -> tuple[float, float]:
        """Gross metabolic power (W) after Bhargava 2004 and after Umberger 2010."""
        count, curves = len(self._body.muscles), self._coordinator.curves
        length, velocity = data.actuator_length[:count], data.actuator_velocity[:count]
        all_active_and_passive(curves, length, velocity, self._active, self._passive)
        activation = np.clip(data.act[:count], 0.0, 1.0)
        excitation = np.clip(data.ctrl[:count], 0.0, 1.0)
        state = (self._parameters, excitation, activation, normalised_length(curves, length), velocity,
                 self._active * activation, self._passive)
        mass = self._body.body_mass
        return (float(whole_body_power(bhargava2004(*state).total, mass)),
                float(whole_body_power(umberger2010(*state).total, mass)))
