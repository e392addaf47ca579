# SPDX-License-Identifier: Apache-2.0
"""A driver's settings as a YAML file: `driver: name`, and beside it the settings of that driver."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from exo_core.yaml_file import YamlError, read_mapping
from exo_device.drivers.base import DriverError


def read_driver_config(path: str | Path, driver: str) -> dict[str, Any]:
    """Settings in the file for the driver of this name.

    Raises DriverError with one line when it cannot be read or is for another driver.
    """
    expected = f"`driver: {driver}` and that driver's settings"
    try:
        settings = read_mapping(path, expected)
    except YamlError as error:
        raise DriverError(str(error)) from error
    if "driver" not in settings:
        raise DriverError(f"{path}: expected {expected}, but the line `driver:` is missing")
    named = settings.pop("driver")
    if named != driver:
        raise DriverError(f"{path}: these are settings of driver '{named}', but '{driver}' was chosen")
    return settings
