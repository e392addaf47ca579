# SPDX-License-Identifier: Apache-2.0
"""A batch of people who walk with their muscles.

The same class moves the one person in the simulator and the many in training, so that what was trained is what
walks. One call of `coordinate_and_step` is one coordination period (10 ms). What the muscles do in it was decided by
`set_action`, which offsets joint targets that are turned into torque and shared out among muscles, or by
`set_activation`, which gives the wanted activation of every muscle itself; then excitations go through MuJoCo's physics.
"""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np

from exo_core.joints import SIDES
from exo_sim.body.batch_step import BatchStep
from exo_sim.body.coordination import Coordinator
from exo_sim.body.model import FOOT_BODIES, BodyModel
from exo_sim.body.native import Gathered
from exo_sim.errors import SimError
from exo_sim.gait.reference import JOINTS
from exo_sim.human.balance import balance_offsets
from exo_sim.human.observation import (
    COORDINATION_RATE_HZ,
    GRF_CLIP_BW,
    HUMAN_TERMS,
    LOOKAHEAD_STRIDE,
    NOMINAL_SPEED_MPS,
    ROOT_HEIGHT_PER_LEG_LENGTH,
    joint_offsets,
)
from exo_sim.human.reference_bank import ReferenceBank

#: Activation of every muscle at reset: a person about to step is not slack.
INITIAL_ACTIVATION = 0.05
#: Who is asked for less than this (m/s) stands, and the gait phase waits at WAITING_PHASE or half a stride later, so
#: that everybody sets out alike: a quarter of a stride is left to shift the weight before a foot leaves the floor.
STANDING_MPS = 0.02
WAITING_PHASE = 0.4
#: Who has fallen, wherever falls are counted: the root is below this share of its standing height, or the pelvis tilts
#: beyond this (cosine of 60 degrees). A training may end an episode earlier, which is no fall: see `terminate_below`.
FALL_HEIGHT_SHARE = 0.65
FALL_UP_COSINE = 0.5

_SCALE = np.concatenate([np.full(term.size, term.scale, dtype=np.float32) for term in HUMAN_TERMS])


