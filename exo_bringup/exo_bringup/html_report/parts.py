# SPDX-License-Identifier: Apache-2.0
"""Pieces of HTML that sections are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from exo_bringup.html_report import svg


@dataclass(frozen=True)
class Section:
    """A titled part of a report; `name` is its anchor."""

    name: str
    title: str
    content: str


def figure(title: str, width: float, height: float, content: str) -> str:
    """An SVG figure; the title is for those who cannot see it."""
    return f"<figure>{svg.document(width, height, title, [content])}</figure>"


def grid(columns: int, figures: Iterable[str]) -> str:
    """Figures side by side, 1 to 4 in a row."""
    return f'<div class="grid c{min(max(columns, 1), 4)}">{"".join(figures)}</div>'


def paragraph(text: str, faint: bool = False) -> str:
    """A paragraph of plain text."""
    kind = ' class="faint"' if faint else ""
    return f"<p{kind}>{escape(text)}</p>"


def note(lines: Sequence[str]) -> str:
    """What is missing, as a list that stands out; nothing where there are no lines."""
    if not lines:
        return ""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<div class="note"><b>Missing</b><ul>{items}</ul></div>'


@dataclass(frozen=True)
class Cell:
    """A cell of a table with a CSS class."""

    text: str
    kind: str = ""


def table(head: Sequence[str | Cell], rows: Iterable[Sequence[str | Cell]]) -> str:
    """A table with a head; the first column is left-aligned."""

    def cell(content: str | Cell, tag: str = "td") -> str:
        content = content if isinstance(content, Cell) else Cell(content)
        kind = f' class="{content.kind}"' if content.kind else ""
        return f"<{tag}{kind}>{escape(content.text)}</{tag}>"

    return (
        f"<table><thead><tr>{''.join(cell(name, 'th') for name in head)}</tr></thead><tbody>"
        + "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in rows)
        + "</tbody></table>"
    )
