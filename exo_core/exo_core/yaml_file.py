# SPDX-License-Identifier: Apache-2.0
"""The one reader of YAML: files that people write, and text that comes from outside.

YAML as PyYAML reads it takes some slips of the pen without a word: a key that stands twice (the last one counts), `011`
which is nine, `1:30` which is ninety, `2024-02-03` which is no text. Here each of them is an error of one line with
file, line and key, as is whatever is no YAML at all. Keys that come in by `<<` may be overridden, as YAML means it.

Needs the standard library and yaml alone: launch files read with it under the system's Python.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from exo_core.errors import UserError

#: A configuration is a few kB; more than this (bytes) is another file, or one that has no end.
LARGEST_FILE_BYTES = 1 << 20

_INT, _FLOAT, _DATE, _MERGE = (f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "timestamp", "merge"))


class YamlError(UserError):
    """Raised for text that is no YAML, or cannot be meant; one line with file, line and what to write instead."""


def read_yaml(path: str | Path) -> Any:
    """Content of a YAML file of UTF-8 text; None for an empty one. Raises YamlError."""
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise YamlError(f"{path}: not a file" if not path.is_dir() else f"{path}: a folder, and no file")
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE_BYTES + 1)
    except OSError as error:
        raise YamlError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(data) > LARGEST_FILE_BYTES:
        raise YamlError(f"{path}: over {LARGEST_FILE_BYTES >> 10} kB, no file of settings is so large")
    try:
        return parse_yaml(data.decode("utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise YamlError(f"{path}: not a UTF-8 text file") from error


def read_mapping(path: str | Path, expected: str) -> dict[str, Any]:
    """Content of a YAML file that is a mapping. Raises YamlError, which says what was expected in other content.

    Args:
        expected: what stands in such a file, for the message, as "fields such as height_m".
    """
    return _mapping(read_yaml(path), str(path), expected)


def parse_yaml(text: str, source: str) -> Any:
    """Content of YAML text; None for an empty one. Raises YamlError, which names source and line."""
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{source}:{mark.line + 1}" if mark else source
        raise YamlError(f"{where}: {_one_line(error.problem or error.context)}") from error
    except yaml.YAMLError as error:  # a character that may not stand in YAML
        raise YamlError(f"{source}: not valid YAML: {_one_line(error)}") from error
    except RecursionError as error:
        raise YamlError(f"{source}: nested too deeply") from error


def parse_mapping(text: str, source: str, expected: str) -> dict[str, Any]:
    """Content of YAML text that is a mapping. Raises YamlError, as read_mapping does."""
    return _mapping(parse_yaml(text, source), source, expected)


def _mapping(content: Any, source: str, expected: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        found = {type(None): "nothing", list: "a list"}.get(type(content), f"{str(content)[:40]!r}")
        raise YamlError(f"{source}: expected {expected}, got {found}")
    return content


def _one_line(text: object) -> str:
    return " ".join(str(text).split())


class _Loader(yaml.SafeLoader):
    """SafeLoader that checks keys as they stand in the text, before `<<` is resolved."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._unfinished: set[str | None] = set()

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Refuses an alias inside of what it stands for."""
        if self.check_event(yaml.AliasEvent) and self.peek_event().anchor in self._unfinished:
            event = self.peek_event()
            raise yaml.composer.ComposerError(None, None, f"*{event.anchor} stands inside itself", event.start_mark)
        return super().compose_node(parent, index)

    def compose_sequence_node(self, anchor: str | None) -> yaml.SequenceNode:
        """Does as the base class, and knows what is not finished yet."""
        self._unfinished.add(anchor)
        node = super().compose_sequence_node(anchor)
        self._unfinished.discard(anchor)
        return node

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        """Does as the base class, and refuses a key that stands twice or is none."""
        self._unfinished.add(anchor)
        node = super().compose_mapping_node(anchor)
        self._unfinished.discard(anchor)
        lines: dict[Any, int] = {}
        for key_node, _ in node.value:
            key = self._key(key_node)
            if key in lines:
                text = f"the key '{key_node.value}' stands twice, here and in line {lines[key]}"
                raise yaml.constructor.ConstructorError(None, None, text, key_node.start_mark)
            lines[key] = key_node.start_mark.line + 1
        return node

    def _key(self, node: yaml.Node) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            text = "a key must be a word, not a list or a mapping"
            raise yaml.constructor.ConstructorError(None, None, text, node.start_mark)
        if node.tag == _MERGE:
            return node.value
        key: Any = self.construct_object(node)
        if isinstance(key, bool) or key is None:
            meant = f"; as a word it is written '{node.value}', in quotes" if node.value else ""
            text = f"the key {node.value or 'that is left out'} means {str(key).lower()} in YAML{meant}"
            raise yaml.constructor.ConstructorError(None, None, text, node.start_mark)
        return key

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Does as the base class; a value that cannot be made tells its line."""
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, OverflowError) as error:
            text = f"{str(node.value)[:40]} cannot be read: {error}"
            raise yaml.constructor.ConstructorError(None, None, text, node.start_mark) from error


def _refuse(node: yaml.Node, what: str, instead: str) -> None:
    text = f"{node.value} is {what} in YAML: write {instead}"
    raise yaml.constructor.ConstructorError(None, None, text, node.start_mark)


def _number(kind: type[int] | type[float]) -> Callable[[_Loader, yaml.ScalarNode], int | float]:
    construct = {int: yaml.SafeLoader.construct_yaml_int, float: yaml.SafeLoader.construct_yaml_float}[kind]

    def checked(loader: _Loader, node: yaml.ScalarNode) -> int | float:
        value = construct(loader, node)
        digits = node.value.lstrip("+-").replace("_", "")
        if ":" in digits:
            _refuse(
                node, f"a number to the base of 60, which makes {value:g},", f"{value:g}, or '{node.value}' as text"
            )
        if kind is int and len(digits) > 1 and digits.isdigit() and digits[0] == "0":
            plain = digits.lstrip("0") or "0"
            _refuse(node, f"an octal number, which makes {value},", f"{plain} or {value}, or '{node.value}' as text")
        return value

    return checked


def _date(loader: _Loader, node: yaml.ScalarNode) -> None:
    _refuse(node, "a date and no text", f"'{node.value}', in quotes")


_Loader.add_constructor(_INT, _number(int))
_Loader.add_constructor(_FLOAT, _number(float))
_Loader.add_constructor(_DATE, _date)
