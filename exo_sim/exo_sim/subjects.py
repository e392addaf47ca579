# SPDX-License-Identifier: Apache-2.0
"""Finds the shipped subjects by name. Needs no library at all: launch files read it in the system's Python."""

from __future__ import annotations

from pathlib import Path

from exo_core.files import named_file

#: Begins the name of a patient of the presets, where a subject is asked for.
PRESET_PREFIX = "preset:"
SUBJECT_FOLDER = Path(__file__).resolve().parent / "config" / "subjects"


def subject_file(name_or_path: str | Path) -> Path:
    """File of a subject given by name or path.

    A named patient, `preset:crouch`, is in no file of its own and stays as it is: whoever reads subjects knows it.
    Raises UserError, which lists the names that there are.
    """
    if str(name_or_path).startswith(PRESET_PREFIX):
        return Path(name_or_path)
    return named_file("subject", name_or_path, SUBJECT_FOLDER)
