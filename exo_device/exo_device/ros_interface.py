# SPDX-License-Identifier: Apache-2.0
"""Topics and services of a device: what the control loop tells, and what others ask of it."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticArray
from exo_msgs.msg import DeviceStatus, TorqueCommand
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Imu, JointState
from std_srvs.srv import Trigger

from exo_device import messages
from exo_device.control_loop import ControlLoop, LoopHooks
from exo_device.description import DeviceDescription
from exo_device.diagnostics import diagnostics_message
from exo_device.safety import Answer, Event, Snapshot
from exo_device.state import DeviceState, to_ns

#: The latest command wins. No deadline, which every publisher would have to match: lateness is the
#: supervisor's.
COMMAND_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
#: Sensor data that a reliable subscriber may have as well: in lockstep no state may be lost.
SENSOR_QOS = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
STATUS_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE,
                        durability=DurabilityPolicy.TRANSIENT_LOCAL)
DIAGNOSTICS_DEPTH = 10
#: /diagnostics comes at least this often (s), as diagnostic tools expect.
DIAGNOSTICS_PERIOD_S = 1.0


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
        self._triggers = [
            node.create_service(Trigger, "exo/arm", lambda _, reply: _fill(reply, loop.arm())),
            node.create_service(Trigger, "exo/disarm", lambda _, reply: _fill(reply, loop.disarm())),
            node.create_service(Trigger, "exo/stop", lambda _, reply: _fill(reply, loop.emergency_stop())),
        ]

    def hooks(self) -> LoopHooks:
        """What the loop is to call; all but on_crash, which is the node's."""
        return LoopHooks(self._publish_state, self._publish_status, self._log)

    def destroy(self) -> None:
        """Takes topics and services away again."""
        for publisher in (self._joint_states, self._imu, self._status, self._diagnostics):
            self._node.destroy_publisher(publisher)
        self._node.destroy_subscription(self._command)
        for service in self._triggers:
            self._node.destroy_service(service)

    def _on_command(self, message: TorqueCommand) -> None:
        self._loop.submit(messages.request_from_message(message))

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
        self._diagnostics.publish(
            diagnostics_message(name, snapshot, self._device, self._loop, loop_rate_hz, now_ns))

    def _log(self, event: Event) -> None:
        logger = self._node.get_logger()
        if event.is_error:  # two calls: rclpy refuses another severity from the same line
            logger.error(event.text)
        else:
            logger.info(event.text)


def _fill(reply: Trigger.Response, answer: Answer) -> Trigger.Response:
    reply.success, reply.message = answer
    return reply
