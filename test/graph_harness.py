# SPDX-License-Identifier: Apache-2.0
"""Starts the real graph as processes and talks to it: what the tests across packages share."""

import signal
import time
from pathlib import Path

import rclpy
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_srvs.srv import SetBool, Trigger

from exo_bringup.graph import GraphOptions, describe_graph
from exo_bringup.monitor_node import parameter_request, seconds
from exo_bringup.processes import Children, child_environment, executable_path
from exo_bringup.topics import TOPICS
from exo_core.message_schema import message_class
from exo_msgs.msg import DeviceStatus
from exo_msgs.srv import LoadPolicy, SetSpeed

#: A process that imports MuJoCo on a loaded machine of two cores takes its time (s).
PATIENCE_S = 90.0
TOPIC = {topic.name: topic for topic in TOPICS}
#: After the first full stride assistance fades in over two strides by default; a test need not wait for that.
QUICK_FADE = {"fade_in_strides": 0.2}


class Graph:
    """Simulator, device and policy in one namespace of the tests' domain, and a node that listens to them."""

    def __init__(self, folder: Path, domain: int, device_parameters=QUICK_FADE, **options):
        self.options = GraphOptions(**{"visualization": False, **options})
        self.folder = folder
        self.children = Children(folder)
        environment = child_environment(ROS_DOMAIN_ID=str(domain), ROS_LOG_DIR=str(folder))
        for spec in describe_graph(self.options):
            if spec.name == "device_node":
                spec.parameters.update(device_parameters)
            overrides = folder / f"{spec.name}.yaml"
            overrides.write_text(spec.parameter_yaml())
            self.children.start(
                spec.name,
                spec.command_line(executable_path(spec.package, spec.executable), overrides),
                environment,
            )
        self.node = rclpy.create_node("test_client", namespace=self.options.namespace or None)
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        #: Every message so far, by topic.
        self.messages = {}
        for name in ("human/state", "exo/status"):
            self.listen(name)
        self.arm = self.node.create_client(Trigger, "exo/arm")
        self.disarm = self.node.create_client(Trigger, "exo/disarm")
        self.stop_button = self.node.create_client(Trigger, "exo/stop")
        self.load = self.node.create_client(LoadPolicy, "policy/load")
        self.pause = self.node.create_client(SetBool, "sim/pause")
        self.set_speed = self.node.create_client(SetSpeed, "sim/set_speed")
        self.parameters = self.node.create_client(SetParameters, "simulator_node/set_parameters")

    def listen(self, name):
        """Collect a topic's messages from now on; returns the list that grows."""
        if name in self.messages:
            return self.messages[name]
        topic = TOPIC[name]
        qos = QoSProfile(
            depth=100,
            reliability=ReliabilityPolicy.RELIABLE if topic.reliable else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if topic.latched else DurabilityPolicy.VOLATILE,
        )
        collected = self.messages[name] = []
        self.node.create_subscription(message_class(topic.type_name), name, collected.append, qos)
        return collected

    def wait_until(self, condition, what, within_s=PATIENCE_S, may_die=()):
        """Spin until the condition holds; fails with the logs when it does not, or when a node dies."""
        deadline = time.monotonic() + within_s
        while not condition():
            self.executor.spin_once(timeout_sec=0.05)
            dead = [child.name for child in self.children.dead() if child.name not in may_die]
            assert not dead, f"{dead} died while waiting for {what}\n{self.logs()}"
            assert time.monotonic() < deadline, f"waited in vain for {what}\n{self.logs()}"

    def logs(self):
        return "\n".join(
            f"--- {name}\n" + "\n".join(self.children[name].last_lines(8)) for name in self.children.names()
        )

    def ready(self):
        """Wait until every node is there and talks."""
        clients = (self.arm, self.pause, self.parameters, *((self.load,) if self.options.policy else ()))
        self.wait_until(lambda: all(client.service_is_ready() for client in clients), "services")
        self.wait_until(lambda: self.status is not None and self.messages["human/state"], "first messages")
        return self

    def call(self, client, request):
        """Response of a service."""
        future = client.call_async(request)
        self.wait_until(future.done, client.srv_name)
        return future.result()

    def set_simulator(self, **values):
        """Set parameters of the simulator."""
        assert all(result.successful for result in self.call(self.parameters, parameter_request(**values)).results)

    @property
    def status(self):
        """Newest exo/status, or None."""
        return self.messages["exo/status"][-1] if self.messages["exo/status"] else None

    @property
    def time_s(self):
        """Newest simulated time."""
        return seconds(self.messages["human/state"][-1].header.stamp)

    def walk(self, duration_s, **waiting):
        """Let this much simulated time pass."""
        until = self.time_s + duration_s
        self.wait_until(lambda: self.time_s >= until, f"{duration_s} s of walking", **waiting)

    def activate(self):
        """Arm until the device is active. A busy machine may trip a watchdog in between: then once more."""

        def active():
            if self.status.mode == DeviceStatus.ACTIVE:
                return True
            if self.status.mode == DeviceStatus.FAULT:
                self.call(self.disarm, Trigger.Request())
            if self.status.mode in (DeviceStatus.DISARMED, DeviceStatus.FAULT):
                self.call(self.arm, Trigger.Request())
            return False

        self.wait_until(active, "an active device")

    def assist(self, controller="spline"):
        """Load a controller with torque and wait until it shows at the motors."""
        commands = self.listen("sim/motor_command")
        response = self.call(self.load, LoadPolicy.Request(controller=controller, fade=0.0))
        assert response.success, response.message

        def torque():
            if self.status.mode != DeviceStatus.ACTIVE:
                self.activate()
            return any(max(map(abs, command.torque), default=0.0) > 1.0 for command in commands[-20:])

        self.wait_until(torque, "torque at the motors")

    def signal_all(self, number):
        """Send a signal to every node and return the exit codes."""
        for name in self.children.names():
            self.children[name].send(number)
        return {name: self.children[name].process.wait(timeout=PATIENCE_S) for name in self.children.names()}

    def close(self):
        """Stop what still runs."""
        self.children.stop()
        self.executor.remove_node(self.node)
        self.node.destroy_node()


def processes_that_name(text):
    """Command lines of the running processes that hold this text."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(text) in words:
                found.append(words)
    return found


STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
