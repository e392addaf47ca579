# SPDX-License-Identifier: Apache-2.0
"""Who walks next in training: people of every size and strength, on floors and with nerves that differ."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from exo_device.description import DeviceDescription
from exo_lab.train.config import PeopleConfig
from exo_lab.train.impaired_people import draw_impairments
from exo_sim.body.model import FLOOR_GEOM, BodyModel, build_body
from exo_sim.body.muscle_groups import GROUPS_BY_SIDE
from exo_sim.body.subject import MODEL_HEIGHT_M, MODEL_MASS_KG, Subject


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
