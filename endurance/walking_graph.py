# SPDX-License-Identifier: Apache-2.0
"""Simulator, device node on any driver, policy node, and what lies between simulator and driver."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import rclpy
import yaml
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from std_srvs.srv import Trigger

import exo_policy
from endurance.bus import PATIENT_BUS, PATIENT_DEVICE, PATIENT_IMU, adopt, bus_settings
from endurance.torque_series import WalkRecord
from exo_bringup.graph import GraphOptions, NodeSpec, describe_graph
from exo_bringup.monitor_node import seconds
from exo_bringup.processes import Children, child_environment, executable_path
from exo_core.errors import UserError
from exo_core.ros import LATCHED
from exo_device.description import load_device
from exo_device.devices import device_file
from exo_device.drivers import make_driver
from exo_device.drivers.ros import SpinningThread
from exo_msgs.msg import DeviceStatus, HumanState, MotorCommand, TorqueCommand

#: By driver: the program between simulator and driver, in exo_device.emulator; none for the reference.
DRIVERS = {"simulated": None, "cubemars_can": "cubemars", "ros2_control": "ros2_control"}
REFERENCE = "simulated"
#: The simulator's clock ticks at 100 Hz: at twice its rate no tick goes without a sample.
BUS_RATE_HZ = 200.0
#: What is compared is torque; watchdogs have trials of their own, and here a busy machine may be late.
#: Without a guardian, who is not patient, nobody switches the motors off unasked.
MOTORS = {
    **PATIENT_BUS,
    "guardian": "none",
    "unguarded": True,
    "plausibility": {**PATIENT_BUS["plausibility"], "following_nm": 100.0},
}
#: The controller's; joint_states are the whole body's here.
STATE_TOPIC = "motors/joint_states"
POLICY_FILES = (".py", ".json", ".safetensors")
PATIENCE_S, STALL_S, LOOK_S, ARM_PERIOD_S = 120.0, 60.0, 0.02, 1.0
COLLECT = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)
COLLECT_SENSOR = QoSProfile(depth=100, reliability=ReliabilityPolicy.BEST_EFFORT)
#: Messages are fetched this often (s); no queue here may fill up in that time.
FETCH_PERIOD_S = 0.05
CLOSE_TIMEOUT_S = 1.0


class WalkingGraph:
    """Use as a context manager. The policy's node gets the same files and parameters whatever the driver."""

    def __init__(
        self,
        folder: Path,
        driver: str,
        *,
        controller: str,
        pace: float,
        speed_mps: float,
        seed: int,
        device: str = "hip_ankle",
        subject: str = "default",
    ) -> None:
        self._folder = folder / f"{driver}_logs"
        self._folder.mkdir(exist_ok=True)
        self.namespace = f"trial_{os.getpid()}"
        options = GraphOptions(
            device=device,
            subject=subject,
            controller=controller,
            speed_mps=speed_mps,
            seed=seed,
            driver=driver,
            driver_config=self._driver_file(driver),
            namespace=self.namespace,
            visualization=False,
        )
        self._specs = {spec.name: spec for spec in describe_graph(options)}
        self._specs["device_node"].parameters.update({**PATIENT_DEVICE, "use_mock_hardware": driver != "simulated"})
        if pace < 1.0:
            self._specs["simulator_node"].parameters["pace"] = pace
        self._between = DRIVERS[driver]
        self._joints = load_device(device_file(device)).joint_names
        self._environment = child_environment(ROS_LOG_DIR=str(self._folder))
        self._children = Children(self._folder)
        self.record = WalkRecord(self._joints)
        self.time_s, self.falls, self.stops = 0.0, 0, 0
        self._status: DeviceStatus | None = None

    def _driver_file(self, driver: str) -> str:
        settings = {
            "cubemars_can": lambda: bus_settings(
                bus_rate_hz=BUS_RATE_HZ, state_rate_hz=BUS_RATE_HZ, imu=PATIENT_IMU, **MOTORS
            ),
            "ros2_control": lambda: {"imu": PATIENT_IMU, "answer_timeout_s": 60.0, "state_topic": STATE_TOPIC},
        }.get(driver)
        if settings is None:
            return ""
        file = self._folder / "driver.yaml"
        file.write_text(yaml.safe_dump({"driver": driver, **settings()}))
        return str(file)

    @staticmethod
    def torque_step_nm() -> float:
        """Distance between two torques that the example's motors know."""
        config = make_driver("cubemars_can", bus_settings()).config
        return max(motor.codec().reply_steps[2] for motor in config.motors.values())

    @property
    def policy_hashes(self) -> dict[str, str]:
        """Of everything that the policy's process is started with, and of the files it runs."""
        spec = dataclasses.replace(self._specs["policy_node"], namespace="")
        configuration = hashlib.sha256(repr(dataclasses.astuple(spec)).encode())
        for file in spec.parameter_files:
            configuration.update(Path(file).read_bytes())
        code = hashlib.sha256()
        root = Path(exo_policy.__file__).parent
        for file in sorted(path for path in root.rglob("*") if path.suffix in POLICY_FILES):
            if "training" in file.relative_to(root).parts:  # no part of the node
                continue
            code.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
        return {"policy_configuration_sha256": configuration.hexdigest(), "policy_code_sha256": code.hexdigest()}

    def __enter__(self) -> WalkingGraph:
        adopt(self._environment)
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        node = rclpy.create_node("trial", namespace=self.namespace)
        node.create_subscription(DeviceStatus, "exo/status", self._on_status, LATCHED)
        self._collector = Collector(
            rclpy.create_node("trial_collector", namespace=self.namespace),
            [
                (HumanState, "human/state", COLLECT_SENSOR, self._on_human),
                (MotorCommand, "sim/motor_command", COLLECT, self._on_motors),
                (TorqueCommand, "exo/command", COLLECT, self._on_command),
            ],
        )
        self._clients = {name: node.create_client(Trigger, f"exo/{name}") for name in ("arm", "disarm")}
        self._spinning = SpinningThread(node)
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self) -> None:
        for spec in self._specs.values():
            self._start_node(spec)
        if self._between:
            command = [
                sys.executable,
                "-m",
                "exo_device.emulator",
                self._between,
                "--mechanics",
                "simulator",
                "--namespace",
                self.namespace,
            ]
            if self._between == "cubemars":
                command += ["--config", str(self._folder / "driver.yaml")]
            else:
                command += ["--state-topic", STATE_TOPIC]
            self._children.start("emulator", command, self._environment)

    def _start_node(self, spec: NodeSpec) -> None:
        overrides = self._folder / f"{spec.name}.yaml"
        overrides.write_text(spec.parameter_yaml())
        words = spec.command_line(executable_path(spec.package, spec.executable), overrides)
        self._children.start(spec.name, words, self._environment)

    def __exit__(self, *_) -> None:
        self._children.stop()
        self._collector.close()
        self._spinning.close()
        rclpy.try_shutdown()

    # --- what happens

    def wait_ready(self) -> None:
        """Until a person walks and the device is there."""
        self._wait(lambda: self._status is not None and self.time_s > 0.0, "the graph", PATIENCE_S)

    def activate(self) -> None:
        """Arms until the device is active, clearing faults."""
        tried_s = 0.0

        def active() -> bool:
            nonlocal tried_s
            if self._status.mode == DeviceStatus.ACTIVE:
                return True
            if time.monotonic() - tried_s > ARM_PERIOD_S:
                tried_s = time.monotonic()
                for name in ("disarm", "arm") if self._status.mode == DeviceStatus.FAULT else ("arm",):
                    if self._clients[name].service_is_ready():
                        future = self._clients[name].call_async(Trigger.Request())
                        self._wait(future.done, f"an answer of exo/{name}", PATIENCE_S)
            return False

        self._wait(active, "an active device", PATIENCE_S)

    def walk_until(self, until_s: float) -> None:
        """Until this simulated time; a device that stops meanwhile is counted and armed again."""
        was_active = self._status.mode == DeviceStatus.ACTIVE
        seen_s, moved_s = self.time_s, time.monotonic()
        while self.time_s < until_s:
            time.sleep(LOOK_S)
            self._require_alive("the walk")
            if was_active and self._status.mode != DeviceStatus.ACTIVE:
                self.stops += 1
                self.activate()
            if self.time_s != seen_s:
                seen_s, moved_s = self.time_s, time.monotonic()
            elif time.monotonic() - moved_s > STALL_S:
                raise UserError(f"simulated time stands still at {seen_s:.2f} s; logs in {self._folder}")

    def _wait(self, condition: Callable[[], object], what: str, within_s: float) -> None:
        deadline = time.monotonic() + within_s
        while not condition():
            self._require_alive(what)
            if time.monotonic() > deadline:
                cause = f"; the device says: {self._status.cause}" if self._status else ""
                raise UserError(f"waited {within_s:g} s in vain for {what}{cause}; logs in {self._folder}")
            time.sleep(LOOK_S)

    def _require_alive(self, what: str) -> None:
        for child in self._children.dead():
            lines = "\n".join(child.last_lines(6))
            raise UserError(f"{child.name} ended while waiting for {what}:\n{lines}")

    # --- what is heard

    def _on_status(self, status: DeviceStatus) -> None:
        self._status = status

    def _on_human(self, state: HumanState) -> None:
        self.time_s, self.falls = seconds(state.header.stamp), state.falls
        self.record.add_power(self.time_s, state.metabolic_power_per_mass)

    def _on_motors(self, command: MotorCommand) -> None:
        torque = command.torque if command.enable else [0.0] * len(command.names)
        self.record.add_torque("motor", seconds(command.header.stamp), command.names, torque)

    def _on_command(self, command: TorqueCommand) -> None:
        self.record.add_torque("command", seconds(command.state_stamp), command.names, command.torque)


class Collector:
    """Takes in messages many at once, past the executor: a sixth of what callbacks cost those who are measured.

    Calls back in a thread of its own. The node is this object's; nobody spins it.

    wanted: kind, topic, quality of service, and who gets each message.
    """

    def __init__(self, node: Node, wanted: Sequence[tuple[Any, str, QoSProfile, Callable[[Any], None]]]) -> None:
        self._node = node
        self._wanted = [
            (node.create_subscription(kind, topic, take, qos), kind, take) for kind, topic, qos, take in wanted
        ]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="collector", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(FETCH_PERIOD_S):
            for subscription, kind, take in self._wanted:
                with subscription.handle:
                    while (taken := subscription.handle.take_message(kind, False)) is not None:
                        take(taken[0])

    def close(self) -> None:
        """Ends the thread and the node."""
        self._stop.set()
        self._thread.join(CLOSE_TIMEOUT_S)
        self._node.destroy_node()
