# SPDX-License-Identifier: Apache-2.0
"""The deficits that clinicians know, the signs they know them by, and the value of a sign in a walk.

The data are in deficits.yaml beside this file.
"""

from __future__ import annotations

import math
from functools import lru_cache
from importlib import resources
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from exo_core.yaml_file import parse_yaml
from exo_sim.body.muscle_groups import MUSCLE_GROUPS
from exo_sim.errors import SimError
from exo_sim.world.walk import WalkResult

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Percent = Annotated[float, Field(ge=0.0, le=100.0)]
TOE_OFF = "toe_off"
OTHER_SIDE = {"r": "l", "l": "r"}


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


def known_deficit(name: str) -> Deficit:
    """A deficit by its name.

    Raises:
        SimError: no such deficit; lists those there are.
    """
    for deficit in load_deficits():
        if deficit.name == name:
            return deficit
    raise SimError(f"unknown deficit '{name}'; known: {', '.join(d.name for d in load_deficits())}")


def sign_value(walk: WalkResult, sign: Sign, side: str) -> float:
    """A sign of somebody whose affected leg is `side`; NaN where the walk does not tell.

    The asymmetry is signed: 200 (affected - opposite) / (affected + opposite), percent.
    """
    affected, opposite = (_of_leg(walk, sign, leg) for leg in (side, OTHER_SIDE[side]))
    if sign.leg == "asymmetry":
        total = affected + opposite
        return 200.0 * (affected - opposite) / total if total > 0.0 else math.nan
    return {"affected": affected, "opposite": opposite, "both": 0.5 * (affected + opposite)}[sign.leg]


def _of_leg(walk: WalkResult, sign: Sign, side: str) -> float:
    if sign.stride or sign.window is None:
        return walk.scalar(sign.stride, side)
    curve = walk.curve(sign.curve, side)
    first = walk.scalar("stance_percent", side) if sign.window[0] == TOE_OFF else float(sign.window[0])
    if curve is None or not math.isfinite(first) or not np.isfinite(curve).all():
        return math.nan
    within = slice(math.ceil(first), math.floor(sign.window[1]) + 1)
    return float(_TAKE[sign.take](curve[within], walk.scalar("duration", side) / (len(curve) - 1)))


#: Of a piece of a curve and the time between its points (s).
_TAKE = {
    "max": lambda values, step: values.max(),
    "mean": lambda values, step: values.mean(),
    "negative_mean": lambda values, step: -values.mean(),
    "negative_min": lambda values, step: -values.min(),
    "fastest_fall": lambda values, step: -(np.diff(values) / step).min(),
    "fastest_rise": lambda values, step: (np.diff(values) / step).max(),
    "positive_work": lambda values, step: np.trapezoid(np.maximum(values, 0.0), dx=step),
}
