# SPDX-License-Identifier: Apache-2.0
"""The wearer as a file: size, mass, strength and preferred speed."""
from __future__ import annotations

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from exo_sim.body.muscle_groups import GROUPS_BY_SIDE
from exo_sim.errors import SimError

#: Stature of the unscaled MyoLegs model (m) and its mass (kg): Rajagopal et al. 2016, IEEE TBME 63:2068.
MODEL_HEIGHT_M = 1.70
MODEL_MASS_KG = 75.0


class Subject(BaseModel):
    """A person. Fields that are left out keep the values of the unscaled model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_\-]+$")] = "default"
    #: Stature (m).
    height_m: Annotated[float, Field(ge=1.50, le=1.95)] = MODEL_HEIGHT_M
    #: Body mass without device (kg).
    mass_kg: Annotated[float, Field(ge=45.0, le=110.0)] = MODEL_MASS_KG
    #: Speed the person would choose (m/s).
    preferred_speed_mps: Annotated[float, Field(ge=0.6, le=1.8)] = 1.25
    #: Maximum isometric force as a fraction of the model's, by muscle group and side, e.g. plantarflexors_r.
    strengths: dict[str, Annotated[float, Field(ge=0.0, le=2.0)]] = Field(default_factory=dict)

    @field_validator("strengths")
    @classmethod
    def _known_groups(cls, value: dict[str, float]) -> dict[str, float]:
        for group in value:
            if group not in GROUPS_BY_SIDE:
                raise ValueError(f"unknown muscle group '{group}'; allowed: {', '.join(GROUPS_BY_SIDE)}")
        return value

    @property
    def length_scale(self) -> float:
        """Every length of the body relative to the unscaled model."""
        return self.height_m / MODEL_HEIGHT_M

    @property
    def mass_scale(self) -> float:
        """Every mass of the body relative to the unscaled model."""
        return self.mass_kg / MODEL_MASS_KG


def load_subject(path: str | Path | None) -> Subject:
    """Reads a subject YAML; None or an empty path gives the default subject.

    Raises:
        SimError: unreadable file, unknown field or value out of range; says which field and what is allowed.
    """
    if path is None or str(path) == "":
        return Subject()
    path = Path(path)
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SimError(f"{path}: cannot read the subject: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SimError(f"{path}: not a valid YAML file: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise SimError(f"{path}: expected fields such as height_m, mass_kg, strengths")
    return make_subject(document, str(path))


def make_subject(fields: dict, source: str = "subject") -> Subject:
    """Checks the fields of a subject.

    Raises:
        SimError: with the first wrong field and what it may be.
    """
    try:
        return Subject.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            allowed = ", ".join(Subject.model_fields)
            raise SimError(f"{source}: unknown field '{field}'; allowed: {allowed}") from error
        message = first["msg"].removeprefix("Value error, ")
        raise SimError(f"{source}: {field}: {message} (got {first.get('input')!r})") from error
