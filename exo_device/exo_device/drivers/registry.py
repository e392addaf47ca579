# SPDX-License-Identifier: Apache-2.0
"""Makes a driver by its name; `DRIVERS` has the names. A module is imported only when its driver is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from exo_device.devices import DRIVERS
from exo_device.drivers.base import Driver, DriverError


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
            first = error.errors(include_url=False)[0]
            field = ".".join(str(part) for part in first["loc"])
            said = first["msg"].removeprefix("Value error, ")
            raise DriverError(
                f"driver '{name}': {field + ': ' if field else ''}{said}; "
                f"its settings are {', '.join(config_type.model_fields)}"
            ) from error
    return getattr(module, driver_name)(config)
