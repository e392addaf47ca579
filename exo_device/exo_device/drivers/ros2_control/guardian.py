# SPDX-License-Identifier: Apache-2.0
"""The guardian of a controller: zero efforts on its topic when whoever commands it falls silent.

It needs nothing but the topic: a command with effort in it is a sign of life, and must be followed by the next one
within drivers.guardian.SILENCE_S. So it runs beside the controller manager, on whichever computer that is, and acts
as well when the network in between fails. The driver arms only while it hears the guardian on <topic>/guardian.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import Empty, Float64MultiArray

from exo_core.ros import LATEST
from exo_device.drivers.guardian import REPEAT_S, TorqueWatch, is_ended
from exo_device.drivers.node import driver_node
from exo_device.drivers.ros2_control.driver import Ros2ControlConfig

#: It says this often (s) that it lives.
ALIVE_PERIOD_S = 0.1


class TopicGuardian:
    """Follows the commands of one controller. node: holds the topics. steady_s: clock (s)."""

    def __init__(self, node: Node, config: Ros2ControlConfig, steady_s: Callable[[], float] = time.monotonic) -> None:
        self._node, self._steady_s = node, steady_s
        self._topic = config.topic
        self._guard = TorqueWatch()
        self._length = 0
        self._alive_due_s = steady_s()
        self._commands = node.create_publisher(Float64MultiArray, config.topic, LATEST)
        self._alive = node.create_publisher(Empty, config.guardian_topic, LATEST)
        node.create_subscription(Float64MultiArray, config.topic, self._on_command, LATEST)

    def _on_command(self, message: Float64MultiArray) -> None:
        """Its own zeros come back here too, and say that there is nothing to take away."""
        self._length = len(message.data)
        self._guard.beat(any(value != 0.0 for value in message.data), self._steady_s())

    def step(self) -> None:
        """To be called every REPEAT_S: zeros where they are due, and a sign of life."""
        now_s = self._steady_s()
        if self._guard.must_speak(now_s):
            self.say_zero()
        if now_s >= self._alive_due_s:
            self._alive_due_s = now_s + ALIVE_PERIOD_S
            if self._node.count_subscribers(self._topic) > 1:  # a guardian whom no controller hears is none
                self._alive.publish(Empty())

    def say_zero(self) -> None:
        """Zero effort on every joint, once a command has shown how many there are."""
        if self._length:
            self._commands.publish(Float64MultiArray(data=[0.0] * self._length))

    def end(self) -> None:
        """Whoever commands is gone for good: last words."""
        self._guard.end(self._steady_s())

    @property
    def is_over(self) -> bool:
        """Whether they have been said."""
        return self._guard.is_over(self._steady_s())


def guard_topic(config: Ros2ControlConfig, line: int | None, on_ready: Callable[[], None]) -> int:
    """Guards until the line ends (a file descriptor; None: for ever, or until SIGINT or SIGTERM)."""
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.ALL if line is None else SignalHandlerOptions.NO)
    node = driver_node(config.guardian_node_name, config.namespace)
    guardian = TopicGuardian(node, config)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    on_ready()
    try:
        while not guardian.is_over:
            executor.spin_once(timeout_sec=REPEAT_S)
            guardian.step()
            if line is not None and is_ended(line):
                line = None
                guardian.end()
    except (ExternalShutdownException, KeyboardInterrupt):
        pass
    executor.shutdown()
    node.destroy_node()
    rclpy.try_shutdown()
    return 0
