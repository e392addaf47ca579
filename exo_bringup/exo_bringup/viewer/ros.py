# SPDX-License-Identifier: Apache-2.0
"""The page's subscriptions, and its service clients: requests go out from whatever thread asks, and wait for nothing."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from geometry_msgs.msg import PoseStamped
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.node import Node
from sensor_msgs.msg import Imu, JointState
from std_srvs.srv import SetBool, Trigger

from exo_bringup.monitor_node import parameter_request, seconds
from exo_bringup.run_options import FADE_S
from exo_bringup.viewer.state import Foot, Snapshot
from exo_core.ros import LATCHED, LATEST_BEST_EFFORT
from exo_msgs.msg import DeviceStatus, HumanState, Stride, Subject
from exo_msgs.srv import LoadPolicy, Reset, SetSpeed, SetSubject
from exo_policy.profiles import DEFAULT_ANKLE_PEAK_NM_PER_KG, DEFAULT_HIP_PEAK_NM_PER_KG
from exo_sim.body.subject import Subject as Person
from exo_sim.body.subject import make_subject
from exo_sim.errors import SimError

STRIDE_DEPTH = 10


class Listener:
    """Listens with queues of one message: a page that draws thirty times a second takes no more than that.

    Args:
        node: to subscribe on.
        on_stride: called with stamp (s), gross metabolic power (W/kg) and peak torques (Nm/kg) of a stride.
        on_person: called with who walks, when the simulator says so.
    """

    def __init__(
        self,
        node: Node,
        on_stride: Callable[[float, float, list[float]], None],
        on_person: Callable[[Person], None],
    ):
        self.snapshot = Snapshot()
        #: Stamp of the newest exo/joint_states (s).
        self.device_time_s = np.nan
        self._on_stride, self._on_person, self._log = on_stride, on_person, node.get_logger()
        node.create_subscription(JointState, "joint_states", self._on_joints, LATEST_BEST_EFFORT)
        node.create_subscription(PoseStamped, "sim/root_pose", self._on_root, LATEST_BEST_EFFORT)
        node.create_subscription(HumanState, "human/state", self._on_human, LATEST_BEST_EFFORT)
        node.create_subscription(Stride, "human/stride", self._on_stride_message, STRIDE_DEPTH)
        node.create_subscription(Subject, "human/subject", self._on_subject, LATCHED)
        node.create_subscription(JointState, "exo/joint_states", self._on_device, LATEST_BEST_EFFORT)
        node.create_subscription(Imu, "exo/imu", self._on_imu, LATEST_BEST_EFFORT)
        node.create_subscription(DeviceStatus, "exo/status", self._on_status, LATCHED)

    def _on_joints(self, message: JointState) -> None:
        self.snapshot.joints = dict(zip(message.name, message.position, strict=False))

    def _on_root(self, message: PoseStamped) -> None:
        place, turn = message.pose.position, message.pose.orientation
        self.snapshot.root_position = np.array([place.x, place.y, place.z])
        self.snapshot.root_xyzw = np.array([turn.x, turn.y, turn.z, turn.w])

    def _on_human(self, message: HumanState) -> None:
        now = self.snapshot
        now.heard_simulator_s = time.monotonic()
        now.time_s = seconds(message.header.stamp)
        now.speed_mps, now.commanded_speed_mps = message.speed, message.commanded_speed
        now.metabolic_w_per_kg = message.metabolic_power_per_mass
        now.phase = {"r": message.gait_phase_r, "l": message.gait_phase_l}
        for side, force, centre in (("r", message.grf_r, message.cop_r), ("l", message.grf_l, message.cop_l)):
            now.feet[side] = Foot(np.array([force.x, force.y, force.z]), np.array([centre.x, centre.y, centre.z]))
        now.muscle_names = tuple(message.muscle_names)
        now.activation = np.array(message.activation)
        now.muscle_force = np.array(message.muscle_force)
        now.fallen, now.falls = message.fallen, message.falls
        now.real_time_factor, now.paused = message.real_time_factor, message.paused

    def _on_stride_message(self, message: Stride) -> None:
        self._on_stride(seconds(message.header.stamp), message.metabolic_power_per_mass, list(message.exo_torque_peak))

    def _on_subject(self, message: Subject) -> None:
        strengths = dict(zip(message.strength_groups, message.strengths, strict=False))
        fields = {"height_m": message.height, "mass_kg": message.mass, "strengths": strengths}
        try:
            self._on_person(make_subject(fields, "human/subject"))
        except SimError as error:
            self._log.warning(str(error))

    def _on_device(self, message: JointState) -> None:
        self.device_time_s = seconds(message.header.stamp)
        self.snapshot.device_joints = dict(zip(message.name, message.position, strict=False))
        self.snapshot.device_torque = dict(zip(message.name, message.effort, strict=False))
        self.snapshot.heard_device_s = time.monotonic()

    def _on_imu(self, message: Imu) -> None:
        turn = message.orientation
        self.snapshot.imu_xyzw = np.array([turn.x, turn.y, turn.z, turn.w])

    def _on_status(self, message: DeviceStatus) -> None:
        now = self.snapshot
        now.heard_device_s = time.monotonic()  # a device that waits sends no joint states
        now.mode, now.cause, now.device_names = message.mode, message.cause, tuple(message.names)
        now.assistance_gain, now.wearer_mass_kg = message.assistance_gain, message.wearer_mass
        now.command_age_s = message.command_age


#: Called with what was asked, whether it was done, and what the service said.
Report = Callable[[str, bool, str], None]


class Services:
    """What the page's buttons do.

    Args:
        node: to make the clients on.
        report: called with the answers, from the thread that spins the node or the one that asked.
    """

    def __init__(self, node: Node, report: Report):
        self._report = report
        self._stop = node.create_client(Trigger, "exo/stop")
        self._arm = node.create_client(Trigger, "exo/arm")
        self._disarm = node.create_client(Trigger, "exo/disarm")
        self._load = node.create_client(LoadPolicy, "policy/load")
        self._policy_parameters = node.create_client(SetParameters, "policy_node/set_parameters")
        self._pause = node.create_client(SetBool, "sim/pause")
        self._reset = node.create_client(Reset, "sim/reset")
        self._speed = node.create_client(SetSpeed, "sim/set_speed")
        self._subject = node.create_client(SetSubject, "sim/set_subject")
        self._simulator_parameters = node.create_client(SetParameters, "simulator_node/set_parameters")
        self._ask_device = node.create_client(GetParameters, "device_node/get_parameters")

    def stop(self) -> None:
        """Stop the device; it latches."""
        # sent whether or not the service has been seen: nothing may stand between this button and the device
        self._call("stop", self._stop, Trigger.Request(), even_unseen=True)

    def arm(self) -> None:
        """Motors on; torque fades in."""
        self._call("arm", self._arm, Trigger.Request())

    def disarm(self) -> None:
        """Motors off; clears a latched fault."""
        self._call("disarm", self._disarm, Trigger.Request())

    def load(self, controller: str) -> None:
        """Pass over to another controller."""
        self._call("controller", self._load, LoadPolicy.Request(controller=controller, fade=FADE_S))

    def set_strength(self, share: float) -> None:
        """Peaks of the spline controller as a share of their defaults."""
        request = parameter_request(
            hip_peak_nm_per_kg=share * DEFAULT_HIP_PEAK_NM_PER_KG,
            ankle_peak_nm_per_kg=share * DEFAULT_ANKLE_PEAK_NM_PER_KG,
        )
        self._call("strength", self._policy_parameters, request)

    def pause(self, paused: bool) -> None:
        """Let simulated time stand still, or go on."""
        self._call("pause" if paused else "run", self._pause, SetBool.Request(data=paused))

    def reset(self) -> None:
        """Start walking anew."""
        self._call("reset", self._reset, Reset.Request())

    def set_speed(self, speed_mps: float) -> None:
        """Walk at another speed (m/s)."""
        self._call("speed", self._speed, SetSpeed.Request(speed=speed_mps))

    def set_pace(self, pace: float) -> None:
        """Simulated seconds per second."""
        self._call("pace", self._simulator_parameters, parameter_request(pace=pace))

    def set_subject(self, height_m: float, mass_kg: float, impairments: str) -> None:
        """Another wearer: height (m), mass (kg), impairments as YAML text."""
        request = SetSubject.Request(height=height_m, mass=mass_kg, impairments=impairments)
        self._call("person", self._subject, request)

    @property
    def device_is_there(self) -> bool:
        """Whether a device node can be asked for its description."""
        return self._ask_device.service_is_ready()

    def ask_device_file(self, answer: Callable[[str], None]) -> None:
        """Ask the device node for the path of its description; `answer` is called if it has one."""

        def tell(future) -> None:
            values = future.result().values if future.exception() is None else []
            if len(values) == 1 and values[0].string_value:
                answer(values[0].string_value)

        self._ask_device.call_async(GetParameters.Request(names=["device_config"])).add_done_callback(tell)

    def _call(self, what: str, client, request, even_unseen: bool = False) -> None:
        if not client.service_is_ready():
            self._report(what, False, f"nobody offers {client.srv_name} now")
            if not even_unseen:
                return
        client.call_async(request).add_done_callback(lambda future: self._answered(what, future))

    def _answered(self, what: str, future) -> None:
        if future.exception() is not None:
            self._report(what, False, str(future.exception()))
            return
        response = future.result()
        results = getattr(response, "results", None)
        if results is not None:
            refused = [result.reason for result in results if not result.successful]
            done, text = not refused, "; ".join(refused)
        else:
            done, text = response.success, response.message
        self._report(what, done, text)
