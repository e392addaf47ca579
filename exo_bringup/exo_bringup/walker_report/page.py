# SPDX-License-Identifier: Apache-2.0
"""Puts the report of an evaluation of the walker together and writes it."""

from __future__ import annotations

from pathlib import Path

from exo_bringup.html_report.page import REPORT_NAME, write_page
from exo_bringup.walker_report import (
    cost_section,
    curve_sections,
    differences_section,
    emg_section,
    push_section,
    reproduction_section,
    steps_section,
    symmetry_section,
    targets_section,
)
from exo_bringup.walker_report.data import load_walker
from exo_bringup.walker_report.headline import opening

SECTIONS = (
    differences_section.differences,
    steps_section.steps,
    curve_sections.angles,
    curve_sections.moments,
    curve_sections.powers,
    curve_sections.forces,
    emg_section.emg,
    cost_section.cost,
    push_section.pushes,
    symmetry_section.symmetry,
    targets_section.targets,
    reproduction_section.reproduction,
)


def write_walker_page(folder: str | Path) -> Path:
    """Write report.html into the folder of an evaluation. Returns its path.

    Raises:
        BringupError: not such a folder, a damaged file, or it cannot be written.
        GaitError: damaged curves.
    """
    data = load_walker(folder)
    sections = [build(data) for build in SECTIONS]
    return write_page(Path(folder) / REPORT_NAME, "exo_gait: the walker", opening(data), sections)
