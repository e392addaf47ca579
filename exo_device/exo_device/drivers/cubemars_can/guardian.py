# SPDX-License-Identifier: Apache-2.0
"""Starts a second process that switches the motors off when this one dies or hangs, and keeps it quiet.

At least one AK firmware holds its last torque when the host falls silent, and a process that is killed with
SIGKILL says nothing more. The guardian has its own end of the bus and a pipe from the bus thread: one byte a
cycle, ON while the motors are on. The pipe's end, or silence with the motors on, makes it say zero torque and
off to every motor.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys

from exo_device.drivers.base import DriverError
from exo_device.drivers.cubemars_can.config import CubemarsConfig

ON, OFF, READY = b"1", b"0", b"ready\n"
#: A Python process on a busy small computer takes this long to start at most (s).
START_TIMEOUT_S = 20.0


class Guardian:
    """The bus thread's end of the pipe."""

    def __init__(self, config: CubemarsConfig) -> None:
        """Starts the process and waits until it has opened the bus. Raises DriverError when it has not."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.guardian_process", config.model_dump_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,
        )  # out of reach of Ctrl-C, and as urgent as this one
        readable, _, _ = select.select([self._process.stdout], [], [], START_TIMEOUT_S)
        if not readable or self._process.stdout.readline() != READY:
            self.close()
            raise DriverError("the motor bus's guardian process did not start; guardian: false does without")
        os.set_blocking(self._process.stdin.fileno(), False)

    @property
    def pid(self) -> int:
        """Of the guardian's process."""
        return self._process.pid

    def beat(self, is_on: bool) -> str:
        """Tells it that the bus thread lives. Returns what is wrong with the guardian, or ""."""
        try:
            os.write(self._process.stdin.fileno(), ON if is_on else OFF)
        except BlockingIOError:
            return "the guardian process of the motor bus hangs"
        except OSError:
            return "the guardian process of the motor bus has ended"
        return ""

    def close(self) -> None:
        """Ends the pipe: the guardian switches the motors off once more and ends."""
        try:
            self._process.stdin.close()
        except OSError:
            pass
        try:
            self._process.wait(START_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
