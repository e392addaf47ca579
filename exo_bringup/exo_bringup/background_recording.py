# SPDX-License-Identifier: Apache-2.0
"""A recording that makes nobody wait: a thread of its own writes, and a full or slow disk costs messages only."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from exo_bringup.recording import Recording

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
