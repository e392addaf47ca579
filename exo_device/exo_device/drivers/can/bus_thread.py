# SPDX-License-Identifier: Apache-2.0
"""The one thread that runs the motor bus, apart from ROS and from the control loop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from exo_device.drivers.can.master import CanMaster
from exo_device.statistics import Latencies

#: The thread ends within a cycle; one that takes longer than this (s) hangs in the adapter's driver.
END_TIMEOUT_S = 0.5
#: Python hands the interpreter from thread to thread this often (s; its default is 5 ms): a frame or a command
#: that arrives while another thread computes must not wait for half a control period.
THREAD_SWITCH_S = 0.0005
NANOSECONDS = 1_000_000_000


class BusThread:
    """Runs a master's cycles at a fixed rate until stop(); every motor is off at the end, however it comes.

    on_cycle is called after each cycle with whether the motors are on; it returns what is wrong, or "".
    """

    def __init__(self, master: CanMaster, rate_hz: float, on_cycle: Callable[[bool], str]) -> None:
        self._master, self._period_s, self._on_cycle = master, 1.0 / rate_hz, on_cycle
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="motor_bus", daemon=True)
        #: From the start of one cycle to the start of the next.
        self.periods = Latencies()
        #: Longest of them so far (s).
        self.longest_period_s = 0.0
        self.cycles = 0
        #: Why the thread ended by itself; empty while it runs.
        self.crash = ""
        #: Set by on_cycle.
        self.problem = ""

    def start(self) -> None:
        """Starts the cycles."""
        self._thread.start()

    def stop(self) -> bool:
        """Ends the thread. Returns whether it has ended and thereby said its last words to the motors."""
        self._stop.set()
        self._thread.join(END_TIMEOUT_S)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._cycle_on()
        except Exception as error:  # whatever it is: the motors must not keep their last torque
            self.crash = f"the motor bus's thread ended: {type(error).__name__}: {error}"
        finally:
            self._master.farewell()

    def _cycle_on(self) -> None:
        start = due = time.monotonic()
        while not self._stop.is_set():
            due = max(due + self._period_s, start)  # time that was lost is not made up for in a burst
            self._master.cycle(due)
            self._stop.wait(max(due - time.monotonic(), 0.0))  # a lost bus makes nobody wait
            self.problem = self._on_cycle(self._master.is_on)
            began, start = start, time.monotonic()
            self.cycles += 1
            self.periods.add(round((start - began) * NANOSECONDS))
            self.longest_period_s = max(self.longest_period_s, start - began)
