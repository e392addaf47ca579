# SPDX-License-Identifier: Apache-2.0
"""Persons and impairments to choose from."""

from __future__ import annotations

from pathlib import Path

from exo_sim.body.subject import Subject, load_subject, make_impairments
from exo_sim.subjects import SUBJECT_FOLDER, presets

#: The impairment that leaves a person as the file says.
OWN = "as in the file"
#: Named patients by what the page calls them.
PATIENTS: dict[str, str] = {name.replace("_", " "): name for name in presets()}
IMPAIRMENTS = (OWN, *PATIENTS)


def persons(folder: Path | None = None) -> dict[str, Subject]:
    """Subjects of the YAML files in a folder (config/subjects), by what the page calls them.

    Raises:
        SimError: one of the files cannot be used.
    """
    folder = folder or SUBJECT_FOLDER
    subjects = [load_subject(path) for path in sorted(folder.glob("*.yaml"))]
    subjects.sort(key=lambda subject: (subject.name != "default", subject.name))
    return {
        f"{subject.name.replace('_', ' ')}: {subject.height_m:.2f} m, {subject.mass_kg:.0f} kg": subject
        for subject in subjects
    }


def impairments(subject: Subject, choice: str) -> str:
    """What sim/set_subject is to be told: the person's own impairments, or those of a named patient.

    Raises:
        KeyError: no such impairment.
    """
    own = subject if choice == OWN else make_impairments(f"preset: {PATIENTS[choice]}")
    return own.text()
