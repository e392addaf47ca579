# SPDX-License-Identifier: Apache-2.0
"""The viewer's service clients. Requests go out from whatever thread asks, without waiting for anything."""

from __future__ import annotations

from collections.abc import Callable

from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.node import Node
from std_srvs.srv import SetBool, Trigger

from exo_bringup.monitor_node import parameter_request
from exo_bringup.run_options import FADE_S
from exo_msgs.srv import LoadPolicy, Reset, SetSpeed, SetSubject
from exo_policy.profiles import DEFAULT_ANKLE_PEAK_NM_PER_KG, DEFAULT_HIP_PEAK_NM_PER_KG

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