class Walkers:
    """n people in the same device (or none), each with a body, a commanded speed and a gait phase of their own.

    Args:
        bodies: compiled body and device of each person; several people may share one.
        compiled: coordination and physics of everybody in one compiled call (BatchStep), where their integrator allows it.

    Raises:
        SimError: the physics rate is not a multiple of the coordination rate.

    Attributes:
        bodies: (n) as given; change one with `set_body`.
        body: the first of them; addresses (joints, sensors, actuators) are the same in all.
        coordinators: (n) muscle coordination, shared by people who share a body.
        deficit: (n, 2) how impaired the right and the left leg are: 0 healthy, 1 severe.
        who: (n, 2) height and mass over those of the unscaled model, less 1.
        arrivals, placements: (n,) how often everybody got a body, and was put on the floor; who remembers something of
            them sees by it that it is out of date.
        correction: (n, 14) torque asked of the muscles beyond what walking usually takes (Nm/kg).
    """

    def __init__(self, bodies: Sequence[BodyModel], compiled: bool = True):
        body, count = bodies[0], len(bodies)
        self.body, self.count = body, count
        self.substeps = round(1.0 / (body.model.opt.timestep * COORDINATION_RATE_HZ))
        if abs(self.substeps * body.model.opt.timestep * COORDINATION_RATE_HZ - 1.0) > 1e-6:
            raise SimError(
                f"the physics rate must be a multiple of {COORDINATION_RATE_HZ:g} Hz, "
                f"got {1.0 / body.model.opt.timestep:g} Hz"
            )
        self.bodies = list(bodies)
        self.reference = ReferenceBank(np.array([b.leg_length_m for b in bodies]))
        shared = {id(b): Coordinator(b) for b in bodies}
        self.coordinators = [shared[id(b)] for b in bodies]
        self.datas = [mujoco.MjData(b.model) for b in bodies]
        self.phase = np.zeros(count)
        self.speed_command = np.full(count, NOMINAL_SPEED_MPS)
        self.wanted_torque = np.zeros((count, len(JOINTS)))
        self.correction = np.zeros((count, len(JOINTS)))
        self.arrivals, self.placements = np.zeros(count, dtype=int), np.zeros(count, dtype=int)
        self.foot_bodies = np.array([body.model.body(FOOT_BODIES[side]).id for side in SIDES])
        self._offsets = np.zeros((count, len(JOINTS)))
        self._activation: np.ndarray | None = None  # wanted, where a network gives it
        self._exo = np.zeros(len(JOINTS))
        self._gathered = {field: Gathered(field, self.datas) for field in ("qpos", "qvel", "sensordata", "act", "xpos")}
        self._batch = (
            BatchStep(self.bodies, self.coordinators, self.datas, self.substeps)
            if compiled and all(BatchStep.can_move(b) for b in bodies)
            else None
        )
        self.deficit = np.zeros((count, len(SIDES)))
        self._weight, self._body_mass, self._leg_length = np.zeros(count), np.zeros(count), np.zeros(count)
        self.who = np.zeros((count, 2))
        for i in range(count):
            self._update_body(i)

    @property
    def period_s(self) -> float:
        """Coordination period (s)."""
        return 1.0 / COORDINATION_RATE_HZ

    @property
    def standing_height(self) -> np.ndarray:
        """Height (n,) of the root in quiet standing (m)."""
        return ROOT_HEIGHT_PER_LEG_LENGTH * self._leg_length

    def fallen(self, state: WalkerState) -> np.ndarray:
        """Who (n,) has fallen, or broken down numerically."""
        return ~self.is_above(state, FALL_HEIGHT_SHARE, FALL_UP_COSINE)

    def is_above(
        self, state: WalkerState, height_share: np.ndarray | float, up_cosine: np.ndarray | float
    ) -> np.ndarray:
        """Who (n,) is higher than this share of standing height and tilts by less than this cosine; False for NaN."""
        return (state.height > height_share * self.standing_height) & (state.up[:, 2] > up_cosine)

    def set_body(self, i: int, body: BodyModel, servo_gain: float = 1.0) -> None:
        """Person i gets another body, of the same device; `place` must follow."""
        self.bodies[i], self.coordinators[i] = body, Coordinator(body, servo_gain)
        data = self.datas[i] = mujoco.MjData(body.model)
        for gathered in self._gathered.values():
            gathered.replace(i, data)
        if self._batch is not None:
            self._batch.replace(i, body, self.coordinators[i], data)
        self.reference.set_leg_length(i, body.leg_length_m)
        self.arrivals[i] += 1
        self._update_body(i)

    def _update_body(self, i: int) -> None:
        """What is constant of person i's body."""
        body = self.bodies[i]
        self._weight[i], self._body_mass[i] = body.total_mass * body.gravity, body.body_mass
        self._leg_length[i] = body.leg_length_m
        self.deficit[i] = body.deficit
        self.who[i] = body.subject.length_scale - 1.0, body.subject.mass_scale - 1.0

    def place(self, i: int, phase: float, speed: float) -> None:
        """Puts person i on the floor in the reference pose of a phase, moving at that speed (m/s)."""
        body, data = self.bodies[i], self.datas[i]
        mujoco.mj_resetData(body.model, data)
        self.phase[i], self.speed_command[i] = phase, speed
        usual = self.reference.angles(self.speed_command, self.phase)[i]
        angles = np.clip(usual, *body.condition.range_left.T)  # as far as contractures let the joints go
        rates = np.where(angles == usual, self.reference.rates(self.speed_command, self.phase)[i], 0.0)
        coupling = body.coupling
        data.qpos[:] = body.standing_qpos
        data.qpos[body.joint_qpos], data.qvel[body.joint_dof] = angles, rates
        data.qpos[coupling.qpos] = coupling.positions(angles)
        data.qvel[coupling.dof] = coupling.slopes(angles) * rates[coupling.leader]
        data.qvel[1] = -speed  # MyoLegs walks along -y
        data.act[: len(body.muscles)] = INITIAL_ACTIVATION
        mujoco.mj_forward(body.model, data)
        data.qpos[2] -= self._lowest_sole_point(i)
        mujoco.mj_forward(body.model, data)
        self._offsets[i] = 0.0
        self.placements[i] += 1
        if self._activation is not None:
            self._activation[i] = INITIAL_ACTIVATION

    def _lowest_sole_point(self, i: int) -> float:
        """Height (m) of the lowest point of both soles of person i above the floor."""
        model, data = self.bodies[i].model, self.datas[i]
        lowest = np.inf
        for geom in self.bodies[i].sole_geoms:
            axes, size = data.geom_xmat[geom].reshape(3, 3), model.geom_size[geom]
            if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_CAPSULE:
                reach = size[0] + size[1] * abs(axes[2, 2])
            else:  # ellipsoid
                reach = float(np.linalg.norm(axes[2] * size))
            lowest = min(lowest, data.geom_xpos[geom][2] - reach)
        return float(lowest)

    def set_action(self, action: np.ndarray) -> None:
        """Takes offsets to the joint targets, as actions (n, 14), which hold until the next call of this or the next one."""
        self._offsets, self._activation = joint_offsets(action), None

    def set_activation(self, wanted: np.ndarray) -> None:
        """Takes wanted activations (n, M), 0 to 1 (clipped), in the order of the body's muscles, which hold as long.

        Joint goals, reflexes and coordination have no part in it, and nobody is told of a device.
        """
        self._activation = np.clip(wanted, 0.0, 1.0)

    def coordinate_and_step(self) -> None:
        """One coordination period for everybody; device torques are those in MjData.ctrl."""
        if self._batch is None:
            self.coordinate()
            for body, data in zip(self.bodies, self.datas, strict=False):
                mujoco.mj_step(body.model, data, self.substeps)
            return
        self._advance_phase()
        if self._activation is not None:
            self._batch.activate(self._activation)
        else:
            goal, rate, feedforward = self._goals()
            self._batch(goal, rate, feedforward, self.wanted_torque)
            self.correction = (self.wanted_torque - feedforward) / self._body_mass[:, None]

    def coordinate(self) -> None:
        """Advances the gait phase by one coordination period and sets the muscles' excitations for it."""
        self._advance_phase()
        if self._activation is not None:
            for coordinator, data, wanted in zip(self.coordinators, self.datas, self._activation, strict=True):
                coordinator.activate(data, wanted)
            return
        goal, rate, feedforward = self._goals()
        body, exo = self.body, self._exo
        for i, data in enumerate(self.datas):
            if len(body.exo_actuators):
                exo[body.exo_joint_index] = data.actuator_force[body.exo_actuators]
            self.coordinators[i].excite(data, goal[i], rate[i], feedforward[i], exo, self.wanted_torque[i])
        self.correction = (self.wanted_torque - feedforward) / self._body_mass[:, None]

    def coordinated_activation(self, action: np.ndarray) -> np.ndarray:
        """Activations (n, M) that joint targets with these offsets (actions (n, 14)) would want in the coming period.

        Nothing moves, and what was set before stays in force. Nobody is told of a device: its torque is not taken off.
        For compiled walkers.
        """
        assert self._batch is not None, "only walkers that move in compiled code are asked"
        held, phase = self._offsets, self.phase
        self._offsets = joint_offsets(action)
        self._advance_phase()
        goal, rate, feedforward = self._goals()
        self._offsets, self.phase = held, phase
        return self._batch.share_out(goal, rate, feedforward, np.empty_like(goal), told=False)

    def _advance_phase(self) -> None:
        stride_time = self.reference.stride_time(self.speed_command)
        self.phase = np.where(
            self.speed_command < STANDING_MPS,
            WAITING_PHASE + np.round(2.0 * (self.phase - WAITING_PHASE)) / 2.0,
            self.phase + self.period_s / stride_time,
        )

    def _goals(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Joint goals (rad), rates (rad/s) and usual torques (Nm), (n, 14) each."""
        state = self.state()
        length = self._leg_length[:, None]
        lean = -state.foot_position[..., :2].mean(axis=1) / length
        drift = state.velocity[:, :2] - np.stack([self.speed_command, np.zeros(self.count)], axis=1)
        goal = (
            self.reference.angles(self.speed_command, self.phase)
            + self._offsets
            + balance_offsets(state.up, state.velocity, self.speed_command, state.vertical_grf, lean, drift / length)
        )
        rate = self.reference.rates(self.speed_command, self.phase)
        return goal, rate, self.reference.moments(self.speed_command, self.phase) * self._body_mass[:, None]

    def mean_squared_activation(self) -> np.ndarray:
        """Effort (n,): mean of squared muscle activation."""
        return self.mean_activation_power(2)

    def mean_activation_power(self, exponent: int) -> np.ndarray:
        """Mean over muscles (n,) of activation to this power; the larger it is, the more count those at their limit."""
        activation = self._gathered["act"]()[:, : len(self.body.muscles)]
        return (activation**exponent).mean(axis=1)

    def state(self) -> WalkerState:
        """Gathers what observation, reward and measurement need from every body."""
        return WalkerState(self)

    def observe(self, state: WalkerState | None = None) -> np.ndarray:
        """Observation (n, OBSERVATION_SIZE), float32, in the order and scale of HUMAN_TERMS."""
        s = state or self.state()
        goal = self.reference.angles(self.speed_command, self.phase)
        ahead = self.reference.angles(self.speed_command, self.phase + LOOKAHEAD_STRIDE)
        angle = 2.0 * np.pi * self.phase
        columns = (
            s.joint_angle,
            s.joint_rate,
            goal - s.joint_angle,
            ahead - s.joint_angle,
            s.up,
            s.velocity,
            s.angular_velocity,
            s.heading[:, None],
            (s.height - self.standing_height)[:, None],
            np.stack([np.sin(angle), np.cos(angle)], axis=1),
            np.minimum(s.vertical_grf, GRF_CLIP_BW),
            s.foot_position.reshape(self.count, -1),
            (self.speed_command - NOMINAL_SPEED_MPS)[:, None],
            self.who,
            np.stack([body.strengths for body in self.bodies]) - 1.0,
        )
        return np.concatenate(columns, axis=1, dtype=np.float32) * _SCALE


class WalkerState:
    """State of n people. Vectors in REP-103 axes: forward, left, up; forward is the walking direction.

    Attributes:
        joint_angle, joint_rate: (n, 14) rad, rad/s, order of JOINTS.
        up: (n, 3) world's up direction in the body's axes.
        velocity: (n, 3) m/s, root, in axes turned with the heading.
        angular_velocity: (n, 3) rad/s, body axes (roll, pitch, yaw rate).
        heading: (n,) rad, + to the left.
        height: (n,) m, root above the floor.
        vertical_grf, forward_grf: (n, 2) body weights, right and left, on the body.
        foot_position: (n, 2, 3) m, right and left calcaneus relative to the root, in axes turned with the heading.
        activation: (n, 80).
    """

    def __init__(self, walkers: Walkers):
        body = walkers.body
        gathered = walkers._gathered
        qpos, qvel = gathered["qpos"](), gathered["qvel"]()
        self.joint_angle, self.joint_rate = qpos[:, body.joint_qpos], qvel[:, body.joint_dof]
        w, x, y, z = qpos[:, 3:7].T
        # rows of the rotation matrix: world's up in MyoLegs body axes, then turned to forward = -y, left = x
        up_x, up_y, up_z = 2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)
        self.up = np.stack([-up_y, up_x, up_z], axis=1)
        self.heading = np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
        cos, sin = np.cos(self.heading), np.sin(self.heading)
        along_x, along_y = cos * qvel[:, 0] + sin * qvel[:, 1], -sin * qvel[:, 0] + cos * qvel[:, 1]
        self.velocity = np.stack([-along_y, along_x, qvel[:, 2]], axis=1)
        self.angular_velocity = np.stack([-qvel[:, 4], qvel[:, 3], qvel[:, 5]], axis=1)
        self.height = qpos[:, 2]
        feet = gathered["xpos"]().reshape(walkers.count, -1, 3)[:, walkers.foot_bodies] - qpos[:, None, :3]
        cos, sin = cos[:, None], sin[:, None]
        self.foot_position = np.stack(
            [sin * feet[..., 0] - cos * feet[..., 1], cos * feet[..., 0] + sin * feet[..., 1], feet[..., 2]], axis=2
        )
        sensors = gathered["sensordata"]()
        # the sensor gives the force of the foot on the floor, in world axes
        weight = walkers._weight[:, None]
        self.vertical_grf = np.stack([-sensors[:, body.foot_sensor[side] + 2] for side in SIDES], axis=1) / weight
        self.forward_grf = (
            np.stack(
                [
                    cos[:, 0] * sensors[:, body.foot_sensor[side] + 1] - sin[:, 0] * sensors[:, body.foot_sensor[side]]
                    for side in SIDES
                ],
                axis=1,
            )
            / weight
        )
        self.activation = gathered["act"]()[:, : len(body.muscles)]
