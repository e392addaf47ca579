# SPDX-License-Identifier: Apache-2.0
"""Serves an emulated bus on a real one, in real time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from exo_device.drivers.can.port import CanPort, PortError
from exo_device.emulator.bus import EmulatedBus

#: Mechanics and watchdogs of the motors move on at least this often (s).
LONGEST_WAIT_S = 0.005


def _nothing() -> None:
    pass


def serve(bus: EmulatedBus, port: CanPort, stop: threading.Event, after_frame: Callable[[], None] = _nothing) -> None:
    """Answers frames until stop is set. A bus that is lost for a moment is waited for.

    after_frame: called when a frame has been obeyed and answered.
    """
    advanced_s = time.monotonic()
    while not stop.is_set():
        now_s = time.monotonic()
        due_s = bus.next_due_s()
        wait_s = LONGEST_WAIT_S if due_s is None else min(max(due_s - now_s, 0.0), LONGEST_WAIT_S)
        try:
            frame = port.receive(wait_s)
            now_s = time.monotonic()
            if frame is not None:
                bus.on_frame(frame, now_s)
            if frame is None or now_s - advanced_s > LONGEST_WAIT_S:  # also those that nobody speaks to
                bus.advance(now_s)
                advanced_s = now_s
            while (reply := bus.pop_one(now_s)) is not None:
                port.send(reply)
            if frame is not None:
                after_frame()
        except PortError:
            stop.wait(LONGEST_WAIT_S)
