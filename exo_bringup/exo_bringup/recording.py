# SPDX-License-Identifier: Apache-2.0
"""A ROS 2 recording in MCAP from messages that are serialised already."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from mcap.writer import CompressionType, Writer

from exo_core.errors import UserError

#: Messages are compressed this many bytes at a time, or those of FLUSH_PERIOD_S.
CHUNK_BYTES = 256 * 1024
#: What was written is in the file after this time (s), so that a kill loses no more than the last second, the
#: recorder's own period and a busy machine included.
FLUSH_PERIOD_S = 0.5
#: `profile` of a file that ROS 2 tools open (MCAP registry).
PROFILE = "ros2"


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

    def add_topic(self, topic: str, type_name: str, schema: str) -> None:
        """Announce a topic (absolute name) with the ros2msg schema of its type."""
        if type_name not in self._schemas:
            self._schemas[type_name] = self._writer.register_schema(type_name, "ros2msg", schema.encode())
        self._channels[topic] = self._writer.register_channel(topic, "cdr", self._schemas[type_name])
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
