# SPDX-License-Identifier: Apache-2.0
"""The wearer as a file: size, mass, preferred speed and what is impaired."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field, ValidationError

from exo_core.errors import one_line
from exo_core.yaml_file import YamlError, parse_mapping, read_mapping
from exo_sim.body.impairments import Contracture, Impairments, Spasticity
from exo_sim.errors import SimError
from exo_sim.subjects import LONGEST_NAME, PRESET_PREFIX, with_presets

#: Of what is wrong (bytes): a file may hold a name of a megabyte.
MOST_SHOWN = 100
#: Stature of the unscaled MyoLegs model (m) and its mass (kg): Rajagopal et al. 2016, IEEE TBME 63:2068.
MODEL_HEIGHT_M = 1.70
MODEL_MASS_KG = 75.0

Checked = TypeVar("Checked", bound=Impairments)


class Subject(Impairments):
    """A person. Fields that are left out keep the values of the unscaled, healthy model.

    A file may also name presets, `preset: drop_foot_right` or a list of them; their impairments add to its own.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_\-]+$", max_length=LONGEST_NAME)] = "default"
    #: Stature (m).
    height_m: Annotated[float, Field(ge=1.50, le=1.95)] = MODEL_HEIGHT_M
    #: Body mass without device (kg).
    mass_kg: Annotated[float, Field(ge=45.0, le=110.0)] = MODEL_MASS_KG
    #: Speed the person would choose (m/s).
    preferred_speed_mps: Annotated[float, Field(ge=0.6, le=1.8)] = 1.25

    @property
    def length_scale(self) -> float:
        """Every length of the body relative to the unscaled model."""
        return self.height_m / MODEL_HEIGHT_M

    @property
    def mass_scale(self) -> float:
        """Every mass of the body relative to the unscaled model."""
        return self.mass_kg / MODEL_MASS_KG


def load_subject(path: str | Path | None) -> Subject:
    """Reads a subject YAML; None or an empty path gives the default subject, `preset:NAME` a named patient.

    Raises:
        SimError: unreadable file, unknown field or preset, value out of range, or fields that contradict each other;
            says which field and what is allowed.
    """
    if path is None or str(path) == "":
        return Subject()
    if str(path).startswith(PRESET_PREFIX):
        return make_subject({"preset": str(path).removeprefix(PRESET_PREFIX)}, str(path))
    try:
        return make_subject(read_mapping(path, "fields such as height_m, mass_kg, strengths"), str(path))
    except YamlError as error:
        raise SimError(str(error)) from error


def make_subject(fields: dict, source: str = "subject") -> Subject:
    """Checks the fields of a subject, as a file has them.

    Raises:
        SimError: with the first wrong field and what it may be.
    """
    return _checked(Subject, with_presets(fields, source), source)


def make_impairments(text: str, source: str = "impairments") -> Impairments:
    """Impairments from YAML text with the fields of a subject's file that describe them, `preset` included.

    Raises:
        SimError: not YAML, or as `make_subject`.
    """
    try:
        fields = parse_mapping(text, source, "fields such as preset, strengths, contractures")
    except YamlError as error:
        raise SimError(str(error)) from error
    merged = with_presets(fields, source)
    if fields.get("preset"):
        for who in set(merged) - set(fields) - set(Impairments.model_fields):
            del merged[who]  # name and speed, which the preset would suggest
    return _checked(Impairments, merged, source)


def _checked(kind: type[Checked], fields: dict, source: str) -> Checked:
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = one_line(".".join(str(part) for part in first["loc"]), MOST_SHOWN)
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            inner = {"contractures": Contracture, "spasticity": Spasticity}.get(first["loc"][0])
            allowed = inner.model_fields if inner else [*kind.model_fields, "preset"]
            raise SimError(f"{source}: unknown field '{field}'; allowed: {', '.join(allowed)}") from error
        if not first["loc"]:  # about the fields together
            raise SimError(f"{source}: {message}") from error
        raise SimError(
            f"{source}: {field}: {message} (got {one_line(repr(first.get('input')), MOST_SHOWN)})"
        ) from error
