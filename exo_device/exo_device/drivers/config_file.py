# SPDX-License-Identifier: Apache-2.0
"""A driver's settings as a YAML file: `driver: name`, and beside it the settings of that driver."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from exo_device.drivers.base import DriverError


def read_driver_config(path: str | Path, driver: str) -> dict[str, Any]:
    """Settings in the file for the driver of this name.

    Raises DriverError with one line when it cannot be read or is for another driver.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise DriverError(f"{path}: cannot read the driver's settings: {error.strerror or error}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or error
        raise DriverError(f"{path}:{where} not valid YAML: {problem}") from error
    if not isinstance(content, dict) or "driver" not in content:
        raise DriverError(f"{path}: expected a mapping with `driver: {driver}` and that driver's settings")
    settings = dict(content)
    named = settings.pop("driver")
    if named != driver:
        raise DriverError(f"{path}: these are settings of driver '{named}', but '{driver}' was chosen")
    return settings
