# SPDX-License-Identifier: Apache-2.0
"""The one person a policy is personalised to: always the same body, on floors and in fits that differ."""

from __future__ import annotations

import numpy as np

from exo_device.description import DeviceDescription
from exo_lab.train.config import PeopleConfig
from exo_lab.train.people import Person
from exo_sim.body.model import FLOOR_GEOM, BodyModel, build_body
from exo_sim.body.subject import Subject


class OneWearer:
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
