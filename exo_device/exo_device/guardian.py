# SPDX-License-Identifier: Apache-2.0
"""`ros2 run exo_device guardian`: the process that takes the torque away when the device node cannot.

Started by the driver, it follows its standard input and ends with it. Started apart, it listens on a socket (CAN) or
on the topics of the controller (ros2_control), for one device node after the other: docs/guardian.md.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from exo_core.errors import ExitCode
from exo_device.drivers import DriverError, make_driver, read_driver_config
from exo_device.drivers import guardian as line
from exo_device.drivers.can.driver import CanDriver
from exo_device.drivers.can.port import PortError, PythonCanPort

CAN_DRIVERS, TOPIC_DRIVER = ("cubemars_can", "odrive_can"), "ros2_control"


def build_parser() -> argparse.ArgumentParser:
    """Parser of the guardian's program."""
    parser = argparse.ArgumentParser(
        prog="guardian",
        description="Takes the torque away when the device node dies or hangs. It belongs into a slice or container of "
        "its own.",
    )
    parser.add_argument("driver", choices=[*CAN_DRIVERS, TOPIC_DRIVER], help="as the device node's parameter driver")
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--config", metavar="YAML", help="the driver's settings, the same file as the device node's")
    given.add_argument("--settings", metavar="JSON", help="of the driver that starts it, which it follows on stdin")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Guards until the line ends, or for ever. Returns the exit code: 0, or 2 with one line."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    words = words[: words.index("--ros-args")] if "--ros-args" in words else words
    chosen = build_parser().parse_args(words)
    signal.signal(signal.SIGINT, signal.SIG_IGN if chosen.settings else signal.SIG_DFL)  # Ctrl-C is the device's
    try:
        settings = json.loads(chosen.settings) if chosen.settings else read_driver_config(chosen.config, chosen.driver)
        driver = make_driver(chosen.driver, settings)
        if isinstance(driver, CanDriver):
            return _guard_bus(driver, is_own=bool(chosen.settings))
        from exo_device.drivers.ros2_control import Ros2ControlConfig, guard_topic

        assert isinstance(driver.config, Ros2ControlConfig)
        return guard_topic(driver.config, sys.stdin.fileno() if chosen.settings else None, _ready)
    except (DriverError, OSError) as error:
        print(f"guardian: {error}", file=sys.stderr)
        return ExitCode.BAD_INPUT


def _guard_bus(driver: CanDriver, *, is_own: bool) -> int:
    config = driver.config
    server = None if is_own else line.listen(_socket_path(config.guardian_socket))
    port = PythonCanPort(config.interface, config.channel, config.bitrate, config.bus_options)
    say_zero = _speaker(driver, port)
    try:
        if server is None:
            _ready()
            line.watch(sys.stdin.fileno(), say_zero)
        else:
            print(f"guarding {config.interface} {config.channel}; listening on {config.guardian_socket}", flush=True)
            line.serve(server, driver.name, config, say_zero)
    finally:
        port.close()
    return ExitCode.OK


def _speaker(driver: CanDriver, port: PythonCanPort) -> Callable[[], None]:
    """Says zero torque and off to every motor. What the bus brings is left unread."""
    frames = driver.off_frames()

    def say_zero() -> None:
        for frame in frames:
            try:
                port.send(frame)
            except PortError:  # the next motor, or the next time
                pass

    return say_zero


def _socket_path(path: str) -> str:
    Path(path).parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    return path


def _ready() -> None:
    os.write(sys.stdout.fileno(), line.READY)


if __name__ == "__main__":
    sys.exit(main())
