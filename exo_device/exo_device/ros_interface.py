# SPDX-License-Identifier: Apache-2.0
"""Topics and services of a device: what the control loop tells, and what others ask of it."""

from __future__ import annotations

import math
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from enum import Enum, auto
from typing import TYPE_CHECKING

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.task import Future
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from exo_core.errors import one_line
from exo_core.ros import LATCHED, LATEST, SENSOR
from exo_core.time import NANOSECONDS_PER_SECOND, to_ns
from exo_device import messages
from exo_device.assembly import Assembly
from exo_device.control_loop import LoopHooks
from exo_device.memory import Kept
from exo_device.safety import Answer, Event, Mode, Snapshot, fault_names
from exo_device.signals import DeviceState
from exo_device.torque_permit import is_permitted
from exo_msgs.msg import DeviceStatus, TorqueCommand

if TYPE_CHECKING:  # which makes them
    from exo_device.device_node import DeviceNode

#: So many messages of one publisher may be lost in a row: half a second at 100 Hz.
LARGEST_STEP = 50
#: While no torque is given, a publisher that was silent for this long (s, steady time) has left its place.
FORGET_S = 0.2


class Source(Enum):
    """Whose a message is."""

    FOLLOWED = auto()
    #: Of a second publisher.
    FOREIGN = auto()
    #: Of either: the numbers of both are close together, or a second one might make them so.
    UNKNOWN = auto()


class CommandSource:
    """Tells whether all commands come from one publisher, by its own count of what it published.

    Python gets no identity with a message, only the publisher's running number. A second publisher by mistake has
    numbers of its own, which do not go on where those of the first one are; one that publishes faster catches up in the
    end, and then the two cannot be told apart. One with intent has the next number from its first message on. But DDS
    delivers nothing of a publisher that it has not made known before, so that a strict listener never follows it.

    strict: nobody is followed while more than one is there, whatever its numbers, and be it the one of before.
    """

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self._number: int | None = None
        self._foreign_number: int | None = None
        self._heard_s = 0.0

    def judge(self, number: int | None, publishers: int, now_s: float, *, is_active: bool) -> Source:
        """Says whose a message is.

        number: that its publisher gave it; None: of a middleware without them. publishers: of the topic, as far as they
        are known. is_active: torque is given, so that nobody else may take the place of a publisher that has fallen
        silent.
        """
        if self._strict and publishers > 1:
            return Source.UNKNOWN
        if number is None:  # only the supervisor's own counting is left
            return Source.FOLLOWED
        followed = None if not is_active and now_s - self._heard_s > FORGET_S else self._number
        if followed is None or publishers < 2:
            self._foreign_number = None
        elif self._foreign_number is not None and abs(self._foreign_number - followed) <= LARGEST_STEP:
            return Source.UNKNOWN
        elif not 1 <= number - followed <= LARGEST_STEP:
            self._foreign_number = number
            return Source.FOREIGN
        self._number, self._heard_s = number, now_s
        return Source.FOLLOWED


#: Lines that wait for a slow log; more are lost, and counted in the next line that gets through.
LARGEST_BACKLOG = 1000
#: What waits at the end is written within this time (s), or lost.
CLOSE_TIMEOUT_S = 1.0


class LogThread:
    """Writes log lines of the control loop in a thread of its own: a full or slow disk must not hold the loop up.

    write: takes one event, may wait, may raise OSError.
    """

    def __init__(self, write: Callable[[Event], None], backlog: int = LARGEST_BACKLOG) -> None:
        self._write = write
        self._queue: queue.Queue[Event | None] = queue.Queue(backlog)
        #: Lines that nobody will read.
        self.lost = 0
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def log(self, event: Event) -> None:
        """Hands over one line; never waits and never raises."""
        try:
            self._queue.put_nowait(event)
        except queue.Full:
            self.lost += 1

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> bool:
        """Ends the thread. Returns whether everything was written."""
        try:
            self._queue.put_nowait(None)
        except queue.Full:
            return False
        self._thread.join(timeout_s)
        return not self._thread.is_alive() and not self.lost

    def _run(self) -> None:
        while (event := self._queue.get()) is not None:
            try:
                self._write(event)
            except OSError:  # a full disk: the next line may fit again
                self.lost += 1


