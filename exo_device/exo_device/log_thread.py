# SPDX-License-Identifier: Apache-2.0
"""Log lines of the control loop, written by a thread of its own: a full or slow disk must not hold it up."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from exo_device.safety import Event

#: Lines that wait for a slow log; more are lost, and counted in the next line that gets through.
LARGEST_BACKLOG = 1000
#: What waits at the end is written within this time (s), or lost.
CLOSE_TIMEOUT_S = 1.0


class LogThread:
    """write: takes one event, may wait, may raise OSError."""

    def __init__(self, write: Callable[[Event], None], backlog: int = LARGEST_BACKLOG) -> None:
        self._write = write
        self._queue: queue.Queue[Event | None] = queue.Queue(backlog)
        #: Lines that nobody will read.
        self.lost = 0
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def log(self, event: Event) -> None:
        """Hands over one line; never waits and never raises."""
        try:
            self._queue.put_nowait(event)
        except queue.Full:
            self.lost += 1

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> bool:
        """Ends the thread. Returns whether everything was written."""
        try:
            self._queue.put_nowait(None)
        except queue.Full:
            return False
        self._thread.join(timeout_s)
        return not self._thread.is_alive() and not self.lost

    def _run(self) -> None:
        while (event := self._queue.get()) is not None:
            try:
                self._write(event)
            except OSError:  # a full disk: the next line may fit again
                self.lost += 1
