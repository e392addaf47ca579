# SPDX-License-Identifier: Apache-2.0
"""A ROS 2 recording in MCAP from messages that are serialised already."""

from __future__ import annotations

from pathlib import Path

from mcap.writer import CompressionType, Writer

from exo_bringup.errors import BringupError

#: A chunk is what a kill can lose: a second of the graph at most. Larger ones compress little better.
CHUNK_BYTES = 256 * 1024
#: `profile` of a file that ROS 2 tools open (MCAP registry).
PROFILE = "ros2"


class Recording:
    """One MCAP file. Close it, or it has no index (its chunks can still be read one after the other)."""

    def __init__(self, path: Path, library: str = "exo_gait"):
        """Raises BringupError if the file cannot be written."""
        try:
            self._file = path.open("wb")
        except OSError as error:
            raise BringupError(f"recording {path} cannot be written: {error.strerror}") from error
        self._writer = Writer(self._file, chunk_size=CHUNK_BYTES, compression=CompressionType.ZSTD)
        self._writer.start(profile=PROFILE, library=library)
        self._flushed_to = 0
        self._schemas: dict[str, int] = {}
        self._channels: dict[str, int] = {}
        self._counts: dict[str, int] = {}

    def add_topic(self, topic: str, type_name: str, schema: str) -> None:
        """Announce a topic (absolute name) with the ros2msg schema of its type."""
        if type_name not in self._schemas:
            self._schemas[type_name] = self._writer.register_schema(type_name, "ros2msg", schema.encode())
        self._channels[topic] = self._writer.register_channel(topic, "cdr", self._schemas[type_name])
        self._counts[topic] = 0

    def write(self, topic: str, data: bytes, received_ns: int, sent_ns: int) -> None:
        """Add one message: CDR bytes with encapsulation header, wall times of arrival and sending (ns)."""
        self._writer.add_message(self._channels[topic], received_ns, data, sent_ns, self._counts[topic])
        self._counts[topic] += 1
        if (
            self._file.tell() > self._flushed_to
        ):  # a chunk was put out: in the file even if this process is killed
            self._file.flush()
            self._flushed_to = self._file.tell()

    @property
    def counts(self) -> dict[str, int]:
        """Messages so far, by topic."""
        return dict(self._counts)

    def close(self) -> None:
        """Write the last chunk and the index. A second call does nothing."""
        if not self._file.closed:
            self._writer.finish()
            self._file.close()
