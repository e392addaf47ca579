# SPDX-License-Identifier: Apache-2.0
"""Motor drivers behind one contract, made by name. How to write one: docs/writing_a_driver.md."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from exo_core.yaml_file import YamlError, read_mapping
from exo_device.description import validation_line
from exo_device.devices import DRIVERS
from exo_device.drivers.base import Driver, DriverError

__all__ = ["DRIVERS", "Driver", "DriverError", "make_driver", "read_driver_config"]


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


def make_driver(name: str, config: Mapping[str, Any] | BaseModel | None = None) -> Driver:
    """The driver called name, configured by a mapping or by the driver's own configuration object.

    Raises DriverError for an unknown name (it lists those known) or a configuration that does not fit.
    """
    if name not in DRIVERS:
        raise DriverError(f"unknown driver '{name}'; known: {', '.join(sorted(DRIVERS))}")
    module_name, driver_name, config_name = DRIVERS[name]
    module = importlib.import_module(module_name)
    config_type = getattr(module, config_name)
    if not isinstance(config, config_type):
        try:
            config = config_type.model_validate(dict(config or {}))
        except ValidationError as error:
            known = ", ".join(config_type.model_fields)
            raise DriverError(f"driver '{name}': {validation_line(error)}; its settings are {known}") from error
    return getattr(module, driver_name)(config)
