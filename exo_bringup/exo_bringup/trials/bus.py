# SPDX-License-Identifier: Apache-2.0
"""A CAN bus between processes of this machine, for trials."""

from __future__ import annotations

import os

from exo_device.devices import driver_file
from exo_device.drivers.config_file import read_driver_config
from exo_device.emulator.command_line import MULTICAST

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


def bus_settings(**changes) -> dict:
    """Settings of the driver cubemars_can: the example's motors, on a bus of this process's own."""
    settings = read_driver_config(driver_file("cubemars_example"), "cubemars_can")
    port = FIRST_PORT + os.getpid() % PORTS
    return {**settings, "interface": MULTICAST, "channel": GROUP, "bus_options": {"port": port}, **changes}


def adopt(environment: dict[str, str]) -> None:
    """This process's own node logs and discovers as its children do."""
    os.environ.update({key: environment[key] for key in ("ROS_LOG_DIR", "ROS_AUTOMATIC_DISCOVERY_RANGE")})
