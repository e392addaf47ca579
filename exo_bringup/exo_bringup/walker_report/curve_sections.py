# SPDX-License-Identifier: Apache-2.0
"""Sections of curves over the stride at every speed."""

from __future__ import annotations

from exo_bringup.html_report.catalogue import ANGLES, FORCES, MOMENTS, POWERS, Variable
from exo_bringup.html_report.parts import Section, paragraph
from exo_bringup.walker_report.data import WalkerData
from exo_bringup.walker_report.look import curve_legend
from exo_bringup.walker_report.speed_rows import speed_row

#: Joint that an angle's, moment's or power's figures are named after.
JOINTS = {"hip_flexion": "hip", "knee_flexion": "knee", "ankle_dorsiflexion": "ankle"}
FORCE_FIGURES = {"grf_vertical_BW": "grf_vertical_r", "grf_fore_aft_BW": "grf_fore_aft_r"}


def angles(data: WalkerData) -> Section:
    """Joint and pelvis angles."""

    def scores(variable: Variable) -> list[tuple[str, str]]:
        joint = JOINTS.get(variable.name)
        return [("RMSE", f"{joint}_angle_rmse"), ("r", f"{joint}_angle_r")] if joint else []

    return _section(
        "angles",
        "Joint angles",
        "RMSE (degrees) is what remains after the mean offset is removed: laboratories disagree by 1.4 to "
        "3.4 degrees in the offset of joint angles, and the walker's pelvis stands upright where people's is "
        "tilted forward by 12 degrees.",
        data,
        ANGLES,
        scores,
    )


def moments(data: WalkerData) -> Section:
    """Internal joint moments."""
    return _section(
        "moments",
        "Joint moments",
        "Internal moments of muscles and passive tissue over body mass.",
        data,
        MOMENTS,
        lambda variable: _joint_score(variable, "moment"),
    )


def powers(data: WalkerData) -> Section:
    """Sagittal joint powers."""
    return _section(
        "powers",
        "Joint powers",
        "Sagittal plane, over body mass.",
        data,
        POWERS,
        lambda variable: _joint_score(variable, "power"),
    )


def forces(data: WalkerData) -> Section:
    """Ground reaction force."""
    return _section(
        "forces",
        "Ground reaction force",
        "Fore-aft is along each stride's direction of travel.",
        data,
        FORCES,
        lambda variable: [("r", FORCE_FIGURES[variable.name])],
    )


def _joint_score(variable: Variable, kind: str) -> list[tuple[str, str]]:
    joint, found, _ = variable.name.partition(f"_{kind}_")
    return [("r", f"{joint}_{kind}_r")] if found and joint in JOINTS.values() else []


def _section(name: str, title: str, words: str, data: WalkerData, variables, scores) -> Section:
    rows = "".join(speed_row(data, variable, scores(variable)) for variable in variables)
    return Section(name, title, paragraph(words, faint=True) + curve_legend() + rows)
