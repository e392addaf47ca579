# SPDX-License-Identifier: Apache-2.0
"""Markdown as GitHub renders it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

#: Whole numbers from here on are written with an exponent.
LARGEST_PLAIN_INTEGER = 1e12


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the cells may hold Markdown. Columns without content are left out, and a table without rows."""
    rows = [[_cell(cell) for cell in row] for row in rows]
    if not rows:
        return ""
    kept = [column for column in range(len(heads)) if any(row[column] for row in rows)]
    heads = [heads[column] for column in kept]
    lines = ["| " + " | ".join(row[column] for column in kept) + " |" for row in rows]
    return "\n".join(["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads), *lines]) + "\n"


def _cell(text: str) -> str:
    # a bar inside code must be escaped as well, or GitHub ends the cell there
    return " ".join(str(text).split()).replace("|", r"\|")


def code(text: object) -> str:
    """Text as code; nothing for an empty one."""
    return f"`{text}`" if str(text) else ""


def plain(text: str) -> str:
    """Text in which nothing but code in backticks is taken for markup."""
    parts = text.split("`")
    return "`".join(
        part if index % 2 else re.sub(r"[<>*]", lambda found: "\\" + found.group(), part)
        for index, part in enumerate(parts)
    )


def number(value: float) -> str:
    """As short as it is exact."""
    if float(value).is_integer() and abs(value) < LARGEST_PLAIN_INTEGER:
        return str(int(value))
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


def anchor(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    text = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", lambda found: found.group(1) or "", heading.strip().lower())
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
