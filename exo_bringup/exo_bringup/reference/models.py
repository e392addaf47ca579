# SPDX-License-Identifier: Apache-2.0
"""Fields of pydantic models and dataclasses, with what their source says about them."""

from __future__ import annotations

import ast
import inspect
import textwrap
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from exo_bringup.reference.markdown import code, number, plain, table

MARK = "#:"


@dataclass(frozen=True)
class FieldFacts:
    """One field of a model."""

    name: str
    type_words: str
    allowed: str
    default: str
    comment: str


def fields_of(model: type[BaseModel]) -> list[FieldFacts]:
    """Fields in order."""
    comments = _comments(model)
    return [
        FieldFacts(
            name,
            _type_words(info.annotation),
            _allowed(info),
            _default(info),
            info.description or comments.get(name, ""),
        )
        for name, info in model.model_fields.items()
    ]


def nested(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The model and those inside it, each once, outermost first."""
    waiting, seen = [model], []
    while waiting:
        here = waiting.pop(0)
        if here in seen:
            continue
        seen.append(here)
        yield here
        for info in here.model_fields.values():
            waiting += [kind for kind in _inside(info.annotation) if kind not in seen]


def section(model: type[BaseModel], level: int = 3) -> str:
    """Heading, docstring and table of a model."""
    rows = [
        (code(item.name), item.type_words, item.allowed, item.default, plain(item.comment)) for item in fields_of(model)
    ]
    doc = " ".join(inspect.cleandoc(model.__doc__ or "").replace("``", "`").split())
    heads = ("field", "type", "allowed", "default", "meaning")
    return f"{'#' * level} {model.__name__}\n\n{doc}\n\n{table(heads, rows)}"


def _comments(model: type) -> dict[str, str]:
    """Comments marked `#:` before a field, or the text after it, by field; a base's fields too."""
    found: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        if kind.__module__.startswith("exo_") and issubclass(kind, BaseModel):
            found.update(_own_comments(kind))
    return found


def _own_comments(model: type) -> dict[str, str]:
    source = textwrap.dedent(inspect.getsource(model))
    lines, body = source.splitlines(), ast.parse(source).body[0].body
    found, last = {}, ""
    for position, node in enumerate(body):
        if not isinstance(node, ast.AnnAssign):
            continue
        before, row = [], node.lineno - 2
        while row >= 0 and lines[row].strip().startswith(MARK):
            before.insert(0, lines[row].strip().removeprefix(MARK).strip())
            row -= 1
        after = body[position + 1] if position + 1 < len(body) else None
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            before.append(str(after.value.value))
        beside = lines[node.end_lineno - 1].partition(MARK)[2].strip()
        text = " ".join([*before, beside]).strip()
        # one comment may stand over several fields, on lines that follow each other
        if not text and lines[node.lineno - 2].strip():
            text = last
        found[node.target.id] = last = text
    return found


def _inside(annotation) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [kind for part in typing.get_args(annotation) for kind in _inside(part)]


def _type_words(annotation) -> str:
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type_words(parts[0])
    if origin is typing.Literal:
        return ", ".join(code(repr(part) if isinstance(part, str) else part) for part in parts)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type_words(part) for part in parts)
    if origin in (tuple, list):
        if len(parts) == 2 and parts[1] is Ellipsis or origin is list:
            return f"list of {_type_words(parts[0])}"
        return f"{len(parts)} × {_type_words(parts[0])}"
    if origin is dict:
        return f"mapping of {_type_words(parts[0])} to {_type_words(parts[1])}"
    if annotation is types.NoneType:
        return "none"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    names = {str: "text", float: "number", int: "integer", bool: "true or false", typing.Any: "anything"}
    return names.get(annotation, str(annotation))


def _allowed(info: FieldInfo) -> str:
    metadata = list(info.metadata)
    for part in (info.annotation, *typing.get_args(info.annotation)):
        if typing.get_origin(part) is typing.Annotated:
            for extra in typing.get_args(part)[1:]:
                metadata += extra.metadata if isinstance(extra, FieldInfo) else [extra]
    words = []
    for sign, name in ((">", "gt"), ("≥", "ge"), ("<", "lt"), ("≤", "le")):
        words += [f"{sign} {number(getattr(item, name))}" for item in metadata if getattr(item, name, None) is not None]
    for name, text in (("min_length", "at least {} long"), ("pattern", "matches `{}`")):
        words += [text.format(getattr(item, name)) for item in metadata if getattr(item, name, None) is not None]
    return ", ".join(dict.fromkeys(words))


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "**required**"
    value = info.default
    if value is PydanticUndefined:
        value = info.default_factory()
    if value is None:
        return "none"
    if isinstance(value, BaseModel):
        return "its defaults"
    if isinstance(value, tuple):
        return code(list(value))
    return code(str(value).lower() if isinstance(value, bool) else repr(value) if isinstance(value, str) else value)
