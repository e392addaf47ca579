# SPDX-License-Identifier: Apache-2.0
"""Topics and services of the simulator."""

from __future__ import annotations

import math

from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool

from exo_core.errors import one_line
from exo_core.ros import LATCHED, LATEST, SENSOR
from exo_msgs.msg import HumanState, MotorCommand, MotorStates, Stride, Subject
from exo_msgs.srv import Reset, SetSpeed, SetSubject
from exo_sim.body.subject import make_impairments, make_subject
from exo_sim.errors import SimError
from exo_sim.plant.gait_measurement import GaitMeasurement
from exo_sim.plant.simulation import Simulation
from exo_sim.ros import messages

#: A motor that hears nothing for this long (s, sim time) gives no torque: ten missed frames.
MOTOR_TIMEOUT_S = 0.1


class MotorBusEnd:
    """Keeps the newest motor command.

    Args:
        joints: that there are motors for.
    """

    def __init__(self, joints: tuple[str, ...]):
        self._joints = joints
        self._torque: dict[str, float] = {}
        self._received_at = -math.inf
        self.answered_sequence = -1
        self.rejected = 0

    def receive(self, command: MotorCommand, now: float) -> None:
        """Takes over a command at sim time now (s); one that no motor could obey is counted and dropped."""
        valid = (
            len(command.names) == len(command.torque)
            and all(name in self._joints for name in command.names)
            and all(math.isfinite(torque) for torque in command.torque)
        )
        if not valid:
            self.rejected += 1
            return
        self._torque = dict(zip(command.names, command.torque, strict=False)) if command.enable else {}
        self._received_at = now
        self.answered_sequence = command.sequence

    def torque(self, now: float) -> dict[str, float]:
        """Torques by joint (Nm) that hold at sim time now; none once the bus has fallen silent."""
        return self._torque if now - self._received_at <= MOTOR_TIMEOUT_S else {}


STRIDE_DEPTH = 10
#: What people look at is published on every second control period (50 Hz).
DISPLAY_DIVIDER = 2


class SimulatorInterface:
    """Publishes the simulation's samples and serves requests on it.

    Args:
        node: to create topics and services on.
        simulation, measurement: what they speak of.

    Attributes:
        paused: sim time stands still.
    """

    def __init__(self, node: Node, simulation: Simulation, measurement: GaitMeasurement, imu_frame: str):
        self.bus = MotorBusEnd(simulation.body.exo_joints)
        self.paused = False
        self.real_time_factor = 0.0
        self._node, self._simulation, self._measurement = node, simulation, measurement
        self._imu_frame = imu_frame
        self._sequence = -1
        self._clock = node.create_publisher(Clock, "/clock", LATEST)
        self._motors = node.create_publisher(MotorStates, "sim/motor_states", LATEST)
        self._root = node.create_publisher(PoseStamped, "sim/root_pose", SENSOR)
        self._human = node.create_publisher(HumanState, "human/state", SENSOR)
        self._strides = node.create_publisher(Stride, "human/stride", STRIDE_DEPTH)
        self._joints = node.create_publisher(JointState, "joint_states", SENSOR)
        self._subject = node.create_publisher(Subject, "human/subject", LATCHED)
        self.publish_subject()
        node.create_subscription(
            MotorCommand, "sim/motor_command", lambda command: self.bus.receive(command, simulation.t), LATEST
        )
        node.create_service(SetBool, "sim/pause", self._on_pause)
        node.create_service(Reset, "sim/reset", self._on_reset)
        node.create_service(SetSpeed, "sim/set_speed", self._on_set_speed)
        node.create_service(SetSubject, "sim/set_subject", self._on_set_subject)

    @property
    def answered(self) -> bool:
        """Whether the newest motor state has been answered by a command."""
        return self.bus.answered_sequence == self._sequence

    def publish(self, strides, display: bool) -> None:
        """Clock, motors and closed strides; on `display`, also what people look at."""
        sample, time = self._simulation.sample, messages.stamp(self._simulation.t)
        self._clock.publish(Clock(clock=time))
        self._sequence = (self._sequence + 1) % 2**32
        self.repeat_motor_states()
        for metrics in strides:
            self._strides.publish(messages.stride(metrics, time))
        if display:
            self._root.publish(messages.root_pose(sample, time))
            self._joints.publish(messages.joint_states(sample, time))
            self.publish_human()

    def repeat_motor_states(self) -> None:
        """Sends the newest motor state, again if it was sent before: a lost one would stop a lockstep run."""
        simulation = self._simulation
        self._motors.publish(
            messages.motor_states(
                simulation.sample.motors, messages.stamp(simulation.t), self._sequence, self._imu_frame
            )
        )

    def publish_human(self) -> None:
        """The wearer's state."""
        simulation, measurement = self._simulation, self._measurement
        message = messages.human_state(simulation.sample, messages.stamp(simulation.t), simulation.body.body_mass)
        message.speed = measurement.speed
        message.gait_phase_r, message.gait_phase_l = measurement.phase("r"), measurement.phase("l")
        message.contact_r, message.contact_l = measurement.contact("r"), measurement.contact("l")
        message.falls, message.paused = simulation.falls, self.paused
        message.real_time_factor = self.real_time_factor
        self._human.publish(message)

    def publish_subject(self) -> None:
        """Who walks, as the body is built now."""
        self._subject.publish(messages.subject_message(self._simulation.subject, messages.stamp(self._simulation.t)))

    def _on_pause(self, request, response):
        self.paused = request.data
        response.success, response.message = True, "paused" if request.data else "running"
        return response

    def _on_reset(self, request, response):
        self._simulation.reset(int(request.seed) if request.use_seed else None)
        self._measurement.restart()
        response.success, response.message = True, "walking starts anew"
        return response

    def _on_set_speed(self, request, response):
        try:
            self._simulation.set_speed(request.speed)
            response.success, response.message = True, f"walking speed goes to {request.speed:g} m/s"
        except SimError as error:
            response.success, response.message = False, one_line(error)
        response.speed = self._simulation.commanded_speed
        return response

    def _on_set_subject(self, request, response):
        simulation = self._simulation
        try:
            if len(request.strength_groups) != len(request.strengths):
                raise SimError(f"{len(request.strength_groups)} strength_groups but {len(request.strengths)} strengths")
            now = simulation.subject
            base = (
                make_impairments(request.impairments, "sim/set_subject: impairments")
                if request.impairments
                else now.only
            )
            strengths = {**base.strengths, **dict(zip(request.strength_groups, request.strengths, strict=False))}
            subject = make_subject(
                {
                    **now.model_dump(),
                    **base.model_dump(),
                    "strengths": strengths,
                    "height_m": request.height or now.height_m,
                    "mass_kg": request.mass or now.mass_kg,
                },
                "sim/set_subject",
            )
            if (subject.height_m, subject.mass_kg) == (now.height_m, now.mass_kg):
                simulation.impair(subject)
                response.message = "impairments changed" if request.impairments else "strengths changed"
            else:
                simulation.set_subject(subject)
                self._measurement.restart(simulation.body.body_mass)
                response.message = "body rebuilt, walking starts anew"
            response.success = True
            self.publish_subject()
        except (ValueError, RecursionError) as error:  # whatever is sent, it must not end the simulator
            response.success, response.message = False, one_line(error)
        self._node.get_logger().info(f"set_subject: {response.message}")
        return response
