# SPDX-License-Identifier: Apache-2.0
"""Who walks next: people of every size and strength, also impaired ones, on floors and with nerves that differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import mujoco
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from exo_device.description import DeviceDescription
from exo_sim.body.impairments import Contracture, Impairments, Spasticity
from exo_sim.body.model import FLOOR_GEOM, BodyModel, build_body
from exo_sim.body.muscle_groups import GROUPS_BY_SIDE, MUSCLE_GROUPS
from exo_sim.body.subject import MODEL_HEIGHT_M, MODEL_MASS_KG, Subject

Share = Annotated[float, Field(ge=0, le=1)]
Range = tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]

#: What is stiff, drawn to which angle (rad), in a contracture: equinus, and knees or hips drawn into flexion.
_CONTRACTURES = {"ankle_angle": -0.15, "knee_angle": 0.3, "hip_flexion": 0.25}
#: Groups that spasticity is common in after a stroke and in cerebral palsy.
_SPASTIC = ("plantarflexors", "knee_flexors", "knee_extensors", "hip_adductors")
_CO_CONTRACTED = ("ankle_angle", "knee_angle")
#: Lowest and highest threshold of a reflex (optimal fibre lengths per second).
_REFLEX_THRESHOLD = (0.2, 1.0)
#: Groups of a weak side differ from each other by this standard deviation of strength.
_UNEVEN_SD = 0.1


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ImpairmentConfig(_Model):
    """Who is impaired among the people drawn, and how far; a stage of the curriculum may use a part of it."""

    share: Share = 0.0  #: of people, if the stage has any
    strength_range: tuple[Share, Share] = (0.25, 0.8)  #: of weak groups
    #: Fewest and most weak groups, on one side.
    weak_groups: tuple[Annotated[int, Field(ge=1, le=8)], Annotated[int, Field(ge=1, le=8)]] = (1, 3)
    whole_side: Share = 0.25  #: of the impaired: all groups of one side (hemiparesis)
    bilateral: Share = 0.15  #: of the impaired: the weak groups are so on both sides
    #: Probability, on a weak side, of each of contracture, spasticity, slow activation and co-contraction.
    others: Share = 0.0
    most_stiffness_nm_per_rad: Annotated[float, Field(gt=0, le=200)] = 20.0  #: of contractures
    most_reflex_gain: Annotated[float, Field(gt=0, le=5)] = 0.2  #: of spasticity
    most_slowdown: Annotated[float, Field(ge=1, le=10)] = 2.0  #: of activation
    most_co_contraction: Annotated[float, Field(ge=0, le=0.5)] = 0.1


class PeopleConfig(_Model):
    """Ranges that people are drawn from; a stage of the curriculum may use a part of them."""

    bodies: Annotated[int, Field(ge=1)]  #: compiled at a time, per worker
    renew_after_episodes: Annotated[int, Field(ge=1)]  #: one of them is replaced, per worker
    height_range_m: Range
    mass_range_kg: Range
    bmi_range: Range  #: body mass index that height and mass must give
    strength_range: Range  #: of each muscle group and side
    friction_range: Range  #: factor on the friction of floor and soles
    segment_mass_sd: Annotated[float, Field(ge=0, le=0.5)]  #: of the logarithm of a segment's mass and inertia
    servo_gain_range: Range  #: factor on the coordination's joint servo
    impairments: ImpairmentConfig = ImpairmentConfig()


@dataclass(frozen=True)
class Person:
    """A body with a model of its own, and how stiff the servo of its muscle coordination is, relative to others'."""

    body: BodyModel
    servo_gain: float


class People:
    """Draws people who wear the same device.

    Compiling a body takes as long as hundreds of steps: a few are kept, the oldest of which now and then gives way
    to a new one, while strength, mass distribution, friction and servo gain are new for everybody who is drawn.

    Args:
        device: that everybody wears, or None.
        physics_rate_hz: of the compiled bodies.
        config: ranges.
        random: of everything drawn.
        sensed: whether the device's sensors are read.
    """

    def __init__(
        self,
        device: DeviceDescription | None,
        physics_rate_hz: float,
        config: PeopleConfig,
        random: np.random.Generator,
        sensed: bool = False,
    ):
        self._sensed = sensed
        self._device, self._physics_rate_hz, self._config, self._random = device, physics_rate_hz, config, random
        self._spread, self._variation, self._deficit, self._drawn = 0.0, 0.0, 0.0, 0
        self._bodies = [build_body(Subject(), device, physics_rate_hz, accelerometer=sensed)]

    @property
    def first(self) -> BodyModel:
        """The unscaled model's body, which is always among the people."""
        return self._bodies[0]

    def configure(self, body_spread: float, variation: float, deficit: float = 1.0) -> None:
        """Takes over a stage of the curriculum.

        Args:
            body_spread: share of the ranges of height, mass and strength in use, 0 to 1.
            variation: the same of friction, mass distribution and servo gain.
            deficit: the same of impairments.
        """
        self._variation, self._deficit = variation, deficit
        if body_spread != self._spread:
            self._spread = body_spread
            self._bodies[1:] = [self._new_body() for _ in range(self._config.bodies - 1)] if body_spread else []

    def draw(self) -> Person:
        """The next person; the body is theirs alone."""
        config, random, variation = self._config, self._random, self._variation
        self._drawn += 1
        if len(self._bodies) > 1 and self._drawn % config.renew_after_episodes == 0:
            self._bodies.append(self._new_body())
            del self._bodies[1]
        body = self._bodies[random.integers(len(self._bodies))].own_copy()
        low, high = (1.0 + self._spread * (bound - 1.0) for bound in config.strength_range)
        strengths = {group: random.uniform(low, high) for group in GROUPS_BY_SIDE}
        if config.impairments.share and self._deficit and random.random() < config.impairments.share:
            body.impair(draw_impairments(config.impairments, self._deficit, strengths, random))
        else:
            body.set_strengths(strengths)
        if variation:
            self._vary(body)
        gain = 1.0 + variation * (random.uniform(*config.servo_gain_range) - 1.0)
        return Person(body, gain)

    def _vary(self, body: BodyModel) -> None:
        """Another friction and mass distribution, in place."""
        config, random, variation, model = self._config, self._random, self._variation, body.model
        factor = 1.0 + variation * (random.uniform(*config.friction_range) - 1.0)
        floor = model.geom(FLOOR_GEOM).id
        for geom in (floor, *body.sole_geoms):
            model.geom_friction[geom, 0] *= factor
        share = np.exp(variation * config.segment_mass_sd * random.standard_normal(model.nbody))
        share *= model.body_mass.sum() / (model.body_mass * share).sum()  # the person weighs the same
        model.body_mass[:] *= share
        model.body_inertia[:] *= share[:, None]
        mujoco.mj_setConst(model, mujoco.MjData(model))

    def _new_body(self) -> BodyModel:
        """A body of another size; height and mass are drawn until they fit each other."""
        config, random, spread = self._config, self._random, self._spread
        while True:
            height = MODEL_HEIGHT_M + spread * (random.uniform(*config.height_range_m) - MODEL_HEIGHT_M)
            mass = MODEL_MASS_KG + spread * (random.uniform(*config.mass_range_kg) - MODEL_MASS_KG)
            if config.bmi_range[0] <= mass / height**2 <= config.bmi_range[1]:
                break
        return build_body(
            Subject(name="drawn", height_m=height, mass_kg=mass),
            self._device,
            self._physics_rate_hz,
            accelerometer=self._sensed,
        )


