# SPDX-License-Identifier: Apache-2.0
"""What a forward_command_controller says of itself."""

from __future__ import annotations

from collections.abc import Callable

from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import GetParameters
from rclpy.node import Node

from exo_device.drivers.base import DriverError

EFFORT = "effort"


def ask_for_joints(node: Node, controller: str, wait: Callable[[Callable[[], bool]], bool]) -> tuple[str, ...]:
    """The controller's joints in the order of its commands.

    wait: spins the node until a condition holds; returns whether it does. Raises DriverError when the
    controller does not answer, or commands anything but effort: a torque sent as a position is dangerous.
    """
    client = node.create_client(GetParameters, f"{controller}/get_parameters")
    try:
        if not wait(client.service_is_ready):
            raise DriverError(
                f"controller '{controller}' does not answer: load and activate it, or give its joints as command_order"
            )
        future = client.call_async(GetParameters.Request(names=["joints", "interface_name"]))
        if not wait(future.done):
            raise DriverError(f"controller '{controller}' does not name its joints; give command_order")
    finally:
        node.destroy_client(client)
    joints, interface = future.result().values
    if joints.type != ParameterType.PARAMETER_STRING_ARRAY or not joints.string_array_value:
        raise DriverError(f"controller '{controller}' has no parameter `joints`; give command_order")
    if interface.string_value != EFFORT:
        raise DriverError(
            f"controller '{controller}' commands '{interface.string_value}', not effort; "
            "choose a forward_command_controller with interface_name: effort"
        )
    return tuple(joints.string_array_value)
