# SPDX-License-Identifier: Apache-2.0
"""Topics and services of a device: what the control loop tells, and what others ask of it."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Imu, JointState
from std_srvs.srv import Trigger

from exo_device import messages
from exo_device.command_source import CommandSource, Source
from exo_device.control_loop import ControlLoop, LoopHooks
from exo_device.description import DeviceDescription
from exo_device.diagnostics import diagnostics_message
from exo_device.log_thread import LogThread
from exo_device.safety import Answer, Event, Mode, Snapshot
from exo_device.state import NANOSECONDS_PER_SECOND, DeviceState, to_ns
from exo_msgs.msg import DeviceStatus, TorqueCommand

#: The latest command wins. No deadline, which every publisher would have to match: lateness is the
#: supervisor's.
COMMAND_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
#: Sensor data that a reliable subscriber may have as well: in lockstep no state may be lost.
SENSOR_QOS = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
STATUS_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
DIAGNOSTICS_DEPTH = 10
#: /diagnostics comes at least this often (s), as diagnostic tools expect.
DIAGNOSTICS_PERIOD_S = 1.0
#: The control loop hears this often (s) that this thread lives.
BEAT_PERIOD_S = 0.05


class DeviceInterface:
    """Creates the topics and services on node, and connects them to loop."""

    def __init__(self, node: Node, device: DeviceDescription, loop: ControlLoop) -> None:
        self._node = node
        self._device = device
        self._loop = loop
        self._diagnostics_due_ns = 0
        self._shown_mode = None
        self._joint_states = node.create_publisher(JointState, "exo/joint_states", SENSOR_QOS)
        self._imu = node.create_publisher(Imu, "exo/imu", SENSOR_QOS)
        self._status = node.create_publisher(DeviceStatus, "exo/status", STATUS_QOS)
        self._diagnostics = node.create_publisher(DiagnosticArray, "/diagnostics", DIAGNOSTICS_DEPTH)
        self._command = node.create_subscription(TorqueCommand, "exo/command", self._on_command, COMMAND_QOS)
        self._source = CommandSource()
        self._lines = LogThread(self._log)
        self._beat = node.create_timer(BEAT_PERIOD_S, loop.beat, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._triggers = [
            node.create_service(Trigger, "exo/arm", lambda _, reply: _fill(reply, loop.arm())),
            node.create_service(Trigger, "exo/disarm", lambda _, reply: _fill(reply, loop.disarm())),
            node.create_service(Trigger, "exo/stop", lambda _, reply: _fill(reply, loop.emergency_stop())),
        ]

    def hooks(self) -> LoopHooks:
        """What the loop is to call; all but on_crash, which is the node's."""
        return LoopHooks(self._publish_state, self._publish_status, self._lines.log)

    def destroy(self) -> None:
        """Takes topics and services away again, and writes the last log lines."""
        self._lines.close()
        for publisher in (self._joint_states, self._imu, self._status, self._diagnostics):
            self._node.destroy_publisher(publisher)
        self._node.destroy_subscription(self._command)
        self._node.destroy_timer(self._beat)
        for service in self._triggers:
            self._node.destroy_service(service)

    def _on_command(self, message: TorqueCommand, info: dict) -> None:
        publishers = self._command.get_publisher_count()
        now_s = self._loop.steady_now_ns() / NANOSECONDS_PER_SECOND
        is_active = self._loop.supervisor.mode is Mode.ACTIVE
        number = info["publication_sequence_number"]
        if number is None:  # a middleware without them: only the supervisor's own counting is left
            source = Source.FOLLOWED
        else:
            source = self._source.judge(number, publishers, now_s, is_active=is_active)
        if source is Source.FOLLOWED:
            self._loop.submit(messages.request_from_message(message))
            return
        cause = f"two nodes publish {self._command.topic_name}: {self._publishers()}"
        self._loop.foreign_command(cause, must_stop=source is Source.UNKNOWN)

    def _publishers(self) -> str:
        """Names of the nodes that publish commands."""
        found = self._node.get_publishers_info_by_topic(self._command.topic_name)
        names = {f"{point.node_namespace.rstrip('/')}/{point.node_name}" for point in found}
        return ", ".join(sorted(names))

    def _publish_state(self, state: DeviceState) -> None:
        self._imu.publish(messages.imu_message(state, self._device))  # first: policies act on joint states
        self._joint_states.publish(messages.joint_state_message(state))

    def _publish_status(self, snapshot: Snapshot, loop_rate_hz: float) -> None:
        now_ns = self._node.get_clock().now().nanoseconds
        driver = self._loop.driver.name
        self._status.publish(messages.status_message(snapshot, self._device, driver, loop_rate_hz, now_ns))
        steady_ns = self._loop.steady_now_ns()
        if snapshot.mode is self._shown_mode and steady_ns < self._diagnostics_due_ns:
            return
        self._shown_mode = snapshot.mode
        self._diagnostics_due_ns = steady_ns + to_ns(DIAGNOSTICS_PERIOD_S)
        name = self._node.get_fully_qualified_name()
        self._diagnostics.publish(diagnostics_message(name, snapshot, self._device, self._loop, loop_rate_hz, now_ns))

    def _log(self, event: Event) -> None:
        logger = self._node.get_logger()
        if event.is_error:  # two calls: rclpy refuses another severity from the same line
            logger.error(event.text)
        else:
            logger.info(event.text)


def _fill(reply: Trigger.Response, answer: Answer) -> Trigger.Response:
    reply.success, reply.message = answer
    return reply
