# SPDX-License-Identifier: Apache-2.0
"""The viewer's subscriptions: each message goes into the snapshot, strides into the comparison."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from sensor_msgs.msg import Imu, JointState

from exo_bringup.monitor_node import seconds
from exo_bringup.viewer.snapshot import Foot, Snapshot
from exo_core.ros import LATCHED, LATEST_BEST_EFFORT
from exo_msgs.msg import DeviceStatus, HumanState, Stride, Subject
from exo_sim.body.subject import Subject as Person
from exo_sim.body.subject import make_subject
from exo_sim.errors import SimError

STRIDE_DEPTH = 10


class Listener:
    """Listens with queues of one message: a page that draws thirty times a second takes no more than that.

    Args:
        node: to subscribe on.
        on_stride: called with stamp (s), gross metabolic power (W/kg) and peak torques (Nm/kg) of a stride.
        on_person: called with who walks, when the simulator says so.
    """

    def __init__(
        self,
        node: Node,
        on_stride: Callable[[float, float, list[float]], None],
        on_person: Callable[[Person], None],
    ):
        self.snapshot = Snapshot()
        #: Stamp of the newest exo/joint_states (s).
        self.device_time_s = np.nan
        self._on_stride, self._on_person, self._log = on_stride, on_person, node.get_logger()
        node.create_subscription(JointState, "joint_states", self._on_joints, LATEST_BEST_EFFORT)
        node.create_subscription(PoseStamped, "sim/root_pose", self._on_root, LATEST_BEST_EFFORT)
        node.create_subscription(HumanState, "human/state", self._on_human, LATEST_BEST_EFFORT)
        node.create_subscription(Stride, "human/stride", self._on_stride_message, STRIDE_DEPTH)
        node.create_subscription(Subject, "human/subject", self._on_subject, LATCHED)
        node.create_subscription(JointState, "exo/joint_states", self._on_device, LATEST_BEST_EFFORT)
        node.create_subscription(Imu, "exo/imu", self._on_imu, LATEST_BEST_EFFORT)
        node.create_subscription(DeviceStatus, "exo/status", self._on_status, LATCHED)

    def _on_joints(self, message: JointState) -> None:
        self.snapshot.joints = dict(zip(message.name, message.position))

    def _on_root(self, message: PoseStamped) -> None:
        place, turn = message.pose.position, message.pose.orientation
        self.snapshot.root_position = np.array([place.x, place.y, place.z])
        self.snapshot.root_xyzw = np.array([turn.x, turn.y, turn.z, turn.w])

    def _on_human(self, message: HumanState) -> None:
        now = self.snapshot
        now.heard_simulator_s = time.monotonic()
        now.time_s = seconds(message.header.stamp)
        now.speed_mps, now.commanded_speed_mps = message.speed, message.commanded_speed
        now.metabolic_w_per_kg = message.metabolic_power_per_mass
        now.phase = {"r": message.gait_phase_r, "l": message.gait_phase_l}
        for side, force, centre in (("r", message.grf_r, message.cop_r), ("l", message.grf_l, message.cop_l)):
            now.feet[side] = Foot(np.array([force.x, force.y, force.z]), np.array([centre.x, centre.y, centre.z]))
        now.muscle_names = tuple(message.muscle_names)
        now.activation = np.array(message.activation)
        now.muscle_force = np.array(message.muscle_force)
        now.fallen, now.falls = message.fallen, message.falls
        now.real_time_factor, now.paused = message.real_time_factor, message.paused

    def _on_stride_message(self, message: Stride) -> None:
        self._on_stride(seconds(message.header.stamp), message.metabolic_power_per_mass, list(message.exo_torque_peak))

    def _on_subject(self, message: Subject) -> None:
        strengths = dict(zip(message.strength_groups, message.strengths))
        fields = {"height_m": message.height, "mass_kg": message.mass, "strengths": strengths}
        try:
            self._on_person(make_subject(fields, "human/subject"))
        except SimError as error:
            self._log.warning(str(error))

    def _on_device(self, message: JointState) -> None:
        self.device_time_s = seconds(message.header.stamp)
        self.snapshot.device_joints = dict(zip(message.name, message.position))
        self.snapshot.device_torque = dict(zip(message.name, message.effort))
        self.snapshot.heard_device_s = time.monotonic()

    def _on_imu(self, message: Imu) -> None:
        turn = message.orientation
        self.snapshot.imu_xyzw = np.array([turn.x, turn.y, turn.z, turn.w])

    def _on_status(self, message: DeviceStatus) -> None:
        now = self.snapshot
        now.heard_device_s = time.monotonic()  # a device that waits sends no joint states
        now.mode, now.cause, now.device_names = message.mode, message.cause, tuple(message.names)
        now.assistance_gain, now.wearer_mass_kg = message.assistance_gain, message.wearer_mass
        now.command_age_s = message.command_age
