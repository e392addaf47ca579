# SPDX-License-Identifier: Apache-2.0
"""Muscle coordination: which muscles pull, and how hard, to make the joint torques that the body asks for.

Each leg shares its torque tau (7 joints) out to its 40 muscles by

    min over 0 <= a <= 1 of   1/2 |a|^2 + w/2 |A a - tau|^2,

the squared-activation criterion in the spirit of Crowninshield and Brand 1981 (J Biomech 14:793), with a soft
torque constraint, so that a body too weak for the torque gives what it can. A (7, 40) is moment arm times the force
at full activation; tau is what is wanted less passive muscle torque and less what an exoskeleton already gives (a
wearer who has fully adapted to the device).

The dual of this box-constrained problem has 7 unknowns y: a = clip(A'y, 0, 1), y/w + A a = tau. It is smooth and
convex in y, so a semismooth Newton method with a line search always converges; everything is compiled and
allocates nothing but a few small arrays.
"""
from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from exo_sim.body.model import BodyModel
from exo_sim.body.muscles import MuscleCurves, active_and_passive, muscle_curves
from exo_sim.gait.reference import JOINTS, LEG_JOINTS

#: Weight of a torque error against squared activation (1/(Nm)^2): 1 Nm missing weighs as 0.45 of activation.
TORQUE_WEIGHT = 0.2
#: Excitation leads the wanted activation by this factor of the difference, to make up for activation dynamics
#: (time constants 10 and 40 ms against a coordination period of 10 ms).
ACTIVATION_LEAD = 1.5
NEWTON_ITERATIONS = 30
LINE_SEARCH_ITERATIONS = 12
TORQUE_TOLERANCE_NM = 0.05

#: Stiffness of the reflex-like servo that turns joint goals into torque (Nm/rad), per joint of LEG_JOINTS.
#: Hip and knee as the human joints' quasi-stiffness in stance, about 200 to 300 Nm/rad (Shamaei et al. 2013).
STIFFNESS_NM_PER_RAD = np.array([250.0, 250.0, 100.0, 250.0, 200.0, 100.0, 30.0])
#: Damping over stiffness (s).
DAMPING_RATIO_S = 0.06
#: No joint of the leg makes more in walking (Nm).
TORQUE_LIMIT_NM = 200.0

_LEG = len(LEG_JOINTS)


class CoordinationMap(NamedTuple):
    """Where joints and muscles are, as flat arrays that compiled code can take."""

    joint_qpos: np.ndarray       #: (14,)
    joint_dof: np.ndarray        #: (14,)
    dof_joint: np.ndarray        #: (nv,) joint that a dof moves with, -1 for none
    dof_coupling: np.ndarray     #: (nv,) row of the coupling, -1 where the dof is the joint itself
    polynomial: np.ndarray       #: (C, 5)
    muscle_leg: np.ndarray       #: (M,) 0 right, 1 left
    stiffness: np.ndarray        #: (14,) Nm/rad
    damping: np.ndarray          #: (14,) Nm s/rad


def coordination_map(body: BodyModel, servo_gain: float = 1.0) -> CoordinationMap:
    """Collects the addresses of a body's joints and muscles by name; `servo_gain` multiplies the servo's stiffness."""
    dof_joint = np.full(body.model.nv, -1, dtype=np.int64)
    dof_coupling = np.full(body.model.nv, -1, dtype=np.int64)
    dof_joint[body.joint_dof] = np.arange(len(JOINTS))
    dof_joint[body.coupling.dof] = body.coupling.leader
    dof_coupling[body.coupling.dof] = np.arange(len(body.coupling.dof))
    # heavier people have stiffer servos in proportion, as their torques grow with mass
    stiffness = np.tile(STIFFNESS_NM_PER_RAD, 2) * (body.subject.mass_scale * servo_gain)
    return CoordinationMap(
        body.joint_qpos, body.joint_dof, dof_joint, dof_coupling, body.coupling.polynomial,
        np.array([0 if name.endswith("_r") else 1 for name in body.muscles], dtype=np.int64),
        stiffness, stiffness * DAMPING_RATIO_S)


