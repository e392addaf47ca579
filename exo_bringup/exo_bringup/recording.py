# SPDX-License-Identifier: Apache-2.0
"""A ROS 2 recording in MCAP from messages that are serialised already, and a thread that writes it."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

import yaml
from mcap.writer import CompressionType, Writer

from exo_core.errors import UserError

#: Messages are compressed this many bytes at a time, or those of FLUSH_PERIOD_S.
CHUNK_BYTES = 256 * 1024
#: What was written is in the file after this time (s), so that a kill loses no more than the last second, the
#: recorder's own period and a busy machine included.
FLUSH_PERIOD_S = 0.5
#: `profile` of a file that ROS 2 tools open (MCAP registry).
PROFILE = "ros2"
#: QoS of a channel, under the key that rosbag2 reads. A file without a `rosbag2` metadata record, as ours, is of
#: version 8 to it, which has rmw's numbers and infinite times as the largest ones (rosbag2_storage/src/.../qos.cpp).
QOS_KEY = "offered_qos_profiles"
KEEP_LAST, RELIABLE, TRANSIENT_LOCAL, VOLATILE, AUTOMATIC = 1, 1, 1, 2, 1
INFINITE = {"sec": 9223372036, "nsec": 854775807}
#: Messages that a player keeps for a subscriber that is slow; of a latched topic the last one.
QUEUE_DEPTH = 10


class Recording:
    """One MCAP file. Close it, or it has no index (its chunks can still be read one after the other).

    clock: steady time (s).
    """

    def __init__(self, path: Path, library: str = "exo_gait", clock: Callable[[], float] = time.monotonic) -> None:
        """Raises UserError if the file cannot be written."""
        self.path = path
        self._clock = clock
        try:
            self._file = path.open("wb")
        except OSError as error:
            raise UserError(f"recording {path} cannot be written: {error.strerror}") from error
        self._writer = Writer(self._file, chunk_size=CHUNK_BYTES, compression=CompressionType.ZSTD)
        self._writer.start(profile=PROFILE, library=library)
        self._good_bytes = 0
        self._flush_due_s = clock() + FLUSH_PERIOD_S
        self._schemas: dict[str, int] = {}
        self._channels: dict[str, int] = {}
        self._counts: dict[str, int] = {}

    def add_topic(self, topic: str, type_name: str, schema: str, latched: bool = False) -> None:
        """Announce a topic (absolute name) with the ros2msg schema of its type.

        latched: `ros2 bag play` is to keep the last message for late subscribers.
        """
        if type_name not in self._schemas:
            self._schemas[type_name] = self._writer.register_schema(type_name, "ros2msg", schema.encode())
        metadata = {QOS_KEY: offered_qos(latched)}
        self._channels[topic] = self._writer.register_channel(topic, "cdr", self._schemas[type_name], metadata)
        self._counts[topic] = 0

    def write(self, topic: str, data: bytes, received_ns: int, sent_ns: int) -> None:
        """Add one message: CDR bytes with encapsulation header, wall times of arrival and sending (ns).

        Raises OSError when the disk is full or gone; see abandon().
        """
        self._writer.add_message(self._channels[topic], received_ns, data, sent_ns, self._counts[topic])
        self._counts[topic] += 1
        self.flush_if_due()

    def flush_if_due(self) -> None:
        """Hand what was written to the system, FLUSH_PERIOD_S after the last time. Raises OSError."""
        now_s = self._clock()
        if now_s < self._flush_due_s:
            return
        self._flush_due_s = now_s + FLUSH_PERIOD_S
        self._writer.flush()
        self._good_bytes = self._tell()

    def _tell(self) -> int:
        """Bytes so far; 0 for what has no length, as a pipe."""
        try:
            return os.fstat(self._file.fileno()).st_size
        except OSError:
            return 0

    @property
    def counts(self) -> dict[str, int]:
        """Messages so far, by topic."""
        return dict(self._counts)

    def close(self) -> None:
        """Write the last chunk and the index. A second call does nothing. Raises OSError."""
        if not self._file.closed:
            self._writer.finish()
            self._file.close()

    def abandon(self) -> None:
        """After an OSError: cut off what was written in part, and leave what can be read."""
        with contextlib.suppress(OSError):
            self._file.close()  # fails once more, and is closed
        with contextlib.suppress(OSError):
            if self._good_bytes:
                os.truncate(self.path, self._good_bytes)


def offered_qos(latched: bool) -> str:
    """The publishers' quality of service as rosbag2 reads it, YAML: every topic of the graph is published reliably."""
    profile = {
        "history": KEEP_LAST,
        "depth": 1 if latched else QUEUE_DEPTH,
        "reliability": RELIABLE,
        "durability": TRANSIENT_LOCAL if latched else VOLATILE,
        "deadline": dict(INFINITE),
        "lifespan": dict(INFINITE),
        "liveliness": AUTOMATIC,
        "liveliness_lease_duration": dict(INFINITE),
        "avoid_ros_namespace_conventions": False,
    }
    return yaml.safe_dump([profile], sort_keys=False)


#: Messages that wait for a slow disk: about twenty seconds of the whole graph. More are lost, and counted.
LARGEST_BACKLOG = 20_000
#: The thread looks for something to flush at least this often (s).
IDLE_S = 0.1
#: What is left is written within this time (s) at the end, or lost.
CLOSE_TIMEOUT_S = 5.0


class BackgroundRecording:
    """Writes to a recording whose topics are all announced.

    complain: told once in one line when messages get lost, from the writing thread or the caller's.
    """

    def __init__(self, recording: Recording, complain: Callable[[str], None], backlog: int = LARGEST_BACKLOG) -> None:
        self._recording, self._complain = recording, complain
        self._queue: queue.Queue[tuple | None] = queue.Queue(backlog)
        #: Messages that were not written.
        self.lost = 0
        #: Why nothing more is written; empty while all is well.
        self.failure = ""
        self._is_late = False
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)
        self._thread.start()

    def write(self, topic: str, data: bytes, received_ns: int, sent_ns: int) -> None:
        """Hands over one message; never waits and never raises. See Recording.write."""
        if self.failure:
            self.lost += 1
            return
        try:
            self._queue.put_nowait((topic, data, received_ns, sent_ns))
        except queue.Full:
            self.lost += 1
            if not self._is_late:
                self._is_late = True
                self._complain(
                    f"{self._recording.path}: the disk is too slow, messages of the recording get lost; the graph "
                    "goes on"
                )

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> bool:
        """Ends the file. Returns whether it is complete: nothing lost, index written."""
        try:
            self._queue.put(None, timeout=timeout_s)
        except queue.Full:
            return False
        self._thread.join(timeout_s)
        return not (self._thread.is_alive() or self.failure or self.lost)

    def _run(self) -> None:
        try:
            while True:
                try:
                    item = self._queue.get(timeout=IDLE_S)
                except queue.Empty:
                    self._recording.flush_if_due()
                    continue
                if item is None:
                    self._recording.close()
                    return
                self._recording.write(*item)
        except OSError as error:
            self.failure = error.strerror or str(error)
            self._complain(
                f"{self._recording.path}: the recording ends here ({self.failure}); what was written can be read, "
                "and the graph goes on"
            )
            self._recording.abandon()
