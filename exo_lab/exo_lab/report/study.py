# SPDX-License-Identifier: Apache-2.0
"""What the reports of all studies share: a folder's summary, its figures by name, the page, the way to make it again."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from exo_core.errors import UserError
from exo_lab.evaluate.command import CURVES_FILE, RECORD_FILE, SUMMARY_FILE
from exo_lab.report.page import (
    REPORT_NAME,
    Block,
    Section,
    command,
    figure_value,
    folded,
    in_signs,
    lead,
    made_with,
    missing,
    table,
    text,
    title,
    unit_words,
    verdict,
    write_page,
)
from exo_sim.errors import GaitError
from exo_sim.gait.curves import Curve, CurveTable
from exo_sim.gait.strides import read_coverage_warnings
from exo_sim.measurement import Figure

#: Stands for a figure that is not there.
NOTHING = Figure("nothing", math.nan, "1")


@dataclass(frozen=True)
class Study:
    """A folder that a command of `exo evaluate` wrote.

    Attributes:
        record: what the last call left (machine, time); empty where there is none.
        figures: by name, in the order they are to be read.
    """

    folder: Path
    summary: Mapping[str, Any]
    record: Mapping[str, Any]
    figures: Mapping[str, Figure]
    curves: CurveTable

    @property
    def configuration(self) -> Mapping[str, Any]:
        """As it was run."""
        return self.summary["configuration"]

    def curve_of(self, condition: str, variable: str, side: str, speed: float) -> Curve | None:
        """Mean and SD over the strides of all walks in a condition; None where a value is not known."""
        try:
            curve = self.curves.get(condition, variable, side, speed)
        except GaitError:
            return None
        return curve if np.isfinite(curve.mean).all() else None

    @property
    def judged(self) -> list[Figure]:
        """Figures that have a target."""
        return [figure for figure in self.figures.values() if figure.met is not None]

    @property
    def notes(self) -> list[str]:
        """What must be said of strides left out of curves and figures. Raises GaitError for a damaged file."""
        return read_coverage_warnings(self.folder)

    @property
    def targets_met(self) -> str:
        """How many targets are met: "3 of 5"."""
        return f"{sum(bool(figure.met) for figure in self.judged)} of {len(self.judged)}"


def command_of(folder: str | Path) -> str:
    """The command that wrote a folder; empty for a folder that no such command wrote."""
    try:
        summary = json.loads((Path(folder) / SUMMARY_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return summary.get("command", "") if isinstance(summary, dict) else ""


def read_json(file: Path) -> dict:
    """A JSON object.

    Raises:
        UserError: it cannot be read or holds something else.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{file} is damaged: {error}") from error
    if not isinstance(content, dict):
        raise UserError(f"{file} is damaged: it holds no object")
    return content


AnyStudy = TypeVar("AnyStudy", bound=Study)


def load_study(
    kind: type[AnyStudy],
    folder: str | Path,
    command_name: str,
    keys: Sequence[str],
    has_curves: Callable[[Mapping[str, Any]], bool] = lambda configuration: True,
) -> AnyStudy:
    """Reads a folder.

    Args:
        kind: of study.
        command_name: that wrote it, as in "exo evaluate exo".
        keys: that its configuration must hold.
        has_curves: whether a study of a configuration has curves.

    Raises:
        UserError: not such a folder, or a damaged file.
        GaitError: damaged curves.
    """
    folder = Path(folder)
    summary = read_json(folder / SUMMARY_FILE)
    if summary.get("command") != command_name:
        raise UserError(f"{folder} is not the folder of an evaluation: give one that `{command_name}` wrote")
    try:
        figures = {entry["name"]: Figure.from_entry(entry) for entry in summary["figures"]}
        lacking = [key for key in keys if key not in summary["configuration"]]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{folder / SUMMARY_FILE} is damaged: {error}") from error
    if lacking or not figures:
        raise UserError(f"{folder / SUMMARY_FILE} is damaged: it lacks {', '.join(lacking) or 'figures'}")
    record = read_json(folder / RECORD_FILE) if (folder / RECORD_FILE).is_file() else {}
    curves = CurveTable.read(folder / CURVES_FILE) if has_curves(summary["configuration"]) else CurveTable()
    return kind(folder, summary, record, figures, curves)


def words_of(configuration: Mapping[str, Any], options: Mapping[str, str]) -> list[str]:
    """Words of a command line for what a configuration says; empty values are the defaults and left out.

    Args:
        options: by the configuration's key.
    """

    def word(value) -> str:
        return f"{value:g}" if isinstance(value, float) else str(value)

    words: list[str] = []
    for key, option in options.items():
        value = configuration.get(key)
        if value is True:
            words.append(option)
        elif isinstance(value, list) and value:
            words += [option, *map(word, value)]
        elif value not in (None, "", False) and not isinstance(value, (list, dict)):
            words += [option, word(value)]
    return words


def everything(study: Study) -> Section:
    """All figures, folded away."""
    rows = [
        (name, figure_value(f), unit_words(f), in_signs(f.target), verdict(f.met))
        for name, f in study.figures.items()
        if math.isfinite(f.value) or f.met is not None
    ]
    head = ("figure", "value [95 % interval]", "unit", "target", "")
    return Section("figures", "All figures", [folded(f"{len(rows)} figures", table(head, rows))])


def write_study(
    study: Study, page_title: str, heading_words: str, subtitle: str, headline: str, above: Sequence[Block],
    sections: Sequence[Section], words: Sequence[str], *more: Block,
) -> Path:  # fmt: skip
    """Write the report of a study into its folder: its result, `above`, sections, how to repeat it. Returns its path.

    Args:
        words: the command that measures the same again; `more`: what is said below it.

    Raises:
        UserError: it cannot be written.
    """
    opening = [title(heading_words), text(subtitle, faint=True), lead(headline), *above, *missing(study.notes)]
    made = made_with(study.summary, study.record)
    again = Section("reproduction", "How to reproduce it", [command(shlex.join(words)), *more, made])
    return write_page(study.folder / REPORT_NAME, f"exo_gait: {page_title}", opening, [*sections, again])
