# SPDX-License-Identifier: Apache-2.0
"""Finds the shipped devices and drivers' settings by name, and loads them. The names need no library at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from exo_core.files import named_file

if TYPE_CHECKING:
    from exo_device.description import DeviceDescription

NO_DEVICE = "none"
#: Folder of device files, for those who keep their own.
DEVICE_FOLDER_VARIABLE = "EXO_GAIT_DEVICES"
CONFIG = Path(__file__).resolve().parent / "config"
DRIVER_FOLDER = CONFIG / "drivers"


def device_folder() -> Path:
    """Folder of the device files that a name means."""
    return Path(os.environ.get(DEVICE_FOLDER_VARIABLE) or CONFIG / "devices")


def device_file(name_or_path: str | Path) -> Path:
    """File of a device given by name or path. Raises UserError, which lists the names that there are."""
    return named_file("device", name_or_path, device_folder())


def driver_file(name_or_path: str | Path) -> Path:
    """File of a driver's settings given by name or path. Raises UserError, which lists the names."""
    return named_file("driver", name_or_path, DRIVER_FOLDER)


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
