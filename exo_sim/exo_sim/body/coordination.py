# SPDX-License-Identifier: Apache-2.0
"""Muscle coordination: which muscles pull, and how hard, to make the joint torques that the body asks for.

Each leg shares its torque tau (7 joints) out to its 40 muscles by

    min over 0 <= a <= 1 of   1/2 |a|^2 + w/2 |A a - tau|^2,

the squared-activation criterion in the spirit of Crowninshield and Brand 1981 (J Biomech 14:793), with a soft
torque constraint, so that a body too weak for the torque gives what it can. A (7, 40) is moment arm times the force
at full activation; tau is what is wanted less passive muscle torque and less what an exoskeleton already gives (a
wearer who has fully adapted to the device).

The dual of this box-constrained problem has one unknown y per joint: a = clip(A'y, 0, 1), y/w + A a = tau. It is
smooth and convex in y, so a semismooth Newton method with a line search always converges; once it knows which
muscles are at a bound, one step is exact.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from exo_sim.body.impaired_body import Nerves, impair_drive
from exo_sim.body.model import BodyModel
from exo_sim.body.muscles import MuscleCurves, active_and_passive, muscle_curves
from exo_sim.gait.reference import JOINTS, LEG_JOINTS

#: Weight w of a torque error against squared activation (1/(Nm)^2): 1 Nm missing weighs as 0.45 of activation.
TORQUE_WEIGHT = 0.2
NEWTON_ITERATIONS = 30
LINE_SEARCH_ITERATIONS = 12
#: The dual's gradient, a torque, at which the solution is good enough; activations are then right to 1e-4.
TORQUE_TOLERANCE_NM = 1e-3

# Sums may be taken in any order, so that they run in vector registers. Not-a-number stays what it is.
_VECTORISED = {"reassoc", "contract", "arcp", "nsz"}


@numba.njit(cache=True, error_model="numpy", fastmath=_VECTORISED)
def share(arms, torque, activation):
    """Solves the problem of one leg.

    Newton steps on the dual with an exact line search: along a line the dual's slope is piecewise linear in the
    step, so its root costs a few passes over the muscles. Without it, torques that the muscles cannot make (most
    muscles at a bound, a nearly flat dual) would need hundreds of halved steps.

    Args:
        arms: (J, K) torque of each muscle at full activation (Nm).
        torque: (J,) wanted (Nm).
        activation: (K,) receives the activations.
    """
    joints, count = arms.shape
    y, gradient, step = np.zeros(joints), np.empty(joints), np.empty(joints)
    hessian = np.empty((joints, joints))
    z, dz = np.zeros(count), np.empty(count)  # A'y, and its change along the step
    free = np.ones(count)  # at y = 0 every z is 0: all count as free, or no step is seen
    activation[:] = 0.0
    for _ in range(NEWTON_ITERATIONS):
        worst = 0.0
        for i in range(joints):
            total = y[i] / TORQUE_WEIGHT - torque[i]
            for k in range(count):
                total += arms[i, k] * activation[k]
            gradient[i] = total
            worst = max(worst, abs(total))
        if worst < TORQUE_TOLERANCE_NM:
            break
        for i in range(joints):
            for k in range(count):
                dz[k] = arms[i, k] * free[k]
            for j in range(i + 1):
                total = 1.0 / TORQUE_WEIGHT if i == j else 0.0
                for k in range(count):
                    total += dz[k] * arms[j, k]
                hessian[i, j] = total
        for i in range(joints):
            step[i] = -gradient[i]
        _solve_positive_definite(hessian, step)
        dz[:] = 0.0
        for i in range(joints):
            for k in range(count):
                dz[k] += arms[i, k] * step[i]
        scale = _line_minimum(y, step, torque, z, dz)
        for i in range(joints):
            y[i] += scale * step[i]
        for k in range(count):
            z[k] += scale * dz[k]
            activation[k] = min(max(z[k], 0.0), 1.0)
            free[k] = 1.0 if 0.0 < z[k] < 1.0 else 0.0


@numba.njit(inline="always")
def _slope(scale, constant, linear, z, dz):
    """Slope of the dual at this share of the step."""
    slope = constant + scale * linear
    for k in range(z.shape[0]):
        slope += dz[k] * min(max(z[k] + scale * dz[k], 0.0), 1.0)
    return slope


@numba.njit(cache=True, error_model="numpy", fastmath=_VECTORISED)
def _line_minimum(y, step, torque, z, dz):
    """Share of the step at which the dual is least, by regula falsi with the Illinois weighting."""
    constant, linear = 0.0, 0.0
    for i in range(y.shape[0]):
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


@numba.njit(cache=True, error_model="numpy")
def _solve_positive_definite(matrix, x):
    """Solves matrix x = x by Cholesky, in place; reads the lower triangle and overwrites it."""
    n = x.shape[0]
    for i in range(n):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = np.sqrt(total) if i == j else total / matrix[j, j]
    for i in range(n):
        for k in range(i):
            x[i] -= matrix[i, k] * x[k]
        x[i] /= matrix[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            x[i] -= matrix[k, i] * x[k]
        x[i] /= matrix[i, i]


#: Excitation leads the wanted activation by this factor of the difference, to make up for activation dynamics, whoever
#: wants it: the coordination here, or a network
#: (time constants 10 and 40 ms against a coordination period of 10 ms).
ACTIVATION_LEAD = 1.5

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

    joint_qpos: np.ndarray  #: (14,)
    joint_dof: np.ndarray  #: (14,)
    dof_joint: np.ndarray  #: (nv,) joint that a dof moves with, -1 for none
    dof_coupling: np.ndarray  #: (nv,) row of the coupling, -1 where the dof is the joint itself
    polynomial: np.ndarray  #: (C, 5)
    muscle_leg: np.ndarray  #: (M,) 0 right, 1 left
    muscle_column: np.ndarray  #: (M,) place among the muscles of its leg
    stiffness: np.ndarray  #: (14,) Nm/rad
    damping: np.ndarray  #: (14,) Nm s/rad


def coordination_map(body: BodyModel, servo_gain: float = 1.0) -> CoordinationMap:
    """Collects the addresses of a body's joints and muscles by name; `servo_gain` multiplies the servo's stiffness."""
    dof_joint = np.full(body.model.nv, -1, dtype=np.int64)
    dof_coupling = np.full(body.model.nv, -1, dtype=np.int64)
    dof_joint[body.joint_dof] = np.arange(len(JOINTS))
    dof_joint[body.coupling.dof] = body.coupling.leader
    dof_coupling[body.coupling.dof] = np.arange(len(body.coupling.dof))
    # heavier people have stiffer servos in proportion, as their torques grow with mass
    stiffness = np.tile(STIFFNESS_NM_PER_RAD, 2) * (body.subject.mass_scale * servo_gain)
    leg = np.array([0 if name.endswith("_r") else 1 for name in body.muscles], dtype=np.int64)
    column = np.where(leg == 0, np.cumsum(leg == 0), np.cumsum(leg == 1)) - 1
    return CoordinationMap(
        body.joint_qpos,
        body.joint_dof,
        dof_joint,
        dof_coupling,
        body.coupling.polynomial,
        leg,
        column,
        stiffness,
        stiffness * DAMPING_RATIO_S,
    )


class Coordinator:
    """Muscle coordination of one body; several MjData of the same model may share it.

    Args:
        body: whose muscles.
        servo_gain: stiffness and damping of the joint servo relative to other people's.
    """

    def __init__(self, body: BodyModel, servo_gain: float = 1.0):
        self.map = coordination_map(body, servo_gain)
        self._body = body
        #: Muscle parameters, one block in memory: compiled code that moves many bodies finds it by its address.
        self.block = np.array(muscle_curves(body.model, len(body.muscles)))
        self.curves = MuscleCurves(*self.block)
        #: The body's own, which change with its impairments; muscle_mass (M,) is a factor, less than 1 where wasted.
        self.nerves, self.muscle_mass = Nerves(*body.condition.nerves), body.condition.muscle_mass
        #: Whether any muscle is wasted.
        self.wasted = bool((self.muscle_mass < 1.0).any())

    def refresh_strength(self) -> None:
        """Takes over maximum forces after `BodyModel.set_strengths` or `impair`."""
        self.block[:] = muscle_curves(self._body.model, len(self._body.muscles))
        self.wasted = bool((self.muscle_mass < 1.0).any())

    def activate(self, data, activation) -> None:
        """Sets the muscle excitations of a body (MjData.ctrl[:M]) that wants these activations (M,), 0 to 1.

        Args:
            data: MjData after a step or a forward pass.
        """
        drive(self.curves, self.nerves, data.actuator_velocity, data.act, activation, data.userdata, data.ctrl)

    def excite(self, data, goal, goal_rate, feedforward, exo_torque, wanted) -> None:
        """Sets the muscle excitations of a body (MjData.ctrl[:M]).

        Args:
            data: MjData after a step or a forward pass.
            goal, goal_rate: (14,) joint angles (rad) and rates (rad/s) to reach.
            feedforward: (14,) torque asked for on top (Nm).
            exo_torque: (14,) torque that a device gives at present (Nm).
            wanted: (14,) receives the joint torque that was asked of muscles and device (Nm).
        """
        excite(
            self.map,
            self.curves,
            self.nerves,
            data.qpos,
            data.qvel,
            data.actuator_length,
            data.actuator_velocity,
            data.actuator_moment,
            data.moment_rownnz,
            data.moment_rowadr,
            data.moment_colind,
            data.act,
            goal,
            goal_rate,
            feedforward,
            exo_torque,
            wanted,
            data.userdata,
            data.ctrl,
        )


@numba.njit(cache=True, error_model="numpy")
def excite(
    layout,
    curves,
    nerves,
    qpos,
    qvel,
    length,
    velocity,
    moment,
    rownnz,
    rowadr,
    colind,
    act,
    goal,
    goal_rate,
    feedforward,
    exo_torque,
    wanted,
    memory,
    ctrl,
):
    """What `Coordinator.excite` does, on arrays as MjData has them."""
    activation = np.empty(layout.muscle_leg.shape[0])
    share_out(
        layout,
        curves,
        qpos,
        qvel,
        length,
        velocity,
        moment,
        rownnz,
        rowadr,
        colind,
        goal,
        goal_rate,
        feedforward,
        exo_torque,
        wanted,
        activation,
    )
    drive(curves, nerves, velocity, act, activation, memory, ctrl)


@numba.njit(cache=True, error_model="numpy")
def drive(curves, nerves, velocity, act, activation, memory, ctrl):
    """From wanted activations (M,) to excitations, once per coordination period; what impaired nerves add included."""
    for m in range(activation.shape[0]):
        lead = act[m] + ACTIVATION_LEAD * (activation[m] - act[m])
        ctrl[m] = min(max(lead, 0.0), 1.0)
    impair_drive(nerves, curves.optimal_length, velocity, memory, ctrl)


@numba.njit(cache=True, error_model="numpy")
def share_out(
    layout,
    curves,
    qpos,
    qvel,
    length,
    velocity,
    moment,
    rownnz,
    rowadr,
    colind,
    goal,
    goal_rate,
    feedforward,
    exo_torque,
    wanted,
    chosen,
):
    """Activations (M,), written into `chosen`, that give the torque which the servo asks for; see `excite`."""
    joints = goal.shape[0]
    muscles = layout.muscle_leg.shape[0]
    for j in range(joints):
        torque = (
            layout.stiffness[j] * (goal[j] - qpos[layout.joint_qpos[j]])
            + layout.damping[j] * (goal_rate[j] - qvel[layout.joint_dof[j]])
            + feedforward[j]
        )
        wanted[j] = min(max(torque, -TORQUE_LIMIT_NM), TORQUE_LIMIT_NM)
    slope = np.empty(layout.polynomial.shape[0])
    for dof in range(layout.dof_joint.shape[0]):
        c = layout.dof_coupling[dof]
        if c >= 0:
            x = qpos[layout.joint_qpos[layout.dof_joint[dof]]]
            p = layout.polynomial[c]
            slope[c] = p[1] + x * (2.0 * p[2] + x * (3.0 * p[3] + x * 4.0 * p[4]))
    arms = np.zeros((2, _LEG, layout.muscle_column.max() + 1))  # Nm per unit activation
    remaining = wanted - exo_torque
    for m in range(muscles):
        active, passive = active_and_passive(curves, m, length[m], velocity[m])
        leg, column = layout.muscle_leg[m], layout.muscle_column[m]
        for k in range(rowadr[m], rowadr[m] + rownnz[m]):
            dof = colind[k]
            j = layout.dof_joint[dof]
            if j < 0:
                continue
            c = layout.dof_coupling[dof]
            arm = moment[k] if c < 0 else moment[k] * slope[c]
            # a muscle pulls: its force acts along decreasing length
            arms[leg, j - leg * _LEG, column] -= arm * active
            remaining[j] += arm * passive
    activation = np.empty((2, arms.shape[2]))
    for leg in range(2):
        share(arms[leg], remaining[leg * _LEG : (leg + 1) * _LEG], activation[leg])
    for m in range(muscles):
        chosen[m] = activation[layout.muscle_leg[m], layout.muscle_column[m]]
