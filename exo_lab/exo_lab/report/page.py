# SPDX-License-Identifier: Apache-2.0
"""A report as data: sections of blocks, which one template turns into a page without scripts and links."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from exo_core.errors import UserError
from exo_core.files import whole_file
from exo_lab.report.style import (
    FAINT_INK,
    INK,
    MISSED,
    NORM_BAND,
    NORM_LINE,
    NORM_WORDS,
    SIDE_NAMES,
    condition_colour,
    shown,
)
from exo_sim.measurement import Figure

REPORT_NAME = "report.html"
TEMPLATE = "page.html.j2"


@dataclass(frozen=True)
class Block:
    """A piece of a section: ``kind`` is its macro in the template, ``content`` what the macro is given."""

    kind: str
    content: Any


@dataclass(frozen=True)
class Section:
    """A titled part of a report; ``name`` is its anchor."""

    name: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Cell:
    """A cell of a table with a CSS class: text, number, met or missed."""

    text: str
    kind: str = ""


@dataclass(frozen=True)
class Entry:
    """An entry of a legend: a swatch (line, dashed, dotted_line, band, dot, cross or triangle) and its meaning."""

    swatch: str
    colour: str
    words: str


def text(words: str, faint: bool = False) -> Block:
    """A paragraph."""
    return Block("text", {"words": words, "faint": faint})


def title(words: str) -> Block:
    """The page's own heading."""
    return Block("title", words)


def lead(words: str) -> Block:
    """The result in a sentence or two, large."""
    return Block("lead", words)


def heading(words: str, small: str = "") -> Block:
    """A heading within a section."""
    return Block("heading", {"words": words, "small": small})


def table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> Block:
    """A table; the first column is left-aligned."""

    def cells(row: Sequence[object]) -> list[Cell]:
        return [cell if isinstance(cell, Cell) else Cell(str(cell)) for cell in row]

    return Block("table", {"head": cells(head), "rows": [cells(row) for row in rows]})


def pictures(columns: int, svgs: Iterable[str]) -> Block:
    """Figures side by side, 1 to 4 in a row."""
    return Block("pictures", {"columns": min(max(columns, 1), 4), "svgs": list(svgs)})


def legend(entries: Iterable[Entry]) -> Block:
    """What colours and line styles mean."""
    return Block("legend", list(entries))


def missing(lines: Sequence[str]) -> list[Block]:
    """What is missing, as a list that stands out; nothing where there are no lines."""
    return [Block("missing", list(lines))] if lines else []


def code(words: str) -> Block:
    """Text as it is typed."""
    return Block("code", words)


def command(words: str) -> Block:
    """A command, which wraps between its options and not inside them."""
    first, *options = words.split(" --")
    return Block("command", {"first": first, "options": options})


def tiles(entries: Iterable[tuple[str, str]]) -> Block:
    """Numbers to remember, each with its words."""
    return Block("tiles", list(entries))


def folded(summary: str, block: Block) -> Block:
    """A block that opens on demand."""
    return Block("folded", {"summary": summary, "block": block})


def beside(groups: Sequence[Sequence[Block]]) -> Block:
    """Groups of blocks side by side where there is room."""
    return Block("beside", groups)


def condition_legend(conditions: Sequence[str], sides: bool = True, norm: bool = True, toe_off: bool = True) -> Block:
    """Legend of a run's curves."""
    entries = [Entry("line", condition_colour(condition), condition) for condition in conditions]
    if sides:
        entries += side_entries(INK)
    if norm:
        entries.append(Entry("band", NORM_BAND, NORM_WORDS))
    if toe_off:
        entries.append(Entry("triangle", FAINT_INK, "toe-off"))
    return legend(entries)


def side_entries(colour: str, whose: str = "") -> list[Entry]:
    """Entries of both legs."""
    return [
        Entry(swatch, colour, f"{whose}{SIDE_NAMES[side]} leg") for swatch, side in (("line", "r"), ("dashed", "l"))
    ]


def figure_value(figure: Figure, digits: int = 3) -> str:
    """A figure with its interval, as text; and of how many walks it is not."""
    value = shown(figure.value, digits)
    known = figure.low == figure.low and figure.high == figure.high  # not NaN
    interval = f" [{shown(figure.low, digits)}, {shown(figure.high, digits)}]" if known else ""
    return f"{value}{interval}{figure.left_out_words}"


def unit_words(figure: Figure) -> str:
    """Unit of a figure; nothing for a pure number."""
    return "" if figure.unit == "1" else figure.unit


def verdict(met: bool | None) -> Cell:
    """Whether a target is met, in a word and a colour; empty without a target."""
    if met is None:
        return Cell("")
    return Cell("\N{CHECK MARK} met", "met") if met else Cell("\N{MULTIPLICATION SIGN} missed", "missed")


def in_signs(target: str | None) -> str:
    """A target with signs for people."""
    at_most, at_least = "\N{LESS-THAN OR EQUAL TO}", "\N{GREATER-THAN OR EQUAL TO}"
    return (target or "").replace("<=", at_most).replace(">=", at_least).replace("-", "\N{MINUS SIGN}")


def made_with(summary: Mapping[str, Any], record: Mapping[str, Any], *more: tuple[str, str]) -> Block:
    """What a result was made with: revision, versions, machine."""
    rows = [
        ("Git revision", summary.get("git_revision")),
        *more,
        *((f"Version of {name}", version) for name, version in sorted((summary.get("versions") or {}).items())),
        ("Platform", record.get("platform")),
        ("Processors", record.get("cpu_count")),
        ("Finished", record.get("finished")),
    ]
    return table(["Made with", ""], [[name, Cell(str(value), "text")] for name, value in rows if value is not None])


def write_page(path: Path, title: str, opening: Sequence[Block], sections: Sequence[Section]) -> Path:
    """Write a page. Returns its path.

    Raises:
        UserError: it cannot be written.
    """
    html = render(TEMPLATE, title=title, opening=opening, sections=sections)
    try:
        with whole_file(path) as file:
            file.write(html)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error
    return path


def render(template: str, **content: Any) -> str:
    """A template beside this file with its content; what goes into a page is escaped."""
    return _environment().get_template(template).render(content)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=lambda name: name == TEMPLATE,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals["colours"] = {"ink": INK, "faint": FAINT_INK, "missed": MISSED, "norm_line": NORM_LINE}
    environment.filters["span"] = lambda bounds: " to ".join(f"{bound:g}" for bound in bounds)
    return environment
