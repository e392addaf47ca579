# SPDX-License-Identifier: Apache-2.0
"""viewer_node: the page in the browser. Thin: see viewer/."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import threading
import time
from pathlib import Path

from rclpy.executors import SingleThreadedExecutor, TimeoutException
from rclpy.node import Node
from std_msgs.msg import String

from exo_bringup.topics import VIEWER_ADDRESS
from exo_core.errors import ExitCode
from exo_core.files import whole_file
from exo_core.ros import LATCHED, Declaration, declare_parameters, run_node

#: Callbacks handled in a frame at most, so that the page goes on whatever arrives.
CALLBACKS_PER_FRAME = 24
#: A graph that has come back is looked for this often (s).
LOOK_PERIOD_S = 1.0
DECLARATIONS = {
    "subject": Declaration("", "Subject YAML to begin with; then human/subject says who walks."),
    "device_config": Declaration("", "Device YAML; empty: the one that the device node was started with."),
    "host": Declaration("127.0.0.1", "Address to listen on; 0.0.0.0 for other machines."),
    "port": Declaration(8080, "TCP port of the page; 0: any that is free.", (0, 65535)),
    "frame_rate_hz": Declaration(30.0, "Pictures of the scene per second while somebody looks (Hz).", (0.5, 60.0)),
}


class ViewerNode(Node):
    """Raises a ValueError of one line for parameters that cannot work."""

    def __init__(self) -> None:
        super().__init__("viewer_node")
        values = declare_parameters(self, DECLARATIONS)
        # not before it is clear that viser is there: both are slow to import
        from exo_bringup.viewer.application import Application, ViewerOptions

        options = ViewerOptions(*values.values())
        self._application = Application(self, options)
        self._told = self._tell()

    def _tell(self) -> Path:
        """Everybody where the page is, and only who started it with which token. Returns the file that holds it.

        Topics and logs (to which a standard output that is no terminal leads) are read by others.
        """
        from exo_bringup.viewer.access import link_file

        page = self._application.page
        path = link_file(page.port)
        with whole_file(path, mode=0o600) as file:
            file.write(page.link + "\n")
        self.create_publisher(String, VIEWER_ADDRESS, LATCHED).publish(String(data=page.address))
        self.get_logger().info(f"{page.address} is there; the address with its token stands in {path}")
        print(f"viewer: {page.link if sys.stdout.isatty() else page.address}", flush=True)
        return path

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
        with contextlib.suppress(OSError):
            self._told.unlink()
        self._application.close()


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


def _run(node: ViewerNode, stop: threading.Event) -> None:
    try:
        node.run(stop)
    finally:
        node.close()


def main(arguments: list[str] | None = None) -> int:
    """Runs until SIGINT or SIGTERM. Returns the exit code: 0, or 2 for a bad configuration."""
    if importlib.util.find_spec("viser") is None:
        print("viewer_node: the viewer needs viser: run `make setup`, or pip install viser", file=sys.stderr)
        return ExitCode.BAD_INPUT
    return run_node("viewer_node", ViewerNode, _run, arguments, DECLARATIONS)


if __name__ == "__main__":
    sys.exit(main())
