# SPDX-License-Identifier: Apache-2.0
"""The ROS side of drivers and emulators: their small nodes beside device_node, and the simulator's motor bus."""

from __future__ import annotations

import threading

import rclpy
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter

from exo_core.ros import LATEST
from exo_device.drivers.base import DriverError
from exo_device.drivers.simulated import MotorBus, SimulatedConfig
from exo_device.messages import motor_command_message, state_from_message
from exo_device.signals import DeviceState, MotorTorque
from exo_msgs.msg import MotorCommand, MotorStates

#: A node's thread ends within this time (s) of being told to.
CLOSE_TIMEOUT_S = 5.0


def driver_node(name: str, namespace: str = "") -> Node:
    """A node in the process's ROS context; namespace empty: as the process's ROS arguments say."""
    # The process may have been started with __node:=..., which must not rename this node too.
    return Node(
        name,
        namespace=namespace or None,
        cli_args=["--ros-args", "-r", f"__node:={name}"],
        start_parameter_services=False,
        enable_rosout=False,
        parameter_overrides=[Parameter("start_type_description_service", value=False)],
    )


class SpinningThread:
    """Spins a node beside whatever the process does."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        self._is_closing = False
        self._thread = threading.Thread(target=self._spin, name=node.get_name(), daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            pass
        except Exception:
            if not self._is_closing:  # rclpy's executor stumbles when it is shut down just as it begins to wait
                raise

    def close(self) -> None:
        """Ends the thread and the node; may be called twice."""
        if self.node is None:
            return
        self._is_closing = True
        self._executor.shutdown()
        self._thread.join(CLOSE_TIMEOUT_S)
        if not self._thread.is_alive():  # a node that is taken from under its thread ends the process
            self.node.destroy_node()
        self.node = None


#: Motors that have not acknowledged the last frame after this time (s) are gone.
LAST_FRAME_TIMEOUT_S = 1.0


class RosMotorBus(MotorBus):
    """The device's end of the simulator's motor topics: sim/motor_states in, sim/motor_command out. Latest wins.

    It has a small node of its own, spun by whoever calls receive(): a state then reaches the control loop without a hop
    between threads, and does not queue behind the device node's services.
    """

    def __init__(self, config: SimulatedConfig = SimulatedConfig()) -> None:
        self._config = config
        self._node: Node | None = None
        self._newest: DeviceState | None = None

    def open(self) -> None:
        if not rclpy.ok():
            raise DriverError("driver 'simulated' with transport 'ros' needs rclpy.init() first")
        self._node = driver_node(self._config.node_name, self._config.namespace)
        self._publisher = self._node.create_publisher(MotorCommand, "sim/motor_command", LATEST)
        self._node.create_subscription(MotorStates, "sim/motor_states", self._on_states, LATEST)
        self._guard = self._node.create_guard_condition(lambda: None)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)

    def receive(self, timeout_s: float) -> DeviceState | None:
        try:
            self._executor.spin_once(timeout_sec=max(timeout_s, 0.0))
        except ExternalShutdownException as error:
            raise DriverError("ROS was shut down") from error
        state, self._newest = self._newest, None
        return state

    def send(self, command: MotorTorque) -> None:
        self._publisher.publish(motor_command_message(command))

    def wake(self) -> None:
        if self._node is not None:
            self._guard.trigger()

    def close(self) -> None:
        if self._node is None:
            return
        if rclpy.ok():  # the last frame switches the motors off: do not leave before they have it
            self._publisher.wait_for_all_acked(Duration(seconds=LAST_FRAME_TIMEOUT_S))
        self._executor.remove_node(self._node)
        self._executor.shutdown()
        self._node.destroy_node()
        self._node = None

    def _on_states(self, message: MotorStates) -> None:
        self._newest = state_from_message(message)
