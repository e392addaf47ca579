# SPDX-License-Identifier: Apache-2.0
"""Records the graph's topics to an MCAP file until it is told to stop."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from exo_bringup.recording import BackgroundRecording, Recording
from exo_bringup.topics import TOPICS, Topic
from exo_core.message_schema import assemble_schema, message_class
from exo_core.ros import Declaration, ParameterError, declare_parameters, run_node

#: Deep enough that a second at 200 Hz loses nothing.
QUEUE_DEPTH = 200
#: Messages are fetched this often (s). Fetching many at once, past the executor, costs a sixth of a callback
#: each: a recorder must not slow down what it records.
FETCH_PERIOD_S = 0.05
DECLARATIONS = {"output": Declaration("", "MCAP file to write; its folder must exist.")}


class RecorderNode(Node):
    """Subscribes to every topic of the graph in its namespace and writes what comes, undecoded."""

    def __init__(self):
        super().__init__("recorder_node")
        output = declare_parameters(self, DECLARATIONS)["output"]
        if not output:
            raise ParameterError("parameter output is not set: give the MCAP file to write")
        recording = Recording(Path(output))
        self._recorded = [self._subscribe(topic, recording) for topic in TOPICS]
        # a process of its own and a thread of its own: a full or slow disk is never the graph's trouble
        self.recording = BackgroundRecording(recording, self._complain)

    def _complain(self, text: str) -> None:
        self.get_logger().error(text)

    def _subscribe(self, topic: Topic, recording: Recording):
        name = self.resolve_topic_name(topic.name)
        recording.add_topic(name, topic.type_name, assemble_schema(topic.type_name), topic.latched)
        qos = QoSProfile(
            depth=QUEUE_DEPTH,
            history=HistoryPolicy.KEEP_LAST,
            reliability=ReliabilityPolicy.RELIABLE if topic.reliable else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if topic.latched else DurabilityPolicy.VOLATILE,
        )
        kind = message_class(topic.type_name)
        return name, kind, self.create_subscription(kind, topic.name, lambda _: None, qos, raw=True)

    def fetch(self) -> None:
        """Write everything that has arrived."""
        for name, kind, subscription in self._recorded:
            with subscription.handle:
                while (taken := subscription.handle.take_message(kind, True)) is not None:
                    data, info = taken
                    received = info["received_timestamp"] or time.time_ns()
                    self.recording.write(name, data, received, info["source_timestamp"] or received)


def _run(node: RecorderNode, stop: threading.Event) -> None:
    try:
        while not stop.wait(FETCH_PERIOD_S):
            node.fetch()
        node.fetch()
    finally:
        node.recording.close()


def main(arguments: list[str] | None = None) -> int:
    """Entry point. Returns the exit code after SIGINT or SIGTERM: 0, also when the disk was full or too slow
    (the log says so); 2 for a file that cannot be written at all."""
    return run_node("recorder_node", RecorderNode, _run, arguments, DECLARATIONS)


if __name__ == "__main__":
    sys.exit(main())
