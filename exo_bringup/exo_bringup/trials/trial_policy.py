# SPDX-License-Identifier: Apache-2.0
"""A policy that goes wrong on command. It is not what is tried: the device that has to live with it is."""

from __future__ import annotations

import time

from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from sensor_msgs.msg import JointState

from exo_bringup.trials.can_graph import CanGraph
from exo_msgs.msg import DeviceStatus, TorqueCommand

LATEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
#: Asked of every joint (Nm): a quarter of the smallest cap.
ASKED_NM = 6.0
#: How it goes wrong: what its next commands are like.
MOODS = {
    "nan_command": "torque that is no number",
    "unknown_joint": "a joint that the device does not have",
    "missing_joint": "one joint left out",
    "wrong_length": "fewer torques than names",
    "future_command": "the answer to a state that has not been measured yet",
    "silent_policy": "no commands any more",
    "stale_command": "the answer to the same old state, again and again",
    "second_publisher": "another policy answers too",
}
AHEAD_S = 1


class TrialPolicy:
    """Answers every state of the graph's device, in the thread of the graph's node."""

    def __init__(self, graph: CanGraph) -> None:
        self._graph, self._sequence, self._other_sequence = graph, 0, 0
        self._command = graph.node.create_publisher(TorqueCommand, "exo/command", LATEST)
        self._mood, self._struck_s, self._last_good_s, self._old_stamp = "", 0.0, 0.0, None
        graph.node.create_subscription(JointState, "exo/joint_states", self._answer, qos_profile_sensor_data)

    def strike(self, mood: str) -> None:
        """Goes wrong from the next state on."""
        self._struck_s, self._mood = 0.0, mood

    @property
    def struck_s(self) -> float:
        """Steady time (s) of the first wrong command, or of the last good one; 0 before it."""
        return self._struck_s

    def recover(self) -> None:
        """Is well again."""
        self._mood = ""

    def _answer(self, state: JointState) -> None:
        mood, now_s = self._mood, time.monotonic()
        if mood and not self._struck_s:
            self._struck_s = self._last_good_s if mood == "silent_policy" else now_s
        if mood == "silent_policy":
            return
        status = self._graph.status
        torque = ASKED_NM if status and status.mode == DeviceStatus.ACTIVE else 0.0
        self._sequence += 1
        names = list(state.name)
        command = TorqueCommand(
            state_stamp=state.header.stamp, sequence=self._sequence, names=names, torque=[torque] * len(names)
        )
        if mood == "nan_command":
            command.torque[0] = float("nan")
        elif mood == "unknown_joint":
            command.names[0] = "elbow_flexion_r"
        elif mood == "missing_joint":
            command.names, command.torque = names[1:], list(command.torque)[1:]
        elif mood == "wrong_length":
            command.torque = list(command.torque)[1:]
        elif mood == "future_command":
            command.state_stamp.sec += AHEAD_S
        elif mood == "stale_command" and self._old_stamp is not None:
            command.state_stamp = self._old_stamp
        self._command.publish(command)
        if not mood:
            self._last_good_s, self._old_stamp = now_s, state.header.stamp
        if mood == "second_publisher":
            self._other_sequence += 1
            command.sequence = self._other_sequence
            self._command.publish(command)