class Coordinator:
    """Muscle coordination of one body; several MjData of the same model may share it.

    Args:
        body: whose muscles.
        servo_gain: stiffness and damping of the joint servo relative to other people's.
    """

    def __init__(self, body: BodyModel, servo_gain: float = 1.0):
        self._map = coordination_map(body, servo_gain)
        self._body = body
        self.curves: MuscleCurves = muscle_curves(body.model, len(body.muscles))

    def refresh_strength(self) -> None:
        """Takes over maximum forces after `BodyModel.set_strengths`."""
        self.curves = muscle_curves(self._body.model, len(self._body.muscles))

    def excite(self, data, goal, goal_rate, feedforward, exo_torque, wanted) -> None:
        """Sets the muscle excitations of a body (MjData.ctrl[:M]).

        Args:
            data: MjData after a step or a forward pass.
            goal, goal_rate: (14,) joint angles (rad) and rates (rad/s) to reach.
            feedforward: (14,) torque asked for on top (Nm).
            exo_torque: (14,) torque that a device gives at present (Nm).
            wanted: (14,) receives the joint torque that was asked of muscles and device (Nm).
        """
        _excite(self._map, self.curves, data.qpos, data.qvel, data.actuator_length, data.actuator_velocity,
                data.actuator_moment, data.moment_rownnz, data.moment_rowadr, data.moment_colind, data.act,
                goal, goal_rate, feedforward, exo_torque, wanted, data.ctrl)


@numba.njit(cache=True)
def _excite(layout, curves, qpos, qvel, length, velocity, moment, rownnz, rowadr, colind, act,
            goal, goal_rate, feedforward, exo_torque, wanted, ctrl):
    joints = goal.shape[0]
    muscles = layout.muscle_leg.shape[0]
    for j in range(joints):
        torque = layout.stiffness[j] * (goal[j] - qpos[layout.joint_qpos[j]]) \
            + layout.damping[j] * (goal_rate[j] - qvel[layout.joint_dof[j]]) + feedforward[j]
        wanted[j] = min(max(torque, -TORQUE_LIMIT_NM), TORQUE_LIMIT_NM)
    slope = np.empty(layout.polynomial.shape[0])
    for dof in range(layout.dof_joint.shape[0]):
        c = layout.dof_coupling[dof]
        if c >= 0:
            x = qpos[layout.joint_qpos[layout.dof_joint[dof]]]
            p = layout.polynomial[c]
            slope[c] = p[1] + x * (2.0 * p[2] + x * (3.0 * p[3] + x * 4.0 * p[4]))
    arms = np.zeros((muscles, _LEG))           # Nm per unit activation
    remaining = wanted - exo_torque
    for m in range(muscles):
        active, passive = active_and_passive(curves, m, length[m], velocity[m])
        for k in range(rowadr[m], rowadr[m] + rownnz[m]):
            dof = colind[k]
            j = layout.dof_joint[dof]
            if j < 0:
                continue
            c = layout.dof_coupling[dof]
            arm = moment[k] if c < 0 else moment[k] * slope[c]
            # a muscle pulls: its force acts along decreasing length
            arms[m, j - layout.muscle_leg[m] * _LEG] -= arm * active
            remaining[j] += arm * passive
    activation = np.empty(muscles)
    for leg in range(2):
        _share(arms, layout.muscle_leg, leg, remaining[leg * _LEG:(leg + 1) * _LEG],
               activation)
    for m in range(muscles):
        lead = act[m] + ACTIVATION_LEAD * (activation[m] - act[m])
        ctrl[m] = min(max(lead, 0.0), 1.0)


