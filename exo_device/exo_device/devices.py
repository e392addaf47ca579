# SPDX-License-Identifier: Apache-2.0
"""This module finds the shipped devices, drivers and drivers' settings by name, and loads them.

The names need no library but yaml: launch files read them in the system's Python.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from exo_core.errors import UserError
from exo_core.files import named_file
from exo_core.yaml_file import read_mapping

if TYPE_CHECKING:
    from exo_device.description import DeviceDescription

NO_DEVICE = "none"
#: Folder of device files, for those who keep their own.
DEVICE_FOLDER_VARIABLE = "EXO_GAIT_DEVICES"
CONFIG = Path(__file__).resolve().parent / "config"
DRIVER_FOLDER = CONFIG / "drivers"
#: Drivers by name: (module, driver class, configuration class). A module is imported only when its driver is asked for.
DRIVERS: dict[str, tuple[str, str, str]] = {
    "cubemars_can": ("exo_device.drivers.cubemars_can", "CubemarsDriver", "CubemarsConfig"),
    "odrive_can": ("exo_device.drivers.odrive_can", "ODriveDriver", "ODriveConfig"),
    "replay": ("exo_device.drivers.replay", "ReplayDriver", "ReplayConfig"),
    "ros2_control": ("exo_device.drivers.ros2_control", "Ros2ControlDriver", "Ros2ControlConfig"),
    "simulated": ("exo_device.drivers.simulated", "SimulatedDriver", "SimulatedConfig"),
}
#: CAN bus of emulated motors, between processes without CAN hardware: python-can's interface and its default group.
MULTICAST, MULTICAST_CHANNEL = "udp_multicast", "239.74.163.2"


def device_folder() -> Path:
    """Folder of the device files that a name means."""
    return Path(os.environ.get(DEVICE_FOLDER_VARIABLE) or CONFIG / "devices")


def device_file(name_or_path: str | Path) -> Path:
    """File of a device given by name or path. Raises UserError, which lists the names that there are."""
    return named_file("device", name_or_path, device_folder())


def driver_file(name_or_path: str | Path) -> Path:
    """File of a driver's settings given by name or path. Raises UserError, which lists the names."""
    return named_file("driver", name_or_path, DRIVER_FOLDER)


def device_joints(path: str | Path) -> tuple[str, ...]:
    """Names of the joints in a device's file, in their order; the rest of it is for load_device to check.

    Raises UserError where the file names none.
    """
    joints = read_mapping(path, "a device with its joints").get("joints")
    if not isinstance(joints, dict) or not joints:
        raise UserError(f"{path}: joints must be a mapping of at least one joint, as hip_flexion_r")
    return tuple(str(name) for name in joints)


def find_device(name: str | None) -> DeviceDescription | None:
    """Loads a device by its name (hip_ankle) or path; "none", "" and None mean no device.

    Raises:
        UserError: no such name; lists those that exist.
        DeviceError: a file that is not a valid device.
    """
    from exo_device.description import load_device

    return None if name in (None, "", NO_DEVICE) else load_device(device_file(name))


def without_weight(device: DeviceDescription) -> DeviceDescription:
    """The device without mass and inertia: as long as it gives no torque, nothing of it is left."""
    joints = {name: joint.model_copy(update={"reflected_inertia_kgm2": 0.0}) for name, joint in device.joints.items()}
    return device.model_copy(update={"segments": {}, "joints": joints})
