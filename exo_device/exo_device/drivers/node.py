# SPDX-License-Identifier: Apache-2.0
"""The small ROS node that a driver holds beside device_node."""

from __future__ import annotations

from rclpy.node import Node
from rclpy.parameter import Parameter


def driver_node(name: str, namespace: str = "") -> Node:
    """A node in the process's ROS context; namespace empty: as the process's ROS arguments say."""
    # The process may have been started with __node:=..., which must not rename this node too.
    return Node(name, namespace=namespace or None, cli_args=["--ros-args", "-r", f"__node:={name}"],
                start_parameter_services=False, enable_rosout=False,
                parameter_overrides=[Parameter("start_type_description_service", value=False)])
