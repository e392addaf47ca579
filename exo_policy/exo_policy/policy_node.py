# SPDX-License-Identifier: Apache-2.0
"""policy_node: answers each pair of exo/joint_states and exo/imu with exo/command. See policy_runtime."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Imu, JointState

from exo_core.errors import one_line
from exo_core.ros import LATCHED, LATEST, SENSOR, Declaration, declare_parameters, run_node, spin
from exo_msgs.msg import DeviceStatus, TorqueCommand
from exo_msgs.srv import LoadPolicy
from exo_policy.controllers import CONTROLLERS
from exo_policy.observation import DEFAULT_RATE_HZ
from exo_policy.policy_messages import Pairing, command_message, device_from_status, observation_from_messages
from exo_policy.policy_runtime import Choice, PolicyRuntime
from exo_policy.profiles import (
    ANKLE_GENERIC,
    DEFAULT_ANKLE_PEAK_NM_PER_KG,
    DEFAULT_HIP_PEAK_NM_PER_KG,
    PROFILES,
)

_LIVE = "A change while running swaps the controller within fade_s."
_SPLINE = "Controller spline: "
_PROFILES = tuple(profile for profile in PROFILES if profile.startswith("ankle"))


def _live(default: float | str, text: str, limits: tuple[float, float] | None = None) -> Declaration:
    return Declaration(default, f"{text} {_LIVE}", limits, live=True)


DECLARATIONS = {
    "controller": _live("zero", f"Controller: {', '.join(CONTROLLERS)}."),
    "checkpoint": _live(
        "",
        "Checkpoint for the controller learned: path of NAME.json; empty takes the one shipped for the device's "
        "joints.",
    ),
    "hip_peak_nm_per_kg": _live(DEFAULT_HIP_PEAK_NM_PER_KG, _SPLINE + "peak of both hip lobes (Nm/kg).", (0.0, 1.0)),
    "ankle_peak_nm_per_kg": _live(
        DEFAULT_ANKLE_PEAK_NM_PER_KG, _SPLINE + "peak plantarflexion torque (Nm/kg).", (0.0, 1.5)
    ),
    "ankle_profile": _live(ANKLE_GENERIC.name, f"{_SPLINE}ankle profile: {', '.join(_PROFILES)}."),
    "lead_s": _live(0.0, _SPLINE + "delay of sensors and motors to make up for (s).", (0.0, 0.1)),
    "strengths": _live(
        "",
        "Controller learned: the wearer's strengths as a fraction of the healthy, as plantarflexors_r: 0.5, "
        "hip_flexors_r: 0.8; what is left out is healthy. Only a policy that was trained to be told them looks at it.",
    ),
    "fade_s": _live(1.0, "Time over which a changed parameter passes over to the new controller (s).", (0.0, 30.0)),
    "rate_hz": Declaration(
        DEFAULT_RATE_HZ,
        "Rate of exo/joint_states and exo/imu, which a learned controller must be made for (Hz). Read at start.",
        (10.0, 1000.0),
    ),
    "wearer_mass_kg": Declaration(
        0.0, "Mass of the wearer (kg); 0 takes the one in exo/status. Read at start.", (0.0, 300.0)
    ),
}

CHOICE = ("controller", "checkpoint")
NOT_A_CONTROLLERS = (*CHOICE, "fade_s", "wearer_mass_kg")


def choice_of(parameters: Mapping[str, Any]) -> Choice:
    """The controller that the parameters describe."""
    tunable = {name: value for name, value in parameters.items() if name not in NOT_A_CONTROLLERS}
    return Choice(parameters["controller"], parameters["checkpoint"], tunable)


#: The same problem is logged again after this time (s).
LOG_PERIOD_S = 1.0
#: Computing times kept for the figures at exit: ten minutes at 100 Hz.
TIMES_KEPT = 60_000


class PolicyNode(Node):
    """Raises ParameterError, ControllerError or CheckpointError for parameters that cannot work."""

    def __init__(self) -> None:
        super().__init__("policy_node")
        self._values = declare_parameters(self, DECLARATIONS)
        self._runtime = PolicyRuntime(choice_of(self._values))
        self._joint_names: tuple[str, ...] = ()
        self._pairing = Pairing()
        self._sequence = 0
        self._seconds: deque[float] = deque(maxlen=TIMES_KEPT)
        self._logged: tuple[str, float] = ("", 0.0)
        self._command = self.create_publisher(TorqueCommand, "exo/command", LATEST)
        self.create_subscription(DeviceStatus, "exo/status", self._on_status, LATCHED)
        self.create_subscription(Imu, "exo/imu", self._on_imu, SENSOR)
        self.create_subscription(JointState, "exo/joint_states", self._on_joints, SENSOR)
        self.create_service(LoadPolicy, "policy/load", self._on_load)
        self.add_on_set_parameters_callback(self._on_parameters)
        self.get_logger().info(f"controller '{self._runtime.choice.controller}', waiting for exo/status")

    def _on_status(self, status: DeviceStatus) -> None:
        device = device_from_status(status, self._values["wearer_mass_kg"])
        is_new = device.joint_names != self._joint_names
        self._joint_names = device.joint_names
        try:
            self._runtime.set_device(device)
        except ValueError as error:
            self._complain(f"no torque: {error}")
        else:
            if is_new:
                joints = one_line(", ".join(device.joint_names))
                self.get_logger().info(
                    f"joints {joints}, wearer {device.wearer_mass:g} kg, controller '{self._runtime.choice.controller}'"
                )

    def _on_imu(self, message: Imu) -> None:
        self._answer(self._pairing.add_imu(message))

    def _on_joints(self, message: JointState) -> None:
        self._answer(self._pairing.add_joints(message))
        unpaired = self._pairing.pop_unpaired()
        if unpaired is not None:
            self._complain("no exo/imu with the stamp of exo/joint_states: commanding zero torque")
            names = tuple(unpaired.name)
            self._publish(unpaired.header.stamp, names, np.zeros(len(names)))

    def _answer(self, pair: tuple[JointState, Imu] | None) -> None:
        if pair is None:
            return
        start = time.perf_counter()
        joints, imu = pair
        names = self._joint_names or tuple(joints.name)
        try:
            command = self._runtime.answer(observation_from_messages(joints, imu, names))
            error = self._runtime.error
        except ValueError as problem:
            command, error = np.zeros(len(names)), str(problem)
        self._publish(joints.header.stamp, names, command)
        self._seconds.append(time.perf_counter() - start)
        if error:
            self._complain(f"commanding zero torque: {error}")

    def _publish(self, state_stamp: Time, names: tuple[str, ...], command: np.ndarray) -> None:
        now = self.get_clock().now().to_msg()
        self._command.publish(command_message(now, state_stamp, self._sequence, names, command))
        self._sequence += 1

    def _on_load(self, request: LoadPolicy.Request, reply: LoadPolicy.Response) -> LoadPolicy.Response:
        present = self._runtime.choice
        chosen = Choice(request.controller or present.controller, request.checkpoint, present.params)
        reply.success, reply.message = self._load(chosen, request.fade)
        return reply

    def _on_parameters(self, changed: list[Parameter]) -> SetParametersResult:
        new = {p.name: p.value for p in changed if p.name in DECLARATIONS}
        if not new.keys() - {"fade_s"}:
            self._values.update(new)
            return SetParametersResult(successful=True)
        # what policy/load chose stays unless the change is about it
        chosen = self._runtime.choice
        values = {**self._values, "controller": chosen.controller, "checkpoint": chosen.checkpoint, **new}
        if values["controller"] != chosen.controller and "checkpoint" not in new:
            values["checkpoint"] = ""
        success, message = self._load(choice_of(values), values["fade_s"])
        if success:
            self._values = values
        return SetParametersResult(successful=success, reason=message)

    def _load(self, choice: Choice, fade_s: float) -> tuple[bool, str]:
        """Swap; on failure the present controller goes on."""
        try:
            self._runtime.load(choice, fade_s)
        except ValueError as error:
            self.get_logger().error(f"not loaded: {one_line(error)}")
            return False, f"{one_line(error, 400)} (controller '{self._runtime.choice.controller}' goes on)"
        text = f"controller '{choice.controller}'" + (f" from {choice.checkpoint}" if choice.checkpoint else "")
        self.get_logger().info(f"{one_line(text)}, fading over {fade_s:g} s")
        return True, one_line(text)

    def _complain(self, text: str) -> None:
        text = one_line(text)
        last, since = self._logged
        now = time.monotonic()
        if text != last or now - since >= LOG_PERIOD_S:
            self._logged = (text, now)
            self.get_logger().error(text)

    def log_figures(self) -> None:
        """Tells how long answers took to compute, from both messages being here to the command being sent."""
        if self._seconds:
            median, p99 = 1e3 * np.percentile(self._seconds, (50, 99))
            self.get_logger().info(
                f"answered {self._sequence} states; computing: {median:.2f} ms (median), {p99:.2f} ms (p99)"
            )


def _run(node: PolicyNode, stop: threading.Event) -> None:
    try:
        spin(node, stop)
    finally:
        node.log_figures()


def main(args: list[str] | None = None) -> int:
    """Runs until SIGINT or SIGTERM. Returns the exit code: 0, or 2 for parameters that cannot be used."""
    return run_node("policy_node", PolicyNode, _run, args, DECLARATIONS)


if __name__ == "__main__":
    sys.exit(main())
