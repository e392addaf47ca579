# SPDX-License-Identifier: Apache-2.0
"""Persons and impairments to choose from."""

from __future__ import annotations

from pathlib import Path

from exo_sim.body.muscle_groups import GROUPS_BY_SIDE, MUSCLE_GROUPS
from exo_sim.body.subject import Subject, load_subject

from exo_bringup.paths import CONFIGURATION_FOLDERS, share_folder

#: Strength that is left, by muscle group and side. Examples for a look, not clinical cases.
IMPAIRMENTS: dict[str, dict[str, float]] = {
    "none": {},
    "weak calf, right": {"plantarflexors_r": 0.7},
    "weak calf, both": {"plantarflexors_r": 0.7, "plantarflexors_l": 0.7},
    "weak thigh, right": {"knee_extensors_r": 0.6},
    "weak hip abductors, right": {"hip_abductors_r": 0.7},
    "weak shin, right": {"dorsiflexors_r": 0.5},
    "weak right leg": {f"{group}_r": 0.75 for group in MUSCLE_GROUPS},
    "weak left leg": {f"{group}_l": 0.75 for group in MUSCLE_GROUPS},
}


def persons(folder: Path | None = None) -> dict[str, Subject]:
    """Subjects of the YAML files in a folder (config/subjects), by what the page calls them.

    Raises:
        SimError: one of the files cannot be used.
    """
    folder = folder or share_folder() / CONFIGURATION_FOLDERS["subject"]
    subjects = [load_subject(path) for path in sorted(folder.glob("*.yaml"))]
    subjects.sort(key=lambda subject: (subject.name != "default", subject.name))
    return {
        f"{subject.name.replace('_', ' ')}: {subject.height_m:.2f} m, {subject.mass_kg:.0f} kg": subject
        for subject in subjects
    }


def strengths(subject: Subject, impairment: str) -> dict[str, float]:
    """Strength of every group and side: full, but for what the person and the impairment say.

    Raises:
        KeyError: no such impairment.
    """
    return {**dict.fromkeys(GROUPS_BY_SIDE, 1.0), **subject.strengths, **IMPAIRMENTS[impairment]}
