# SPDX-License-Identifier: Apache-2.0
"""Finds the people who walk by name: shipped subjects, and named patients (config/presets.yaml).

In a subject's file `preset: drop_foot_right` (or a list of them) takes over the impairments of a preset; wherever a
subject is named, `preset:drop_foot_right` is the unscaled body with them. Launch files read this in the system's
Python, which has no library but yaml.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from exo_core.files import named_file
from exo_core.yaml_file import parse_mapping
from exo_sim.errors import SimError

#: Begins the name of a patient of the presets, where a subject is asked for.
PRESET_PREFIX = "preset:"
#: Letters of a subject's name: it becomes that of a file, and of human/subject.
LONGEST_NAME = 128
SUBJECT_FOLDER = Path(__file__).resolve().parent / "config" / "subjects"


def subject_file(name_or_path: str | Path) -> Path:
    """File of a subject given by name or path.

    A named patient, `preset:crouch`, is in no file of its own and stays as it is: whoever reads subjects knows it.
    Raises UserError, which lists the names that there are.
    """
    if str(name_or_path).startswith(PRESET_PREFIX):
        return Path(name_or_path)
    return named_file("subject", name_or_path, SUBJECT_FOLDER)


PRESETS_FILE = "presets.yaml"
_SIDE_WORDS = {"r": "right", "l": "left"}
#: Fields whose keys get a side.
_BY_SIDE = (
    "strengths",
    "weakness",
    "contractures",
    "spasticity",
    "activation_slowdown",
    "deactivation_slowdown",
    "co_contraction",
)


@dataclass(frozen=True)
class Preset:
    """One named patient.

    Attributes:
        name: as it is used, with its side, e.g. drop_foot_right.
        description: in a sentence.
        source: clinical literature.
        side: "r" or "l" of the impairment; None for both.
        fields: of Subject, as in a subject's file.
    """

    name: str
    description: str
    source: str
    side: str | None
    fields: dict[str, Any]


@lru_cache(maxsize=1)
def presets() -> dict[str, Preset]:
    """Every preset by its name, in the order of the file; one-sided ones right and left."""
    text = (resources.files("exo_sim") / "config" / PRESETS_FILE).read_text(encoding="utf-8")
    found = {}
    for name, entry in parse_mapping(text, PRESETS_FILE, "patients by name").items():
        one = entry.pop("sides") == "one"
        description, source = entry.pop("description"), entry.pop("source")
        beside = entry.pop("other_side", {})
        for side in _SIDE_WORDS if one else (None,):
            full = f"{name}_{_SIDE_WORDS[side]}" if one else name
            fields = {field: _sided(value, side) if field in _BY_SIDE else value for field, value in entry.items()}
            for field, value in beside.items():
                fields[field] = {**fields.get(field, {}), **_sided(value, "l" if side == "r" else "r")}
            found[full] = Preset(full, description, source, side, fields)
    return found


def preset(name: str) -> Preset:
    """The preset of this name.

    Raises:
        SimError: there is none; says which there are.
    """
    if name not in presets():
        raise SimError(f"unknown preset '{name}'; allowed: {', '.join(presets())}")
    return presets()[name]


def with_presets(fields: dict[str, Any], source: str) -> dict[str, Any]:
    """Fields of a subject with those of the presets that its field `preset` names (a name or a list).

    Several presets, and what the file says beside them, add up; of their speeds the lowest holds unless the file says
    one.

    Raises:
        SimError: an unknown preset, or two that say different things of the same muscle group, muscle or joint.
    """
    result = {name: value for name, value in fields.items() if name != "preset"}
    names = fields.get("preset") or []
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise SimError(f"{source}: preset: must be a name or a list of names (got {names!r})")
    speeds = []
    for name in names:
        try:
            chosen = preset(name)
        except SimError as error:
            raise SimError(f"{source}: preset: {error}") from error
        for field, value in chosen.fields.items():
            if field not in _BY_SIDE:
                speeds.append(value)
                continue
            own = result.get(field) or {}
            if not isinstance(own, dict):
                continue  # is refused by name when the subject is checked
            for key in value.keys() & own.keys():
                if value[key] != own[key]:
                    raise SimError(
                        f"{source}: {field}.{key} is {own[key]!r} here, but {value[key]!r} in the preset "
                        f"{name}; leave one of them out"
                    )
            result[field] = {**value, **own}
    if speeds:
        result.setdefault("preferred_speed_mps", min(speeds))
        result.setdefault("name", "_".join(names)[:LONGEST_NAME])
    return result


def _sided(value: dict[str, Any], side: str | None) -> dict[str, Any]:
    return {f"{key}_{s}": what for s in ((side,) if side else _SIDE_WORDS) for key, what in value.items()}
