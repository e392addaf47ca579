# SPDX-License-Identifier: Apache-2.0
"""Emulated motors in the place of real ones: same driver, same settings but for the bus (use_mock_hardware)."""

from __future__ import annotations

import os
from pathlib import Path

import yaml

from exo_core.errors import UserError
from exo_core.files import runtime_folder, whole_file
from exo_core.yaml_file import read_mapping
from exo_device.devices import MULTICAST, MULTICAST_CHANNEL, driver_file

CUBEMARS, ROS2_CONTROL = "cubemars_can", "ros2_control"
#: What the emulator calls the motors of a driver.
MOTORS = {CUBEMARS: "cubemars", ROS2_CONTROL: "ros2_control"}
#: Settings that are taken where none are given; no real motor may be driven with an example's.
EXAMPLE = "cubemars_example"
#: UDP port of the emulated bus in ROS domain 0; each domain has its own, as it has its own topics. Clear of DDS's.
FIRST_PORT = 43200


def emulated_settings(driver: str, driver_config: str) -> str:
    """Path of the driver's settings with the bus of the emulator in the place of the real one.

    Args:
        driver: cubemars_can or ros2_control; the others need no motors.
        driver_config: settings of the real motors; empty for the example's.

    Raises:
        UserError: no emulator for this driver, settings that cannot be read or are another driver's.
    """
    if driver not in MOTORS:
        raise UserError(f"use_mock_hardware needs a driver with motors: {' or '.join(MOTORS)}, not '{driver}'")
    if driver == ROS2_CONTROL:  # a controller's topics are the same, whoever stands behind them
        return driver_config
    path = driver_config or str(driver_file(EXAMPLE))
    settings = read_mapping(path, f"`driver: {driver}` and that driver's settings")
    if settings.pop("driver", driver) != driver:
        raise UserError(f"{path}: these are no settings of driver '{driver}', which was chosen")
    domain = int(os.environ.get("ROS_DOMAIN_ID") or 0)
    settings.update(interface=MULTICAST, channel=MULTICAST_CHANNEL, bus_options={"port": FIRST_PORT + domain})
    text = yaml.safe_dump({"driver": driver, **settings}, sort_keys=False)
    # one file a user, settings and domain: both programs read it, and a restart of one finds it again
    emulated = runtime_folder() / f"emulated-{Path(path).stem}-{domain}.yaml"
    with whole_file(emulated, mode=0o600) as file:
        file.write(text)
    return str(emulated)


def emulator_arguments(driver: str, settings: str, joint_names: tuple[str, ...]) -> tuple[str, ...]:
    """Arguments of motor_emulator for the motors of a driver, turning legs that swing on springs."""
    if driver == ROS2_CONTROL:
        return (MOTORS[driver], "--joints", ",".join(joint_names))
    return (MOTORS[driver], "--config", settings)
