# SPDX-License-Identifier: Apache-2.0
"""The deficits that clinicians know and the signs they know them by; the data are in deficits.yaml beside this file."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from exo_core.yaml_file import parse_yaml
from exo_sim.body.muscle_groups import MUSCLE_GROUPS

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Percent = Annotated[float, Field(ge=0.0, le=100.0)]
TOE_OFF = "toe_off"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Sign(_Model):
    """A figure of a walk that a deficit changes in a known direction; the fields are explained in deficits.yaml."""

    name: Name
    title: str
    leg: Literal["affected", "opposite", "both", "asymmetry"]
    curve: str = ""
    window: tuple[Percent | Literal["toe_off"], Percent] | None = None
    take: Literal[
        "", "max", "mean", "negative_mean", "negative_min", "fastest_fall", "fastest_rise", "positive_work"
    ] = ""
    stride: str = ""
    direction: Literal["up", "down"]
    least: Annotated[float, Field(gt=0.0)]
    unit: str

    @model_validator(mode="after")
    def _one_source(self) -> Sign:
        of_curve = bool(self.curve and self.window and self.take)
        if of_curve == bool(self.stride) or bool(self.curve or self.window or self.take) != of_curve:
            raise ValueError(f"sign {self.name}: give curve, window and take, or stride")
        return self

    @property
    def towards(self) -> float:
        """1 where the deficit raises the figure, -1 where it lowers it."""
        return 1.0 if self.direction == "up" else -1.0


class Finding(_Model):
    """What a clinician would note; shown when one of its signs is."""

    title: str
    source: str
    signs: Annotated[tuple[Sign, ...], Field(min_length=1)]


class Deficit(_Model):
    """Weakness of some muscle groups of one leg, and what it looks like; the first finding is the leading one."""

    name: Name
    title: str
    groups: Annotated[tuple[str, ...], Field(min_length=1)]
    patients: tuple[str, ...] = ()
    findings: Annotated[tuple[Finding, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _sound(self) -> Deficit:
        unknown = [group for group in self.groups if group not in MUSCLE_GROUPS]
        if unknown:
            raise ValueError(f"deficit {self.name}: unknown muscle group(s) {', '.join(unknown)}")
        names = [sign.name for sign in self.signs]
        if len(set(names)) != len(names):
            raise ValueError(f"deficit {self.name}: a sign is named twice")
        return self

    @property
    def signs(self) -> tuple[Sign, ...]:
        """Of all findings, in their order."""
        return tuple(sign for finding in self.findings for sign in finding.signs)

    def strengths(self, side: str, strength: float) -> dict[str, float]:
        """Strengths by muscle group and side ("r" or "l") of somebody whose groups have this share of their force."""
        return {f"{group}_{side}": strength for group in self.groups}


@lru_cache(maxsize=1)
def load_deficits() -> tuple[Deficit, ...]:
    """All deficits, in the order of every table."""
    text = (resources.files(__package__) / "deficits.yaml").read_text(encoding="utf-8")
    return tuple(Deficit.model_validate(entry) for entry in parse_yaml(text, "deficits.yaml"))
