# SPDX-License-Identifier: Apache-2.0
"""Finds a device by name or path."""

from __future__ import annotations

import os
from pathlib import Path

from exo_device.description import DeviceDescription, load_device
from exo_sim.errors import SimError

NO_DEVICE = "none"
#: Folder of device files, for those who keep their own.
DEVICE_FOLDER_VARIABLE = "EXO_GAIT_DEVICES"


def device_folder() -> Path:
    """Folder of the shipped device files: exo_bringup's share folder, or beside this package in a source tree."""
    if DEVICE_FOLDER_VARIABLE in os.environ:
        return Path(os.environ[DEVICE_FOLDER_VARIABLE])
    for parent in Path(__file__).resolve().parents:
        folder = parent / "exo_bringup" / "config" / "devices"
        if folder.is_dir():
            return folder
    for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        folder = Path(prefix) / "share" / "exo_bringup" / "config" / "devices"
        if folder.is_dir():
            return folder
    raise SimError(f"no folder of device files found; set {DEVICE_FOLDER_VARIABLE} or give the path of a YAML file")


def find_device(name: str | None) -> DeviceDescription | None:
    """Loads a device by its name (hip_ankle) or path; "none", "" and None mean no device.

    Raises:
        SimError: no such name; lists those that exist.
        DeviceError: a file that is not a valid device.
    """
    if name in (None, "", NO_DEVICE):
        return None
    if name.endswith((".yaml", ".yml")):
        return load_device(name)
    folder = device_folder()
    file = folder / f"{name}.yaml"
    if not file.is_file():
        known = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
        raise SimError(f"unknown device '{name}'; known: {known}; or give the path of a YAML file")
    return load_device(file)


def without_weight(device: DeviceDescription) -> DeviceDescription:
    """The device without mass and inertia: as long as it gives no torque, nothing of it is left."""
    joints = {name: joint.model_copy(update={"reflected_inertia_kgm2": 0.0}) for name, joint in device.joints.items()}
    return device.model_copy(update={"segments": {}, "joints": joints})
