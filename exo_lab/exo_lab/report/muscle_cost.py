# SPDX-License-Identifier: Apache-2.0
"""Metabolic power of each muscle in a recorded walk, by the simulator's own model (Bhargava 2004).

The recording has the power of the whole body only. Muscle lengths and their rates follow from its joint
angles and rates by the model's kinematics, activation and excitation are in it: together the model's inputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import mujoco
import numpy as np

from exo_core.errors import UserError
from exo_lab.recorded_motion import RecordedMotion, read_motion
from exo_lab.report.run_data import RunData
from exo_sim.body.model import BodyModel, build_body
from exo_sim.body.muscles import all_active_and_passive, muscle_curves, normalised_length
from exo_sim.metabolics import bhargava2004
from exo_sim.metabolics.models import BASAL_W_KG
from exo_sim.plant.energetics import muscle_parameters

#: Nothing is integrated here: any rate that the body can be built with serves.
PHYSICS_RATE_HZ = 500.0


@dataclass(frozen=True)
class MuscleCost:
    """Mean metabolic power of a condition.

    Attributes:
        by_muscle: W/kg of body mass, by muscle without side, both legs together.
        basal: W/kg, what the model adds for the rest of the body.
        recorded: W/kg, mean of the whole body as the simulator recorded it; by_muscle and basal add up to it.
    """

    by_muscle: dict[str, float]
    basal: float
    recorded: float


def muscle_costs(run: RunData) -> dict[str, MuscleCost]:
    """Cost by muscle in each measured condition, falls left out.

    Raises:
        UserError: no usable recording, or a device that is no longer there.
    """
    motion = read_motion(run.folder.recording)
    body = build_body(run.subject, run.device(), PHYSICS_RATE_HZ)
    costs = {}
    phases = run.configuration.get("phases", [])
    for earlier, phase in pairwise(phases):
        if not phase.get("measured"):
            continue
        within = motion.between(earlier["until_s"], phase["until_s"])
        samples = np.arange(len(motion))[within][~motion.fallen[within]]
        if samples.size:
            power = muscle_power(body, motion, samples).mean(axis=0) / body.body_mass
            by_muscle: dict[str, float] = {}
            for name, value in zip(body.muscles, power, strict=False):
                by_muscle[name[:-2]] = by_muscle.get(name[:-2], 0.0) + float(value)
            costs[phase["name"]] = MuscleCost(
                by_muscle, BASAL_W_KG, float(motion.metabolic_power_per_mass[samples].mean())
            )
    return costs


def muscle_power(body: BodyModel, motion: RecordedMotion, samples: np.ndarray) -> np.ndarray:
    """Metabolic power (n, M) in W of the body's M muscles at n samples of a motion.

    Raises UserError if the recording is of another body.
    """
    if motion.muscle_names != body.muscles:
        raise UserError("the recording is of a body with other muscles")
    columns = [motion.muscle_names.index(name) for name in body.muscles]
    activation = np.clip(motion.activation[np.ix_(samples, columns)], 0.0, 1.0)
    excitation = np.clip(motion.excitation[np.ix_(samples, columns)], 0.0, 1.0)
    length, velocity = _lengths(body, motion, samples)
    curves = muscle_curves(body.model, len(body.muscles))
    active, passive = np.empty_like(length), np.empty_like(length)
    for i in range(len(samples)):
        all_active_and_passive(curves, length[i], velocity[i], active[i], passive[i])
    parameters = muscle_parameters(body, curves, body.body_mass)
    return bhargava2004(
        parameters, excitation, activation, normalised_length(curves, length), velocity, active * activation, passive
    ).total


def _lengths(body: BodyModel, motion: RecordedMotion, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Muscle lengths (n, M) m and rates (n, M) m/s.

    The pelvis stands still meanwhile, which muscles of the legs do not feel.
    """
    model, coupling = body.model, body.coupling
    data = mujoco.MjData(model)
    data.qpos[:] = body.standing_qpos
    joints = [model.joint(name) for name in motion.joint_names]
    positions = np.array([int(joint.qposadr[0]) for joint in joints])
    rates = np.array([int(joint.dofadr[0]) for joint in joints])
    count = len(body.muscles)
    length, velocity = np.empty((len(samples), count)), np.empty((len(samples), count))
    for i, sample in enumerate(samples):
        data.qpos[positions], data.qvel[rates] = motion.joint_position[sample], motion.joint_velocity[sample]
        angles = data.qpos[body.joint_qpos]
        data.qpos[coupling.qpos] = coupling.positions(angles)
        data.qvel[coupling.dof] = coupling.slopes(angles) * data.qvel[body.joint_dof][coupling.leader]
        for stage in (
            mujoco.mj_kinematics,
            mujoco.mj_comPos,
            mujoco.mj_tendon,
            mujoco.mj_transmission,
            mujoco.mj_fwdVelocity,
        ):
            stage(model, data)
        length[i], velocity[i] = data.actuator_length[:count], data.actuator_velocity[:count]
    return length, velocity