DIAGNOSTICS_DEPTH = 10
#: /diagnostics comes at least this often (s), as diagnostic tools expect.
DIAGNOSTICS_PERIOD_S = 1.0
#: The control loop hears this often (s) that this thread lives, and exo/arm looks whether its outcome is there.
BEAT_PERIOD_S = 0.05
#: exo/arm answers this long (s) after the arming timeout at the latest, as where simulated time stands still.
ANSWER_MARGIN_S = 0.5
#: So many callers of exo/arm may wait for the outcome; others are answered at once that it is on its way.
MOST_WAITING = 16
NOT_CONFIGURED = "the device node is not configured"
#: rmw's word for the node of a publisher that is known before its node is, and ours.
UNKNOWN_NAME, NAMELESS = "_NODE_NAME_UNKNOWN_", "one whose name is not known yet"


class DeviceServices:
    """exo/arm, exo/disarm, exo/stop and exo/status: there as long as the node is, configured or not."""

    def __init__(self, node: DeviceNode) -> None:
        self._waiting: list[tuple[Future, float]] = []
        self.status = node.create_publisher(DeviceStatus, "exo/status", LATCHED)
        self._newest_status = DeviceStatus()
        self._node = node
        self._is_alone = True
        # a call that waits for its outcome must not hold up exo/stop
        apart = ReentrantCallbackGroup()
        node.create_service(Trigger, "exo/arm", self._on_arm, callback_group=apart)
        node.create_service(Trigger, "exo/disarm", lambda _, reply: _fill(reply, node.disarm()))
        node.create_service(Trigger, "exo/confirm_zeros", lambda _, reply: _fill(reply, node.confirm_zeros()))
        node.create_service(Trigger, "exo/stop", lambda _, reply: _fill(reply, node.stop()))
        node.create_timer(BEAT_PERIOD_S, self._beat, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def publish_status(self, message: DeviceStatus) -> None:
        """Publishes a device's status."""
        self._newest_status = message
        self.status.publish(message)

    def publish_unconfigured(self, kept: Kept) -> None:
        """The status of a node without a device: a late subscriber must not be told a mode that does not hold."""
        message = self._newest_status
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.mode = int(Mode.FAULT if kept.faults else Mode.DISARMED)
        message.faults, message.fault_names = int(kept.faults), fault_names(kept.faults)
        message.cause = one_line(f"{NOT_CONFIGURED}; latched: {kept.cause}") if kept.faults else NOT_CONFIGURED
        message.assistance_gain = message.loop_rate = 0.0
        message.command_age = message.state_age = math.nan
        self.status.publish(message)

    async def _on_arm(self, _: Trigger.Request, reply: Trigger.Response) -> Trigger.Response:
        """Answers once the outcome is there: ACTIVE, or why not."""
        answer = self._node.arm()
        if answer.success and len(self._waiting) < MOST_WAITING:
            outcome = Future()
            self._waiting.append((outcome, time.monotonic() + self._node.arming_timeout_s() + ANSWER_MARGIN_S))
            answer = await outcome
        return _fill(reply, answer)

    def _beat(self) -> None:
        self._node.beat()
        self._look_for_another_device()
        still = []
        for outcome, deadline_s in self._waiting:
            answer = self._node.arming()
            if answer is None and time.monotonic() >= deadline_s:
                answer = Answer(False, f"still arming: {self._node.cause()}")
            if answer is None:
                still.append((outcome, deadline_s))
            else:
                outcome.set_result(answer)
        self._waiting = still

    def _look_for_another_device(self) -> None:
        """Two devices in one namespace take each other's commands and contradict each other in exo/status."""
        is_alone = self._node.count_publishers(self.status.topic_name) <= 1
        if self._is_alone and not is_alone:
            self._node.get_logger().error(
                f"another node publishes {self.status.topic_name} too: two graphs in one domain and namespace? "
                "Stop one, or give it a namespace or a ROS_DOMAIN_ID of its own"
            )
        self._is_alone = is_alone


class DeviceInterface:
    """Creates the topics of a configured device on node, and connects them to its loop."""

    def __init__(self, node: Node, setup: Assembly, services: DeviceServices) -> None:
        self._node = node
        self._setup = setup
        self._device = setup.device
        self._loop = setup.loop
        self._services = services
        self._diagnostics_due_ns = 0
        self._shown_mode: Mode | None = None
        self._joint_states = node.create_publisher(JointState, "exo/joint_states", SENSOR)
        self._imu = node.create_publisher(Imu, "exo/imu", SENSOR)
        self._diagnostics = node.create_publisher(DiagnosticArray, "/diagnostics", DIAGNOSTICS_DEPTH)
        self._command = node.create_subscription(TorqueCommand, "exo/command", self._on_command, LATEST)
        self._source = CommandSource(strict=self._loop.supervisor.config.second_publisher == "fault")
        self._permitted = node.create_publisher(Bool, "exo/torque_permitted", LATCHED)
        self._lines = LogThread(self._log)

    def hooks(self) -> LoopHooks:
        """Returns what the loop is to call; all but on_crash, which is the node's."""
        return LoopHooks(self._publish_state, self._publish_status, self._lines.log)

    def destroy(self) -> None:
        """Takes the topics away again, and writes the last log lines."""
        self.permit(False)
        if self._setup.permit_line is not None:
            self._setup.permit_line.close()
        self._lines.close()
        for publisher in (self._joint_states, self._imu, self._diagnostics, self._permitted):
            self._node.destroy_publisher(publisher)
        self._node.destroy_subscription(self._command)

    def _on_command(self, message: TorqueCommand, info: dict[str, int | None]) -> None:
        publishers = self._command.get_publisher_count()
        now_s = self._loop.steady_now_ns() / NANOSECONDS_PER_SECOND
        is_active = self._loop.supervisor.mode is Mode.ACTIVE
        source = self._source.judge(info["publication_sequence_number"], publishers, now_s, is_active=is_active)
        if source is Source.FOLLOWED:
            self._loop.submit(messages.command_from_message(message))
            return
        cause = f"two nodes publish {self._command.topic_name}: {self._publishers()}"
        self._loop.foreign_command(cause, must_stop=source is Source.UNKNOWN)

    def _publishers(self) -> str:
        """Names of the nodes that publish commands; two graphs in one domain have twice the same."""
        found = self._node.get_publishers_info_by_topic(self._command.topic_name)
        names = Counter(
            NAMELESS if point.node_name == UNKNOWN_NAME else f"{point.node_namespace.rstrip('/')}/{point.node_name}"
            for point in found
        )
        return ", ".join(name if count == 1 else f"{count} of the name {name}" for name, count in sorted(names.items()))

    def _publish_state(self, state: DeviceState) -> None:
        self._imu.publish(messages.imu_message(state, self._device))  # first: policies act on joint states
        self._joint_states.publish(messages.joint_state_message(state))

    def permit(self, permitted: bool) -> None:
        """Tells a relay whether the motors may have power: see torque_permit."""
        self._permitted.publish(Bool(data=permitted))
        line = self._setup.permit_line
        if line is None:
            return
        try:
            line.set(permitted)
        except OSError as error:  # without pulses the relay opens; torque must not go on as if it could not be stopped
            self._loop.driver_lost(f"the GPIO line for exo/torque_permitted is gone: {error.strerror or error}")

    def _publish_status(self, snapshot: Snapshot, loop_rate_hz: float) -> None:
        now_ns = self._node.get_clock().now().nanoseconds
        self.permit(is_permitted(snapshot))
        self._setup.keep(snapshot)
        driver, hashes = self._loop.driver.name, (self._setup.device_sha256, self._setup.driver_sha256)
        self._services.publish_status(
            messages.status_message(snapshot, self._device, driver, loop_rate_hz, now_ns, hashes)
        )
        steady_ns = self._loop.steady_now_ns()
        if snapshot.mode is self._shown_mode and steady_ns < self._diagnostics_due_ns:
            return
        self._shown_mode = snapshot.mode
        self._diagnostics_due_ns = steady_ns + to_ns(DIAGNOSTICS_PERIOD_S)
        name = self._node.get_fully_qualified_name()
        self._diagnostics.publish(
            messages.diagnostics_message(name, snapshot, self._device, self._loop, loop_rate_hz, now_ns)
        )

    def _log(self, event: Event) -> None:
        logger, text = self._node.get_logger(), one_line(event.text)  # names in it may come from anybody on the domain
        if event.is_error:  # three calls: rclpy refuses another severity from the same line
            logger.error(text)
        elif event.is_warning:
            logger.warning(text)
        else:
            logger.info(text)


def _fill(reply: Trigger.Response, answer: Answer) -> Trigger.Response:
    reply.success, reply.message = answer.success, one_line(answer.message)
    return reply