@numba.njit(cache=True)
def _share(arms, leg_of, leg, torque, activation):
    """Solves one leg's problem; writes its activations into (M,) `activation`.

    Newton steps on the dual with an exact line search: along a line the dual's slope is piecewise linear in the
    step, so its root costs a few passes over 40 numbers. Without it, torques that the muscles cannot make (most
    muscles at a bound, a nearly flat dual) would need hundreds of halved steps.
    """
    members = np.nonzero(leg_of == leg)[0]
    count = members.shape[0]
    y = np.zeros(_LEG)
    z, dz = np.zeros(count), np.empty(count)           # A'y, and its change along the step
    gradient, hessian = np.empty(_LEG), np.empty((_LEG, _LEG))
    for iteration in range(NEWTON_ITERATIONS):
        for i in range(_LEG):
            gradient[i] = y[i] / TORQUE_WEIGHT - torque[i]
            for j in range(i + 1):
                hessian[i, j] = 1.0 / TORQUE_WEIGHT if i == j else 0.0
        for k in range(count):
            arm = arms[members[k]]
            a = min(max(z[k], 0.0), 1.0)
            # at y = 0 every z is 0: count those muscles as free, or the first step would see none
            free = 0.0 < z[k] < 1.0 or (iteration == 0)
            for i in range(_LEG):
                if arm[i] != 0.0:
                    gradient[i] += arm[i] * a
                    if free:
                        for j in range(i + 1):
                            hessian[i, j] += arm[i] * arm[j]
        worst = 0.0
        for i in range(_LEG):
            worst = max(worst, abs(gradient[i]))
        if worst < TORQUE_TOLERANCE_NM:
            break
        step = _solve_positive_definite(hessian, -gradient)
        for k in range(count):
            dz[k] = 0.0
            for i in range(_LEG):
                dz[k] += arms[members[k], i] * step[i]
        scale = _line_minimum(y, step, torque, z, dz)
        for i in range(_LEG):
            y[i] += scale * step[i]
        for k in range(count):
            z[k] += scale * dz[k]
    for k in range(count):
        activation[members[k]] = min(max(z[k], 0.0), 1.0)


@numba.njit(cache=True)
def _slope(scale, constant, linear, z, dz):
    """Slope of the dual at this share of the step."""
    slope = constant + scale * linear
    for k in range(z.shape[0]):
        slope += dz[k] * min(max(z[k] + scale * dz[k], 0.0), 1.0)
    return slope


@numba.njit(cache=True)
def _line_minimum(y, step, torque, z, dz):
    """Share of the step at which the dual is least, by regula falsi with the Illinois weighting."""
    constant, linear = 0.0, 0.0
    for i in range(_LEG):
        constant += step[i] * (y[i] / TORQUE_WEIGHT - torque[i])
        linear += step[i] * step[i] / TORQUE_WEIGHT
    low, slope_low = 0.0, _slope(0.0, constant, linear, z, dz)
    high, slope_high = 1.0, _slope(1.0, constant, linear, z, dz)
    for _ in range(LINE_SEARCH_ITERATIONS):
        if slope_high >= 0.0:
            break
        low, slope_low = high, slope_high
        high *= 2.0
        slope_high = _slope(high, constant, linear, z, dz)
    if slope_high <= 1e-9 * abs(constant):
        return high
    middle = high
    target = 1e-3 * abs(constant)
    for _ in range(LINE_SEARCH_ITERATIONS):
        middle = high - slope_high * (high - low) / (slope_high - slope_low)
        slope = _slope(middle, constant, linear, z, dz)
        if abs(slope) < target:
            break
        if slope > 0.0:
            high, slope_high = middle, slope
            slope_low *= 0.5
        else:
            low, slope_low = middle, slope
            slope_high *= 0.5
    return middle


@numba.njit(cache=True)
def _solve_positive_definite(matrix, right):
    """Solves matrix x = right by Cholesky; reads the lower triangle and overwrites it."""
    n = right.shape[0]
    for i in range(n):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = np.sqrt(total) if i == j else total / matrix[j, j]
    x = right.copy()
    for i in range(n):
        for k in range(i):
            x[i] -= matrix[i, k] * x[k]
        x[i] /= matrix[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            x[i] -= matrix[k, i] * x[k]
        x[i] /= matrix[i, i]
    return x
