# SPDX-License-Identifier: Apache-2.0
"""A second process that switches the motors off when the first one dies or hangs.

At least one AK firmware holds its last torque when the host falls silent, and a process that is killed with
SIGKILL says nothing more. The guardian has its own end of the bus and a pipe from the bus thread: one byte a
cycle, ON while the motors are on. The pipe's end, or silence with the motors on, makes it say zero torque and
off to every motor.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time

from exo_device.drivers.base import DriverError
from exo_device.drivers.cubemars_can.channel import MotorChannel
from exo_device.drivers.cubemars_can.config import CubemarsConfig
from exo_device.drivers.cubemars_can.port import CanPort, PortError, PythonCanPort

ON, OFF, READY = b"1", b"0", b"ready\n"
#: The bus thread may be late by as much (s) before the guardian acts.
SILENCE_S = 0.1
#: It then says the same again this often (s), and for this long (s) once the pipe has ended.
REPEAT_S, LAST_WORDS_S = 0.01, 0.2
#: A Python process on a busy small computer takes this long to start at most (s).
START_TIMEOUT_S = 20.0


class Guardian:
    """The bus thread's end of the pipe."""

    def __init__(self, config: CubemarsConfig) -> None:
        """Starts the process and waits until it has opened the bus. Raises DriverError when it has not."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "exo_device.drivers.cubemars_can.guardian", config.model_dump_json()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)  # out of reach of Ctrl-C
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
            self._process.wait(LAST_WORDS_S + START_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


def watch(pipe: int, port: CanPort, channels: list[MotorChannel]) -> None:
    """Guards until the pipe ends."""
    is_on = False
    while True:
        readable, _, _ = select.select([pipe], [], [], SILENCE_S if is_on else None)
        if not readable:
            switch_off(port, channels, REPEAT_S)
            continue
        beats = os.read(pipe, 4096)
        if not beats:
            switch_off(port, channels, LAST_WORDS_S)
            return
        is_on = beats[-1:] == ON  # what the bus brings is left unread: the guardian only speaks


def switch_off(port: CanPort, channels: list[MotorChannel], duration_s: float) -> None:
    """Zero torque and off to every motor, repeated for duration_s."""
    end = time.monotonic() + duration_s
    while True:
        for channel in channels:
            for frame in channel.off_frames():
                try:
                    port.send(frame)
                except PortError:  # the next motor, or the next time
                    pass
        if time.monotonic() >= end:
            return
        time.sleep(REPEAT_S)


def main(arguments: list[str]) -> int:
    """arguments: the driver's configuration as JSON. The pipe is stdin."""
    config = CubemarsConfig.model_validate(json.loads(arguments[0]))
    try:
        port = PythonCanPort(config.interface, config.channel, config.bitrate, config.bus_options)
    except DriverError as error:
        print(f"guardian: {error}", file=sys.stderr)
        return 1
    channels = [MotorChannel(joint, motor, 0.0) for joint, motor in config.motors.items()]
    sys.stdout.buffer.write(READY)
    sys.stdout.flush()
    watch(sys.stdin.fileno(), port, channels)
    port.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
