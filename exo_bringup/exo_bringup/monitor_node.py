# SPDX-License-Identifier: Apache-2.0
"""The runner's ear and hand in the graph: it listens for telemetry and calls the nodes' services."""

from __future__ import annotations

import math

import rclpy
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor, TimeoutException
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

from exo_bringup.telemetry import Telemetry
from exo_bringup.topics import VIEWER_ADDRESS
from exo_core.errors import one_line
from exo_core.ros import LATCHED, LATEST_BEST_EFFORT
from exo_msgs.msg import DeviceStatus, HumanState, Stride, Subject
from exo_msgs.srv import LoadPolicy

NODE_NAME = "exo_runner"
SIMULATOR, POLICY, VISUALIZATION, VIEWER = "simulator_node", "policy_node", "visualization_node", "viewer_node"
#: Callbacks handled in one go at most, so that the caller's loop goes on whatever arrives.
CALLBACKS_PER_SPIN = 20


class MonitorNode(Node):
    """Feeds a Telemetry; clients for the services that the runner calls."""

    def __init__(self, telemetry: Telemetry, namespace: str):
        super().__init__(NODE_NAME, namespace=namespace or None)
        self._telemetry = telemetry
        self.create_subscription(HumanState, "human/state", self._on_human_state, LATEST_BEST_EFFORT)
        self.create_subscription(Stride, "human/stride", self._on_stride, 10)
        self.create_subscription(Subject, "human/subject", self._on_subject, LATCHED)
        self.create_subscription(DeviceStatus, "exo/status", self._on_status, LATCHED)
        #: What to open in a browser; empty until a viewer has said it.
        self.viewer_address = ""
        self.create_subscription(String, VIEWER_ADDRESS, self._on_viewer, LATCHED)
        self.pause = self.create_client(SetBool, "sim/pause")
        self.arm = self.create_client(Trigger, "exo/arm")
        self.disarm = self.create_client(Trigger, "exo/disarm")
        self.load = self.create_client(LoadPolicy, "policy/load")
        self.simulator_parameters = self.create_client(SetParameters, "simulator_node/set_parameters")

    def waiting_for(self, nodes: list[str]) -> list[str]:
        """What is not there yet: services, and of these nodes the one that loads longest."""
        clients = (self.arm, self.disarm)
        if POLICY in nodes:
            clients += (self.load,)
        if SIMULATOR in nodes:
            clients += (self.pause, self.simulator_parameters)
        missing = [client.srv_name for client in clients if not client.service_is_ready()]
        if VISUALIZATION in nodes and not self.count_publishers("robot_description"):
            missing.append(VISUALIZATION)  # loading beside a walk in real time, it would starve the device
        if VIEWER in nodes and not self.viewer_address:
            missing.append(VIEWER)  # for the same reason
        return missing

    def count(self, name: str) -> int:
        """How many nodes of this name run in this namespace, as far as is known yet."""
        return self.get_node_names_and_namespaces().count((name, self.get_namespace()))

    def _on_human_state(self, message: HumanState) -> None:
        self._telemetry.human_state(
            seconds(message.header.stamp),
            message.paused,
            message.speed,
            message.real_time_factor,
            message.falls,
            message.commanded_speed,
        )

    def _on_subject(self, message: Subject) -> None:
        strengths = tuple(zip(message.strength_groups, message.strengths, strict=False))
        self._telemetry.subject(message.height, message.mass, strengths, message.impairments)

    def _on_viewer(self, message: String) -> None:
        self.viewer_address = message.data

    def _on_stride(self, message: Stride) -> None:
        self._telemetry.stride(
            message.speed,
            message.duration,
            message.metabolic_power_per_mass,
            dict(zip(message.exo_joint_names, message.exo_torque_peak, strict=False)),
        )

    def _on_status(self, message: DeviceStatus) -> None:
        self._telemetry.device_status(
            message.mode,
            one_line(message.cause),
            tuple(one_line(name, 64) for name in message.fault_names),
            message.loop_rate,
            message.command_age,
        )


class Monitor:
    """The node with its context and executor, driven from a plain loop. Leaves signals to the caller."""

    def __init__(self, telemetry: Telemetry, namespace: str, domain_id: int):
        rclpy.init(args=[], domain_id=domain_id, signal_handler_options=SignalHandlerOptions.NO)
        self.node = MonitorNode(telemetry, namespace)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)

    def spin(self) -> None:
        """Handle what has arrived, without waiting."""
        for _ in range(CALLBACKS_PER_SPIN):
            try:
                handler, _, _ = self._executor.wait_for_ready_callbacks(timeout_sec=0.0)
            except TimeoutException:
                return
            handler()
            if handler.exception() is not None:
                raise handler.exception()

    def close(self) -> None:
        """Leave the graph."""
        self.node.destroy_node()
        rclpy.try_shutdown()


def seconds(stamp) -> float:
    """builtin_interfaces/Time in seconds."""
    return stamp.sec + 1e-9 * stamp.nanosec


def parameter_request(**values) -> SetParameters.Request:
    """Request that sets parameters; strings and numbers (as floats)."""
    request = SetParameters.Request()
    for name, value in values.items():
        if isinstance(value, str):
            content = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=value)
        else:
            if not math.isfinite(value):
                raise ValueError(f"parameter {name} must be finite, got {value}")
            content = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=float(value))
        request.parameters.append(Parameter(name=name, value=content))
    return request
