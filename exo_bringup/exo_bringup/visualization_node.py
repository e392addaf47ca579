# SPDX-License-Identifier: Apache-2.0
"""Publishes what RViz shows: /tf, /tf_static, robot_description and human/markers."""

from __future__ import annotations

import sys

import numpy as np
from geometry_msgs.msg import PoseStamped, TransformStamped
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import MarkerArray

from exo_bringup.markers import BASE_LINK, ODOM, MarkerBuilder
from exo_bringup.shown_body import ShownBody, Transform
from exo_core.ros import LATCHED, LATEST, LATEST_BEST_EFFORT, Declaration, declare_parameters, run_node
from exo_device.description import load_device
from exo_msgs.msg import HumanState, Subject
from exo_sim.body.subject import load_subject

#: Queue of /tf as tf2's broadcaster has it.
TF_DEPTH = 100
DECLARATIONS = {
    "subject": Declaration("", "Subject YAML, or preset:NAME; empty: the default subject."),
    "device_config": Declaration("", "Device YAML; empty: none."),
    "marker_rate_hz": Declaration(10.0, "Rate of muscles and arrows (Hz, ROS time); 0: none.", (0.0, 50.0)),
}


class VisualizationNode(Node):
    """Follows the simulator's joint_states, sim/root_pose, human/state and human/subject."""

    def __init__(self):
        super().__init__("visualization_node")
        subject, device_file, rate = declare_parameters(self, DECLARATIONS).values()
        self._marker_period_ns = int(1e9 / rate) if rate > 0.0 else None
        self._next_marker_ns = 0

        device = load_device(device_file) if device_file else None
        self._shown = ShownBody(load_subject(subject), device)
        self._builder = MarkerBuilder()
        self._human: HumanState | None = None
        self._torques: dict[str, float] = {}
        self._moving = TFMessage()

        self._tf = self.create_publisher(TFMessage, "/tf", TF_DEPTH)
        self._markers = self.create_publisher(MarkerArray, "human/markers", LATEST)
        self._static = self.create_publisher(TFMessage, "/tf_static", LATCHED)
        self._description = self.create_publisher(String, "robot_description", LATCHED)
        self._publish_body()
        self.create_subscription(JointState, "joint_states", self._on_joints, LATEST_BEST_EFFORT)
        self.create_subscription(JointState, "exo/joint_states", self._on_device, LATEST_BEST_EFFORT)
        self.create_subscription(HumanState, "human/state", self._on_human, LATEST_BEST_EFFORT)
        self.create_subscription(PoseStamped, "sim/root_pose", self._on_root, LATEST_BEST_EFFORT)
        self.create_subscription(Subject, "human/subject", self._on_subject, LATCHED)

    def _publish_body(self) -> None:
        """What stays as it is while the subject does."""
        now = self.get_clock().now().to_msg()
        fixed = [_stamped(item, now) for item in self._shown.state.static_transforms()]
        self._description.publish(String(data=self._shown.description))
        self._static.publish(TFMessage(transforms=fixed))

    def _on_subject(self, message: Subject) -> None:
        try:
            shown = self._shown.resized(message.height, message.mass)
        except ValueError as error:
            self.get_logger().error(f"the body shown stays as it was: {error}")
            return
        if shown is not self._shown:
            self._shown = shown
            self._publish_body()
            self.get_logger().info(f"shows a body of {message.height:.2f} m and {message.mass:.1f} kg")

    def _on_joints(self, message: JointState) -> None:
        self._shown.pose.set_positions(dict(zip(message.name, message.position, strict=False)))

    def _on_device(self, message: JointState) -> None:
        self._torques = dict(zip(message.name, message.effort, strict=False))

    def _on_human(self, message: HumanState) -> None:
        self._human = message

    def _on_root(self, message: PoseStamped) -> None:
        stamp = message.header.stamp
        place, turn = message.pose.position, message.pose.orientation
        root = Transform(
            ODOM, BASE_LINK, np.array([place.x, place.y, place.z]), np.array([turn.x, turn.y, turn.z, turn.w])
        )
        moved = self._shown.state.transforms(self._shown.pose.positions())
        self._tf.publish(self._tf_message((root, *moved), stamp))
        now_ns = stamp.sec * 10**9 + stamp.nanosec
        if (
            self._marker_period_ns is not None
            and not self._next_marker_ns - self._marker_period_ns <= now_ns < self._next_marker_ns
        ):
            self._next_marker_ns = now_ns + self._marker_period_ns
            self._publish_markers(stamp)

    def _tf_message(self, items, stamp) -> TFMessage:
        """The messages of the last call, filled anew: making them costs more than all else here."""
        if len(self._moving.transforms) != len(items):
            self._moving = TFMessage(transforms=[_stamped(item, stamp) for item in items])
        for message, item in zip(self._moving.transforms, items, strict=False):
            _fill(message, item, stamp)
        return self._moving

    def _publish_markers(self, stamp) -> None:
        human = self._human
        activation = dict(zip(human.muscle_names, human.activation, strict=False)) if human else {}
        self._builder.muscles(self._shown.pose.muscle_paths(), activation, stamp)
        if human is not None:
            for identity, (at, force) in enumerate(((human.cop_r, human.grf_r), (human.cop_l, human.grf_l))):
                self._builder.force(
                    identity, np.array([at.x, at.y, at.z]), np.array([force.x, force.y, force.z]), stamp
                )
        for identity, (joint, (link, axis)) in enumerate(self._shown.torque_axes.items()):
            self._builder.torque(identity, link, axis, self._torques.get(joint, 0.0), stamp)
        self._markers.publish(self._builder.array)


def _stamped(item: Transform, stamp) -> TransformStamped:
    message = TransformStamped(child_frame_id=item.child)
    message.header.frame_id = item.parent
    _fill(message, item, stamp)
    return message


def _fill(message: TransformStamped, item: Transform, stamp) -> None:
    message.header.stamp = stamp
    place, turn = message.transform.translation, message.transform.rotation
    place.x, place.y, place.z = item.position.tolist()
    turn.x, turn.y, turn.z, turn.w = item.quaternion.tolist()


def main(arguments: list[str] | None = None) -> int:
    """Runs until SIGINT or SIGTERM. Returns the exit code: 0, or 2 for a bad configuration."""
    return run_node("visualization_node", VisualizationNode, args=arguments, declared=DECLARATIONS)


if __name__ == "__main__":
    sys.exit(main())
