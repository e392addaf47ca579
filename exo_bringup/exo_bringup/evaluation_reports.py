# SPDX-License-Identifier: Apache-2.0
"""Which report belongs to the folder of which evaluation."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from exo_bringup.errors import BringupError


def is_evaluation(folder: str | Path) -> bool:
    """Whether `exo evaluate ...` wrote this folder and there is a report for it."""
    return _command(folder) in REPORTS


def write_evaluation_report(folder: str | Path) -> Path:
    """Write report.html into the folder of an evaluation. Returns its path.

    Raises:
        KeyError: not such a folder, see `is_evaluation`.
        BringupError, GaitError: as the report does.
    """
    return REPORTS[_command(folder)]()(folder)


def _command(folder: str | Path) -> str:
    try:
        summary = json.loads((Path(folder) / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return summary.get("command", "") if isinstance(summary, dict) else ""


def _walker() -> Callable[[str | Path], Path]:
    from exo_bringup.walker_report.page import write_walker_page

    return write_walker_page


def report_folder(words: Sequence[str]) -> str:
    """The folder that `exo report [exo|human|impaired] FOLDER` means.

    Raises:
        BringupError: more words than that, or a kind that the folder is not of.
    """
    *kind, folder = words
    if not kind:
        return folder
    if len(kind) > 1 or kind[0] not in KINDS:
        raise BringupError(f"give one folder, or {' or '.join(KINDS)} before it, got: {' '.join(words)}")
    if _command(folder) != KINDS[kind[0]]:
        raise BringupError(f"{folder} is not a folder that `{KINDS[kind[0]]}` wrote")
    return folder


def _exo() -> Callable[[str | Path], Path]:
    from exo_bringup.exo_report.page import write_exo_page

    return lambda folder: write_exo_page(folder)[0]


def _impaired() -> Callable[[str | Path], Path]:
    from exo_bringup.impaired_report.page import write_impaired_page

    return write_impaired_page


#: By the command in summary.json; imported when needed.
REPORTS: dict[str, Callable[[], Callable[[str | Path], Path]]] = {
    "exo evaluate human": _walker,
    "exo evaluate exo": _exo,
    "exo evaluate impaired": _impaired,
}
KINDS = {command.rsplit(" ", 1)[1]: command for command in REPORTS}
