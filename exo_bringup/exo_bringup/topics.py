# SPDX-License-Identifier: Apache-2.0
"""The graph's topics as data: name, type, rate class and QoS. The recorder and the tests read it.

Names are relative: a namespace separates two graphs, /clock and /tf included (see graph.REMAPPINGS).
"""

from __future__ import annotations

from dataclasses import dataclass

#: Where viewer_node tells the address of its page. Not recorded: it may hold a token.
VIEWER_ADDRESS = "viewer/address"


@dataclass(frozen=True)
class Topic:
    """One topic of the graph and how a subscriber that wants every message subscribes to it."""

    name: str
    type_name: str
    #: False: best effort, as `sensor data` QoS publishes.
    reliable: bool = True
    #: True: the last message is kept for late subscribers (transient local).
    latched: bool = False


TOPICS = (
    Topic("sim/motor_states", "exo_msgs/msg/MotorStates"),
    Topic("sim/motor_command", "exo_msgs/msg/MotorCommand"),
    Topic("sim/root_pose", "geometry_msgs/msg/PoseStamped", reliable=False),
    Topic("exo/joint_states", "sensor_msgs/msg/JointState", reliable=False),
    Topic("exo/imu", "sensor_msgs/msg/Imu", reliable=False),
    Topic("exo/command", "exo_msgs/msg/TorqueCommand"),
    Topic("exo/status", "exo_msgs/msg/DeviceStatus", latched=True),
    Topic("human/state", "exo_msgs/msg/HumanState", reliable=False),
    Topic("human/stride", "exo_msgs/msg/Stride"),
    Topic("human/subject", "exo_msgs/msg/Subject", latched=True),
    Topic("human/markers", "visualization_msgs/msg/MarkerArray", reliable=False),
    Topic("joint_states", "sensor_msgs/msg/JointState", reliable=False),
    Topic("tf", "tf2_msgs/msg/TFMessage"),
    Topic("tf_static", "tf2_msgs/msg/TFMessage", latched=True),
    Topic("robot_description", "std_msgs/msg/String", latched=True),
    Topic("diagnostics", "diagnostic_msgs/msg/DiagnosticArray"),
    Topic("clock", "rosgraph_msgs/msg/Clock", reliable=False),
)
