# SPDX-License-Identifier: Apache-2.0
"""viewer_node: the page in the browser. Thin: see viewer/."""

from __future__ import annotations

import importlib.util
import signal
import sys
import threading
import time

import rclpy
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import ParameterException
from rclpy.executors import SingleThreadedExecutor, TimeoutException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import String

from exo_bringup.topics import VIEWER_ADDRESS
from exo_core.errors import UserError

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
#: Callbacks handled in a frame at most, so that the page goes on whatever arrives.
CALLBACKS_PER_FRAME = 24
#: A graph that has come back is looked for this often (s).
LOOK_PERIOD_S = 1.0
EXIT_OK, EXIT_BAD_CONFIGURATION = 0, 2

#: name: (default, description, (lowest, highest) or None)
PARAMETERS: dict[str, tuple] = {
    "subject": ("", "Subject YAML to begin with; then human/subject says who walks.", None),
    "device_config": ("", "Device YAML; empty: the one that the device node was started with.", None),
    "host": ("127.0.0.1", "Address to listen on; a token is asked for where other machines reach it.", None),
    "port": (8080, "TCP port of the page; 0: any that is free.", (0, 65535)),
    "frame_rate_hz": (30.0, "Pictures of the scene per second while somebody looks (Hz).", (0.5, 60.0)),
}


class ViewerNode(Node):
    """Raises UserError or another ValueError of one line for parameters that cannot work."""

    def __init__(self) -> None:
        super().__init__("viewer_node")
        values = {name: self._declared(name, *rest) for name, rest in PARAMETERS.items()}
        # not before it is clear that viser is there: both are slow to import
        from exo_bringup.viewer.application import Application, ViewerOptions

        options = ViewerOptions(*(values[name] for name in PARAMETERS))
        self._application = Application(self, options)
        address = self._application.page.address
        self.create_publisher(String, VIEWER_ADDRESS, LATCHED).publish(String(data=address))
        self.get_logger().info(f"open {address} in a browser")

    @property
    def address(self) -> str:
        """What to open in a browser."""
        return self._application.page.address

    def run(self, stop: threading.Event) -> None:
        """Draws until `stop`."""
        executor = SingleThreadedExecutor()
        executor.add_node(self)
        frame_due = look_due = time.monotonic()
        while not stop.is_set():
            _handle_what_is_here(executor)
            now = time.monotonic()
            if now >= look_due:
                look_due = now + LOOK_PERIOD_S
                self._application.look_for_graph()
            self._application.frame()
            frame_due = max(frame_due + 1.0 / self._application.rate_hz, time.monotonic())
            stop.wait(frame_due - time.monotonic())

    def close(self) -> None:
        """Lets the browsers go."""
        self._application.close()

    def _declared(self, name: str, default, text: str, limits):
        descriptor = ParameterDescriptor(description=text, read_only=True)
        if isinstance(default, float):
            descriptor.floating_point_range = [FloatingPointRange(from_value=limits[0], to_value=limits[1])]
        elif isinstance(default, int):
            descriptor.integer_range = [IntegerRange(from_value=limits[0], to_value=limits[1], step=1)]
        try:
            return self.declare_parameter(name, default, descriptor).value
        except ParameterException as error:
            raise UserError(f"parameter {name}: {text} ({' '.join(str(error).split())})") from error


def _handle_what_is_here(executor: SingleThreadedExecutor) -> None:
    """Without waiting. Queues hold one message, so that a picture costs one message a topic at most."""
    for _ in range(CALLBACKS_PER_FRAME):
        try:
            handler, _, _ = executor.wait_for_ready_callbacks(timeout_sec=0.0)
        except TimeoutException:
            return
        handler()
        if handler.exception() is not None:
            raise handler.exception()


def main(arguments: list[str] | None = None) -> int:
    """Runs until SIGINT or SIGTERM. Returns the exit code: 0, or 2 for a bad configuration."""
    if importlib.util.find_spec("viser") is None:
        print("viewer_node: the viewer needs viser: run `make setup`, or pip install viser", file=sys.stderr)
        return EXIT_BAD_CONFIGURATION
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
        node = ViewerNode()
    except (ValueError, RuntimeError) as error:  # RuntimeError: ROS arguments that rcl cannot parse
        print(f"viewer_node: {' '.join(str(error).split())}", file=sys.stderr)
        rclpy.try_shutdown()
        return EXIT_BAD_CONFIGURATION
    try:
        print(f"viewer: {node.address}", flush=True)
        node.run(stop)
    finally:
        node.close()
        node.destroy_node()
        rclpy.try_shutdown()
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
