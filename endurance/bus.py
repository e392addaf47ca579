# SPDX-License-Identifier: Apache-2.0
"""A CAN bus between processes of this machine, and a third end of it that only listens."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from typing import Any

from exo_device.devices import MULTICAST, driver_file
from exo_device.drivers import make_driver, read_driver_config
from exo_device.drivers.can.port import PortError, PythonCanPort
from exo_device.drivers.cubemars_can.codec import MitCommand

#: A group of addresses that stay on this machine's site (RFC 2365), and ports that two trials do not share.
GROUP = "239.74.163.90"
FIRST_PORT, PORTS = 43_200, 2_000

#: For trials of something else than watchdogs, on a machine that may be busy: settings of the driver, and
#: parameters of the device node.
PATIENT_BUS = {
    "reply_timeout_s": 1.0,
    "host_timeout_s": 5.0,
    "plausibility": {"jump_rad": 10.0, "frozen_rad": 10.0, "repeated_nm": 100.0, "standstill_s": None},
}
PATIENT_DEVICE = {"command_timeout_s": 1.0, "state_timeout_s": 1.0, "state_silence_s": 10.0, "ros_silence_s": 10.0}
#: sim/imu over topics; its age on a patient device.
IMU = {"source": "topic", "topic": "sim/imu", "max_age_s": 0.03}
PATIENT_IMU = {**IMU, "max_age_s": 1.0}
#: The tap notices the end of listening within this time (s).
TAP_WAIT_S = 0.02


def bus_settings(**changes) -> dict:
    """Settings of the driver cubemars_can: the example's motors, on a bus of this process's own."""
    settings = read_driver_config(driver_file("cubemars_example"), "cubemars_can")
    port = FIRST_PORT + os.getpid() % PORTS
    return {**settings, "interface": MULTICAST, "channel": GROUP, "bus_options": {"port": port}, **changes}


def adopt(environment: dict[str, str]) -> None:
    """This process's own node logs and discovers as its children do."""
    os.environ.update({key: environment[key] for key in ("ROS_LOG_DIR", "ROS_AUTOMATIC_DISCOVERY_RANGE")})


class BusTap:
    """What the motors are asked for, whether they live or not. Listens from entering to leaving."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """settings: of the driver cubemars_can."""
        config = make_driver("cubemars_can", settings).config
        self._codecs = [motor.codec() for motor in config.motors.values()]
        self._port = PythonCanPort(config.interface, config.channel, config.bitrate, config.bus_options)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="bus_tap", daemon=True)
        #: Steady time (s) of the newest frame that asked a motor for torque.
        self.asked_until_s = 0.0

    @property
    def age_s(self) -> float:
        """Time (s) since that frame."""
        return time.monotonic() - self.asked_until_s

    def __enter__(self) -> BusTap:
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join()
        self._port.close()

    def _listen(self) -> None:
        while not self._stop.is_set():
            try:
                frame = self._port.receive(TAP_WAIT_S)
            except PortError:
                continue
            for codec in self._codecs if frame else ():
                order = codec.decode_command(frame)
                # no code of the torque field is exactly zero
                if isinstance(order, MitCommand) and abs(order.torque) > codec.reply_steps[2]:
                    self.asked_until_s = time.monotonic()
