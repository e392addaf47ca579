# SPDX-License-Identifier: Apache-2.0
"""Puts a report together and writes it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from html import escape
from pathlib import Path

from exo_bringup.errors import BringupError
from exo_bringup.html_report import (
    curve_sections,
    metabolic_section,
    muscle_section,
    number_sections,
    symmetry_section,
)
from exo_bringup.html_report.common import conditions_of
from exo_bringup.html_report.headline import (
    COMPARISON_HEAD,
    comparison_table,
    one_line,
    picture,
    subtitle,
    tiles,
)
from exo_bringup.html_report.panels import HEIGHT, WIDTH, bar_panel, legend
from exo_bringup.html_report.parts import Section, figure, grid, note, paragraph, table
from exo_bringup.html_report.run_data import (
    METABOLIC_POWER,
    METABOLIC_POWER_UMBERGER,
    RunData,
    load_run,
)
from exo_bringup.html_report.style import STYLE_SHEET
from exo_sim.measurement.whole_file import whole_file

REPORT_NAME, COMPARISON_NAME = "report.html", "comparison.html"
SECTIONS = (
    curve_sections.angles,
    curve_sections.moments,
    curve_sections.powers,
    curve_sections.forces,
    muscle_section.muscles,
    curve_sections.device,
    metabolic_section.metabolic,
    symmetry_section.symmetry,
    number_sections.strides,
    number_sections.health,
    number_sections.targets,
    number_sections.reproduction,
)
#: More runs would be too narrow to read side by side.
MOST_RUNS = 4
#: What may differ between runs, as their labels name it.
LABEL_KEYS = {
    "subject": "",
    "device": "",
    "controller": "",
    "speed_mps": " m/s",
    "human_checkpoint": "",
    "checkpoint": "",
    "seed": "seed ",
}


def write_report_page(run_folder: str | Path) -> Path:
    """Write report.html beside a run's files. Returns its path.

    Raises:
        BringupError: not a run's folder, or it cannot be written.
        GaitError: damaged curves.
    """
    run = load_run(run_folder)
    opening = (
        f"<h1>Walking in an exoskeleton</h1>{paragraph(subtitle(run.configuration, run), faint=True)}"
        f'<p class="lead">{escape(one_line(run))}</p>{picture(run)}{tiles(run)}{note(run.notes)}'
    )
    return _write(run.folder.path / REPORT_NAME, f"exo_gait: {run.label}", opening, [run])


def write_comparison_page(run_folders: Sequence[str | Path], output: str | Path = COMPARISON_NAME) -> Path:
    """Write several runs side by side into one file. Returns its path.

    Raises:
        BringupError: fewer than two runs or too many, not runs' folders, or the file cannot be written.
        GaitError: damaged curves.
    """
    if not 2 <= len(run_folders) <= MOST_RUNS:
        raise BringupError(f"give 2 to {MOST_RUNS} runs to compare, got {len(run_folders)}")
    runs = label_runs([load_run(folder) for folder in run_folders])
    notes = [f"{run.label}: {line}" for run in runs for line in run.notes]
    bars = [
        figure(
            title,
            WIDTH * 1.6,
            HEIGHT,
            bar_panel(
                title,
                "W/kg, gross, mean and SD of strides",
                metabolic_section.cost_bars(runs, name),
                WIDTH * 1.6,
            ),
        )
        for title, name in (
            ("Metabolic power, Bhargava 2004", METABOLIC_POWER),
            ("Metabolic power, Umberger 2010", METABOLIC_POWER_UMBERGER),
        )
    ]
    opening = (
        f"<h1>{len(runs)} runs side by side</h1>"
        + table(COMPARISON_HEAD, comparison_table(runs))
        + paragraph("; ".join(f"{run.label}: {run.folder.path.name}" for run in runs), faint=True)
        + legend(conditions_of(runs), False, False, False)
        + grid(2, bars)
        + note(notes)
    )
    return _write(Path(output), "exo_gait: comparison", opening, runs)


def label_runs(runs: Sequence[RunData]) -> list[RunData]:
    """The same runs with a letter each and what sets them apart."""
    different = [key for key in LABEL_KEYS if len({str(run.configuration.get(key)) for run in runs}) > 1]
    labelled = []
    for letter, run in zip("ABCDEFGH", runs):
        words = [_value_words(key, run.configuration.get(key)) for key in different]
        words = [word for word in words if word]
        labelled.append(dataclasses.replace(run, label=f"{letter} {', '.join(words[:2])}".strip()))
    return labelled


def _value_words(key: str, value) -> str:
    if value in (None, ""):
        return ""
    text = f"{value:g}" if isinstance(value, float) else Path(str(value)).stem if isinstance(value, str) else str(value)
    return f"{LABEL_KEYS[key]}{text}" if key == "seed" else f"{text}{LABEL_KEYS[key]}"


def _write(path: Path, title: str, opening: str, runs: Sequence[RunData]) -> Path:
    return write_page(path, title, opening, [build(runs) for build in SECTIONS])


def write_page(path: Path, title: str, opening: str, sections: Sequence[Section]) -> Path:
    """Write a page of an opening (HTML) and sections. Returns its path; BringupError if it cannot be written."""
    html = _page(title, opening, sections)
    try:
        with whole_file(path) as file:
            file.write(html)
    except OSError as error:
        raise BringupError(f"cannot write {path}: {error.strerror}") from error
    return path


def _page(title: str, opening: str, sections: Sequence[Section]) -> str:
    links = "".join(f'<a href="#{section.name}">{escape(section.title)}</a>' for section in sections)
    body = "".join(
        f'<section><h2 id="{section.name}">{escape(section.title)}</h2>{section.content}</section>'
        for section in sections
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE_SHEET}</style></head>"
        f"<body><header>{opening}</header><nav>{links}</nav>{body}</body></html>\n"
    )
