# SPDX-License-Identifier: Apache-2.0
"""The small ROS nodes beside device_node: of drivers and of emulators."""

from __future__ import annotations

import threading

from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter

#: A node's thread ends within this time (s) of being told to.
CLOSE_TIMEOUT_S = 1.0


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
        self.node.destroy_node()
        self.node = None
