# SPDX-License-Identifier: Apache-2.0
"""Records the graph's topics to an MCAP file until it is told to stop."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rcl_interfaces.msg import ParameterDescriptor

from exo_bringup.errors import BringupError
from exo_bringup.message_schema import assemble_schema, message_class
from exo_bringup.recording import Recording
from exo_bringup.topics import TOPICS, Topic

#: Deep enough that a pause of a second at 100 Hz loses nothing.
QUEUE_DEPTH = 200


class RecorderNode(Node):
    """Subscribes to every topic of the graph in its namespace and writes what comes, undecoded."""

    def __init__(self):
        super().__init__("recorder_node")
        self.declare_parameter(
            "output",
            "",
            ParameterDescriptor(description="MCAP file to write; its folder must exist", read_only=True),
        )
        output = self.get_parameter("output").value
        if not output:
            raise BringupError("recorder_node needs the parameter output: the MCAP file to write")
        self.recording = Recording(Path(output))
        for topic in TOPICS:
            self._subscribe(topic)

    def _subscribe(self, topic: Topic) -> None:
        name = self.resolve_topic_name(topic.name)
        self.recording.add_topic(name, topic.type_name, assemble_schema(topic.type_name))
        qos = QoSProfile(
            depth=QUEUE_DEPTH,
            history=HistoryPolicy.KEEP_LAST,
            reliability=ReliabilityPolicy.RELIABLE if topic.reliable else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if topic.latched else DurabilityPolicy.VOLATILE,
        )

        def keep(data: bytes, info: dict) -> None:
            received = info["received_timestamp"] or time.time_ns()
            self.recording.write(name, data, received, info["source_timestamp"] or received)

        self.create_subscription(message_class(topic.type_name), topic.name, keep, qos, raw=True)


def main(arguments: list[str] | None = None) -> int:
    """Entry point. Returns the exit code: 0 after SIGINT or SIGTERM."""
    rclpy.init(args=arguments)
    # a second signal while the index is written would leave the file without one
    node = None
    try:
        node = RecorderNode()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except BringupError as error:
        print(f"recorder_node: {error}", file=sys.stderr)
        return 1
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if node is not None:
            node.recording.close()
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
