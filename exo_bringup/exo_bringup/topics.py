# SPDX-License-Identifier: Apache-2.0
"""The graph's topics and services as data: name, type, QoS, rate and purpose. Recorder, tests and docs read it.

Names are relative: a namespace separates two graphs, /clock and /tf included (see graph.REMAPPINGS).
"""

from __future__ import annotations

from dataclasses import dataclass

#: Where viewer_node tells the address of its page, without the token. Not recorded.
VIEWER_ADDRESS = "viewer/address"


@dataclass(frozen=True)
class Topic:
    """One topic of the graph and how a subscriber that wants every message subscribes to it."""

    name: str
    type_name: str
    #: How often it comes (Hz of ROS time), or when.
    rate: str
    #: What it carries: units, frame.
    purpose: str
    #: False: taken as best effort, because one that is lost is not missed, and a device of another make may publish so.
    reliable: bool = True
    #: True: the last message is kept for late subscribers (transient local).
    latched: bool = False


@dataclass(frozen=True)
class Service:
    """One service of the graph."""

    name: str
    type_name: str
    purpose: str


TOPICS = (
    Topic(
        "sim/motor_states",
        "exo_msgs/msg/MotorStates",
        "100 Hz",
        "motors and IMU of the simulated device in one message, as from a motor bus; asks for the command that "
        "answers its `sequence`",
    ),
    Topic(
        "sim/motor_command",
        "exo_msgs/msg/MotorCommand",
        "100 Hz",
        "torque of the simulated motors (Nm), motors on or off; names the `sequence` that it answers",
    ),
    Topic(
        "sim/root_pose",
        "geometry_msgs/msg/PoseStamped",
        "50 Hz",
        "pelvis in `odom`: origin of `base_link` (m), REP 103 axes",
        reliable=False,
    ),
    Topic(
        "exo/joint_states",
        "sensor_msgs/msg/JointState",
        "100 Hz",
        "driven joints only: angle (rad), rate (rad/s), applied torque (Nm)",
        reliable=False,
    ),
    Topic(
        "exo/imu",
        "sensor_msgs/msg/Imu",
        "100 Hz",
        "frame `pelvis_imu` (REP 145): orientation in `odom`, rate (rad/s), specific force (m/s²); same stamp "
        "as exo/joint_states and sent before it",
        reliable=False,
    ),
    Topic(
        "exo/command",
        "exo_msgs/msg/TorqueCommand",
        "100 Hz",
        "wanted torque of each driven joint (Nm); `state_stamp` names the state that it answers",
    ),
    Topic(
        "exo/status",
        "exo_msgs/msg/DeviceStatus",
        "10 Hz and on change",
        "mode, faults with their cause, torque limits (Nm), ages (s), temperatures (degC)",
        latched=True,
    ),
    Topic(
        "exo/torque_permitted",
        "std_msgs/msg/Bool",
        "10 Hz while active",
        "for a relay in the motors' supply: false, or 0.3 s without a true, takes the power away",
        latched=True,
    ),
    Topic(
        "human/state",
        "exo_msgs/msg/HumanState",
        "50 Hz",
        "what no device can measure: muscles, metabolic power (W), ground reaction force (N), gait phase, speed",
        reliable=False,
    ),
    Topic(
        "human/stride",
        "exo_msgs/msg/Stride",
        "each stride of each leg",
        "times (s), lengths (m), angles (rad), work (J/kg), metabolic cost, symmetry of the stride just ended",
    ),
    Topic(
        "human/subject",
        "exo_msgs/msg/Subject",
        "on change",
        "who walks: height (m), mass (kg), impairments",
        latched=True,
    ),
    Topic(
        "human/markers",
        "visualization_msgs/msg/MarkerArray",
        "10 Hz; 50 Hz with `rviz:=true`",
        "muscles coloured by activation, ground reaction force and device torque as arrows",
        reliable=False,
    ),
    Topic(
        "joint_states",
        "sensor_msgs/msg/JointState",
        "50 Hz",
        "all joints of the body: angle (rad), rate (rad/s), net joint moment (Nm)",
        reliable=False,
    ),
    Topic("tf", "tf2_msgs/msg/TFMessage", "50 Hz", "`odom` to `base_link` to every moving link of the URDF"),
    Topic(
        "tf_static",
        "tf2_msgs/msg/TFMessage",
        "at the start and on a new body",
        "links that do not move against their parent",
        latched=True,
    ),
    Topic(
        "robot_description",
        "std_msgs/msg/String",
        "at the start and on a new body",
        "URDF of body and device",
        latched=True,
    ),
    Topic(
        "diagnostics",
        "diagnostic_msgs/msg/DiagnosticArray",
        "1 Hz and on change",
        "the device's health, for diagnostic tools",
    ),
    Topic(
        "clock", "rosgraph_msgs/msg/Clock", "100 Hz", "sim time, sent before the states of that time", reliable=False
    ),
)

#: Not recorded.
OTHER_TOPICS = (
    Topic(
        VIEWER_ADDRESS,
        "std_msgs/msg/String",
        "at the start",
        "where the viewer's page is; its token is told to who started it alone",
        latched=True,
    ),
)

SERVICES = (
    Service(
        "exo/arm",
        "std_srvs/srv/Trigger",
        "switches the motors on; answers once the device is active, or with what is missing",
    ),
    Service("exo/disarm", "std_srvs/srv/Trigger", "torque to zero, motors off; clears a latched fault"),
    Service("exo/confirm_zeros", "std_srvs/srv/Trigger", "the joints' angles are right, although a motor was silent"),
    Service("exo/stop", "std_srvs/srv/Trigger", "torque to zero, motors off, and latches: a fault of its own"),
    Service("policy/load", "exo_msgs/srv/LoadPolicy", "swaps the controller while walking, with a fade (s)"),
    Service("sim/pause", "std_srvs/srv/SetBool", "sim time stands still while `data` is true"),
    Service("sim/reset", "exo_msgs/srv/Reset", "the person starts walking anew"),
    Service("sim/set_speed", "exo_msgs/srv/SetSpeed", "commanded walking speed (m/s)"),
    Service("sim/set_subject", "exo_msgs/srv/SetSubject", "height (m), mass (kg) and impairments of the wearer"),
)
