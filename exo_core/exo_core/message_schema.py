# SPDX-License-Identifier: Apache-2.0
"""ROS 2 message definitions as MCAP wants them: the .msg text with those of all the types it uses behind it.

Format: "ros2msg" of the MCAP specification's registry, https://mcap.dev/spec/registry#ros2msg.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from pathlib import Path

from exo_core.errors import UserError

SEPARATOR = "=" * 80
PRIMITIVES = frozenset(
    {
        "bool",
        "byte",
        "char",
        "float32",
        "float64",
        "int8",
        "uint8",
        "int16",
        "uint16",
        "int32",
        "uint32",
        "int64",
        "uint64",
        "string",
        "wstring",
    }
)
#: Type at the start of a field's line: package and name, without array brackets and bounds.
FIELD = re.compile(r"^\s*([A-Za-z]\w*(?:/\w+){0,2})(?:<=\d+)?(?:\[[^\]]*\])?\s+[A-Za-z]\w*")


def installed_definition(package: str, name: str) -> str:
    """Text of an installed .msg file. Raises UserError if the package or the file is not there."""
    from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

    try:
        return (Path(get_package_share_directory(package)) / "msg" / f"{name}.msg").read_text()
    except (PackageNotFoundError, OSError) as error:
        raise UserError(f"message {package}/{name} is not installed: run `make setup`") from error


def message_class(type_name: str) -> type:
    """Python class of a type such as `sensor_msgs/msg/Imu`. Raises UserError if it is not installed."""
    package, _, name = type_name.split("/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError) as error:
        raise UserError(f"message {type_name} is not installed: run `make setup`") from error


def used_types(package: str, definition: str) -> list[tuple[str, str]]:
    """(package, name) of each message type that a definition uses, in the order of first use."""
    found: dict[tuple[str, str], None] = {}
    for line in definition.splitlines():
        match = FIELD.match(line.split("#", 1)[0])
        if match and match[1] not in PRIMITIVES:
            parts = match[1].split("/")
            found[(parts[0] if len(parts) > 1 else package, parts[-1])] = None
    return list(found)


def assemble_schema(type_name: str, read: Callable[[str, str], str] = installed_definition) -> str:
    """Schema text of a type such as `sensor_msgs/msg/Imu`; `read(package, name)` gives one definition."""
    package, name = type_name.split("/")[0], type_name.split("/")[-1]
    definitions: dict[tuple[str, str], str] = {}
    waiting = [(package, name)]
    while waiting:
        key = waiting.pop(0)
        if key not in definitions:
            definitions[key] = read(*key)
            waiting += used_types(key[0], definitions[key])
    root = definitions.pop((package, name))
    behind = [f"{SEPARATOR}\nMSG: {key[0]}/{key[1]}\n{text}" for key, text in definitions.items()]
    return "\n".join([root, *behind])