class SingleWearer:
    """Stands in for People where there is one wearer.

    Of what People varies only what differs from day to day is left: the floor's friction and how stiffly the joints
    are held. Body, mass and impairments are the wearer's.

    Args:
        device: that is worn.
        physics_rate_hz: of the body.
        wearer: who it is.
        config: ranges.
        random: of everything drawn.
    """

    def __init__(
        self,
        device: DeviceDescription,
        physics_rate_hz: float,
        wearer: Subject,
        config: PeopleConfig,
        random: np.random.Generator,
    ):
        self._config, self._random = config, random
        self._body = build_body(wearer, device, physics_rate_hz)

    @property
    def first(self) -> BodyModel:
        """The wearer's body."""
        return self._body

    def draw(self) -> Person:
        """The wearer on another day; the body is a copy of its own."""
        random, body = self._random, self._body.own_copy()
        friction = random.uniform(*self._config.friction_range)
        for geom in (body.model.geom(FLOOR_GEOM).id, *body.sole_geoms):
            body.model.geom_friction[geom, 0] *= friction
        return Person(body, random.uniform(*self._config.servo_gain_range))


def draw_impairments(
    config: ImpairmentConfig, severity: float, strengths: dict[str, float], random: np.random.Generator
) -> Impairments:
    """Impairments of a person whose healthy muscles have these strengths (by group and side).

    Args:
        severity: share of the configured ranges in use, 0 to 1.
    """
    groups, sides = list(MUSCLE_GROUPS), [str(random.choice(["r", "l"]))]
    kind = random.random()
    if kind < config.whole_side:
        weak = groups
    else:
        count = random.integers(config.weak_groups[0], config.weak_groups[1] + 1)
        weak = [str(group) for group in random.choice(groups, size=count, replace=False)]
        if kind < config.whole_side + config.bilateral:
            sides = ["r", "l"]
    low, high = config.strength_range
    common, drawn = random.uniform(low, high), dict(strengths)
    for group in weak:
        left = random.uniform(low, high) if len(weak) < len(groups) else common + _UNEVEN_SD * random.standard_normal()
        left = 1.0 - severity * (1.0 - float(np.clip(left, low, high)))
        for side in sides:
            drawn[f"{group}_{side}"] = min(left, drawn.get(f"{group}_{side}", left))
    fields: dict[str, dict] = {
        "strengths": drawn,
        "contractures": {},
        "spasticity": {},
        "activation_slowdown": {},
        "co_contraction": {},
    }
    for side in sides:
        _others(config, severity, side, fields, random)
    return Impairments(**fields)


def _others(
    config: ImpairmentConfig, severity: float, side: str, fields: dict[str, dict], random: np.random.Generator
) -> None:
    def some(most: float) -> float:
        return float(severity * random.uniform(0.2, 1.0) * most)

    def struck() -> bool:
        return bool(random.random() < config.others)

    if struck():
        joint = str(random.choice(list(_CONTRACTURES)))
        fields["contractures"][f"{joint}_{side}"] = Contracture(
            stiffness_nm_per_rad=some(config.most_stiffness_nm_per_rad), rest_rad=_CONTRACTURES[joint]
        )
    if struck():
        group = str(random.choice(_SPASTIC))
        fields["spasticity"][f"{group}_{side}"] = Spasticity(
            gain=some(config.most_reflex_gain), threshold=float(random.uniform(*_REFLEX_THRESHOLD))
        )
    if struck():
        slowdown = 1.0 + some(config.most_slowdown - 1.0)
        fields["activation_slowdown"].update({f"{group}_{side}": slowdown for group in MUSCLE_GROUPS})
    if struck():
        joint = str(random.choice(_CO_CONTRACTED))
        fields["co_contraction"][f"{joint}_{side}"] = some(config.most_co_contraction)
