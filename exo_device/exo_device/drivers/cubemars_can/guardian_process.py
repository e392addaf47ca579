# SPDX-License-Identifier: Apache-2.0
"""The guardian's own process: see guardian.py."""

from __future__ import annotations

import json
import os
import select
import sys
import time

from exo_device.drivers.base import DriverError
from exo_device.drivers.can.port import CanPort, PortError, PythonCanPort
from exo_device.drivers.cubemars_can.config import CubemarsConfig
from exo_device.drivers.cubemars_can.guardian import ON, READY
from exo_device.drivers.cubemars_can.motor import MotorChannel

#: The bus thread may be late by as much (s) before the guardian acts.
SILENCE_S = 0.1
#: It then says the same again this often (s), and for this long (s) once the pipe has ended.
REPEAT_S, LAST_WORDS_S = 0.01, 0.2
#: More beats than can have gathered in the pipe (bytes).
PIPE_BYTES = 65536


def watch(pipe: int, port: CanPort, channels: list[MotorChannel]) -> None:
    """Guards until the pipe ends."""
    is_on = False
    while True:
        readable, _, _ = select.select([pipe], [], [], SILENCE_S if is_on else None)
        if not readable:
            switch_off(port, channels, REPEAT_S)
            continue
        beats = os.read(pipe, PIPE_BYTES)
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
