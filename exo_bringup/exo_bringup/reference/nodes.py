# SPDX-License-Identifier: Apache-2.0
"""What the nodes really declare: each is created once, and what it asks ROS for is written down."""

from __future__ import annotations

import importlib
import inspect
import os
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import rclpy
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from exo_bringup.graph import REMAPPINGS
from exo_device.devices import device_file

PACKAGES = ("exo_sim", "exo_device", "exo_policy", "exo_bringup")
#: A ROS domain that no graph of ours uses by itself.
DOMAIN_ID = 100
#: Created by rclpy for every node.
OF_EVERY_NODE = (
    "parameter_events",
    "rosout",
    "describe_parameters",
    "get_parameter_types",
    "get_parameters",
    "list_parameters",
    "set_parameters",
    "set_parameters_atomically",
    "get_type_description",
    "transition_event",
    "change_state",
    "get_state",
    "get_available_states",
    "get_available_transitions",
    "get_transition_graph",
)
PARAMETERS_OF_EVERY_NODE = ("use_sim_time", "start_type_description_service")


@dataclass(frozen=True)
class Endpoint:
    """A publisher, subscription, service or client."""

    name: str
    type_name: str
    qos: QoSProfile | None = None


@dataclass(frozen=True)
class Parameter:
    """A parameter as its descriptor has it."""

    name: str
    default: object
    descriptor: ParameterDescriptor


@dataclass
class NodeFacts:
    """One program and what it has in ROS, in the order in which it asked for it."""

    package: str
    program: str
    summary: str = ""
    publishers: list[Endpoint] = field(default_factory=list)
    subscriptions: list[Endpoint] = field(default_factory=list)
    services: list[Endpoint] = field(default_factory=list)
    clients: list[Endpoint] = field(default_factory=list)
    parameters: list[Parameter] = field(default_factory=list)


def node_programs() -> list[tuple[str, str]]:
    """(package, program) of every node that is installed."""
    from ament_index_python.packages import get_package_prefix

    found = []
    for package in PACKAGES:
        folder = Path(get_package_prefix(package)) / "lib" / package
        found += [(package, path.name) for path in sorted(folder.glob("*_node"))]
    return found


def collect() -> list[NodeFacts]:
    """Facts of every node. Initialises ROS by itself: for a process of its own."""
    device = str(device_file("hip_ankle"))
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        given = {
            "simulator_node": {"device_config": device},
            "device_node": {"device_config": device},
            "visualization_node": {"device_config": device},
            "viewer_node": {"device_config": device, "port": "0"},
            "recorder_node": {"output": str(Path(folder) / "recording.mcap")},
        }
        words = [
            word
            for program, parameters in given.items()
            for name, value in parameters.items()
            for word in ("-p", f"{program}:{name}:={value}")
        ]
        stack.enter_context(mock.patch.dict(os.environ, {"ROS_LOG_DIR": folder}))
        rclpy.init(args=["--ros-args", "--log-level", "error", *words], domain_id=DOMAIN_ID)
        stack.callback(rclpy.try_shutdown)
        return [_facts(package, program) for package, program in node_programs()]


def _facts(package: str, program: str) -> NodeFacts:
    module = importlib.import_module(f"{package}.{program}")
    kind = next(
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Node) and value.__module__ == module.__name__
    )
    facts = NodeFacts(package, program, _first_sentence(module.__doc__))
    with _listening(facts):
        node = kind()
        if isinstance(node, LifecycleNode):
            node.trigger_configure()
    for end in ("close", "release"):  # a recorder's file, a driver's bus
        if hasattr(node, end):
            getattr(node, end)()
    node.destroy_node()
    return facts


def _first_sentence(text: str | None) -> str:
    return " ".join((text or "").split(". ")[0].split()).rstrip(".").split(": ", 1)[-1]


class _listening:
    """Notes what is created on any Node, a driver's own included."""

    METHODS = {
        "create_publisher": "publishers",
        "create_subscription": "subscriptions",
        "create_service": "services",
        "create_client": "clients",
    }

    def __init__(self, facts: NodeFacts):
        self._facts, self._stack = facts, ExitStack()

    def __enter__(self):
        self._stack.enter_context(
            mock.patch.object(Node, "declare_parameters", self._declaring(Node.declare_parameters))
        )
        for method, kept_in in self.METHODS.items():
            self._stack.enter_context(mock.patch.object(Node, method, self._noting(getattr(Node, method), kept_in)))

    def __exit__(self, *error):
        self._stack.close()

    def _declaring(self, original):
        def declare(node, namespace, parameters, *rest, **named):
            made = original(node, namespace, parameters, *rest, **named)
            for name, default, *_ in parameters:
                if name not in PARAMETERS_OF_EVERY_NODE:
                    descriptor = node.describe_parameter(name)
                    self._facts.parameters.append(Parameter(name, default, descriptor))
            return made

        return declare

    def _noting(self, original, kept_in):
        def create(node, interface, name, *rest, **named):
            made = original(node, interface, name, *rest, **named)
            if name.split("/")[-1] not in OF_EVERY_NODE:
                kept = getattr(self._facts, kept_in)
                endpoint = Endpoint(relative(name), type_name(interface), getattr(made, "qos_profile", None))
                if endpoint.name not in [other.name for other in kept]:
                    kept.append(endpoint)
            return made

        return create


def relative(name: str) -> str:
    """The name in a namespace, as the launch files remap it."""
    return dict(REMAPPINGS).get(name, name)


def type_name(interface: type) -> str:
    """As `ros2 interface show` takes it: exo_msgs/msg/HumanState."""
    package, kind = interface.__module__.split(".")[:2]
    return f"{package}/{kind}/{interface.__name__}"


def qos_words(qos: QoSProfile) -> str:
    """Reliability, depth and durability."""
    reliable = "reliable" if qos.reliability == ReliabilityPolicy.RELIABLE else "best effort"
    latched = ", transient local" if qos.durability == DurabilityPolicy.TRANSIENT_LOCAL else ""
    return f"{reliable}, depth {qos.depth}{latched}"
