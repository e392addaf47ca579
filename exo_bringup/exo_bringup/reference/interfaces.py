# SPDX-License-Identifier: Apache-2.0
"""Messages and services of exo_msgs, from the comments in their files."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from exo_bringup.reference.markdown import code, plain, table

FIELD = re.compile(r"^(?P<type>\S+)\s+(?P<name>\w+)\s*(?:=\s*(?P<value>\S+)\s*)?(?:#\s*(?P<comment>.*))?$")


@dataclass
class Part:
    """Fields of a message, or of one side of a service."""

    fields: list[tuple[str, str, str]] = field(default_factory=list)
    constants: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass
class InterfaceFacts:
    """A .msg or .srv file: what stands at its head, and its part or two parts."""

    name: str
    about: str
    parts: list[Part]


def read(path: Path) -> InterfaceFacts:
    """One file."""
    head, parts, in_head = [], [Part()], True
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.strip()
        if text == "---":
            parts.append(Part())
        elif text.startswith("#"):
            if in_head:
                head.append(text.lstrip("# "))
        elif text:
            in_head = False
            found = FIELD.match(text)
            entry = (found["type"], found["name"], found["comment"] or "")
            if found["value"] is None:
                parts[-1].fields.append(entry)
            else:
                parts[-1].constants.append((f"{found['name']} = {found['value']}", found["type"], entry[2]))
        else:
            in_head = in_head and not head
    return InterfaceFacts(path.stem, " ".join(head), parts)


def all_interfaces() -> tuple[list[InterfaceFacts], list[InterfaceFacts]]:
    """Messages and services, by name."""
    from ament_index_python.packages import get_package_share_directory

    share = Path(get_package_share_directory("exo_msgs"))
    return tuple([read(path) for path in sorted(share.glob(f"{kind}/*.{kind}"))] for kind in ("msg", "srv"))


def section(facts: InterfaceFacts) -> str:
    """Heading, text and tables of one interface."""
    texts = [f"## {facts.name}\n\n{plain(facts.about)}\n"]
    titles = ("",) if len(facts.parts) == 1 else ("Request", "Response")
    for title, part in zip(titles, facts.parts):
        if title:
            texts.append(f"**{title}**\n" if part.fields else f"**{title}**: empty\n")
        constants = [(code(value), code(kind), plain(about)) for value, kind, about in part.constants]
        fields = [(code(name), code(kind), plain(about)) for kind, name, about in part.fields]
        texts.append(table(("constant", "type", "meaning"), constants))
        texts.append(table(("field", "type", "meaning"), fields))
    return "\n".join(filter(None, texts))
