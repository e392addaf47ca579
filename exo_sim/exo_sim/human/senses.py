# SPDX-License-Identifier: Apache-2.0
"""What the nervous system knows when it decides: the body's senses, each as late as nerves are, and what it intends.

Nothing here reads a device's torque, command or state. A device is noticed as a person notices it: by how muscles are
stretched and the body moves. Values are ordered by the names in MUSCLES_BY_SIDE and JOINTS; the left half mirrors the right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exo_policy.manifest import ActionTerms, Contract, ObservationTerm
from exo_sim.body.muscle_groups import GROUPS_BY_SIDE, MUSCLES_BY_SIDE
from exo_sim.body.native import Gathered
from exo_sim.gait.reference import JOINTS
from exo_sim.human.observation import (
    COORDINATION_RATE_HZ,
    GRF_CLIP_BW,
    LOOKAHEAD_STRIDE,
    NOMINAL_SPEED_MPS,
)
from exo_sim.human.walkers import Walkers, WalkerState

#: From stretch of a muscle to what it changes in excitation (s). The soleus answers in walking after 42 +- 3 ms
#: (Sinkjaer et al. 1996, J Neurophysiol 76:1112); nerves to thigh and hip are shorter. More and Donelan 2018 (Proc R Soc B
#: 285:20180613) take the sum of sensing, conduction and synapses apart in the same way. Activation dynamics come on top.
THIGH_DELAY_S, SHANK_DELAY_S = 0.03, 0.04
#: From the labyrinth to the muscles of the leg (s): the first response to galvanic stimulation begins after about 50 ms in
#: the gastrocnemius (Caporali et al. 2018, PLoS ONE 13:e0204449, figure 2; the second after about 100 ms).
VESTIBULAR_DELAY_S = 0.05
#: From the skin of the foot to the muscles of the leg (s): 70 to 95 ms in the tibialis anterior (Christensen et al. 1999,
#: Exp Brain Res 124:59). The load of a leg shows earlier, in the force of its muscles.
SKIN_DELAY_S = 0.07
#: From the eye to the muscles of the leg (s): 123 ms after a stepping target has moved (Zhang et al. 2020, J Physiol,
#: doi 10.1113/JP278986).
EYE_DELAY_S = 0.12
#: Muscles that lie below the knee or cross it from below, without side.
SHANK_MUSCLES = frozenset(
    ("soleus", "gasmed", "gaslat", "tibpost", "fhl", "fdl", "perlong", "perbrev", "tibant", "edl", "ehl")
)
#: Optimal fibre lengths a second that a fibre's velocity is given relative to: MyoLegs' muscles shorten at most so fast.
FIBRE_VELOCITY_SCALE = 0.1

_MUSCLE_DELAY_S = tuple(SHANK_DELAY_S if name[:-2] in SHANK_MUSCLES else THIGH_DELAY_S for name in MUSCLES_BY_SIDE)


def _halves(count: int) -> tuple[int, ...]:
    """Index of the mirror image of `count` values, the first half of which is right and the second left."""
    half = count // 2
    return (*range(half, count), *range(half))


@dataclass(frozen=True)
class Sense:
    """A named slice of the observation. Mirroring reads `mirror_index` and multiplies by `mirror_sign`.

    Attributes:
        delays_s: of each value.
    """

    name: str
    unit: str
    scale: float
    delays_s: tuple[float, ...]
    mirror_index: tuple[int, ...]
    mirror_sign: tuple[float, ...]

    @property
    def size(self) -> int:
        """Number of values."""
        return len(self.mirror_index)


def _muscles(name: str, unit: str, scale: float, late: bool = True) -> Sense:
    count = len(MUSCLES_BY_SIDE)
    return Sense(name, unit, scale, _MUSCLE_DELAY_S if late else (0.0,) * count, _halves(count), (1.0,) * count)


def _vector(name: str, unit: str, scale: float, delay_s: float, signs: tuple[float, ...]) -> Sense:
    return Sense(name, unit, scale, (delay_s,) * len(signs), tuple(range(len(signs))), signs)


def _sides(name: str, unit: str, scale: float, delay_s: float, count: int) -> Sense:
    return Sense(name, unit, scale, (delay_s,) * count, _halves(count), (1.0,) * count)


#: Order of the observation; vectors are in REP-103 axes (forward, left, up), `scale` multiplies the value.
SENSES: tuple[Sense, ...] = (
    # spindles: length and velocity of the fibres; tendon organs: force
    _muscles("fibre_length_minus_optimal", "optimal fibre length", 1.0),
    _muscles("fibre_velocity", "optimal fibre length per second", FIBRE_VELOCITY_SCALE),
    _muscles("tendon_force", "healthy maximum isometric force", 1.0),
    # a copy of what the nervous system itself has sent, which it need not sense
    _muscles("activation", "1", 1.0, late=False),
    # labyrinth: attitude and rotation of the trunk, which carries the head
    _vector("up_in_trunk", "1", 1.0, VESTIBULAR_DELAY_S, (1.0, -1.0, 1.0)),
    _vector("angular_velocity_of_trunk", "rad/s", 0.2, VESTIBULAR_DELAY_S, (-1.0, 1.0, -1.0)),
    # eyes: how the world passes by, and where the way goes
    _vector("velocity_in_heading", "m/s", 1.0, EYE_DELAY_S, (1.0, -1.0, 1.0)),
    _vector("heading", "rad", 1.0, EYE_DELAY_S, (-1.0,)),
    _sides("sole_load_r_l", "body weight", 1.0, SKIN_DELAY_S, 2),
    # what is intended: rhythm, the usual posture of the moment and a little later, speed
    _vector("phase_sin_cos", "1", 1.0, 0.0, (-1.0, -1.0)),  # the other leg is half a stride later
    _sides("reference_angle", "rad", 1.0, 0.0, len(JOINTS)),
    _sides("reference_angle_ahead", "rad", 1.0, 0.0, len(JOINTS)),
    _vector("commanded_speed_minus_nominal", "m/s", 1.0, 0.0, (1.0,)),
    # who walks: a grown person knows the own body
    _vector("height_and_mass_over_model_minus_1", "1", 5.0, 0.0, (1.0, 1.0)),
    _sides("strength_minus_1", "1", 2.0, 0.0, len(GROUPS_BY_SIDE)),
)
SENSES_SIZE = sum(sense.size for sense in SENSES)

NERVES_CONTRACT = Contract(
    observation=tuple(ObservationTerm(name=s.name, size=s.size, scale=s.scale, unit=s.unit) for s in SENSES),
    action=ActionTerms(
        names=MUSCLES_BY_SIDE,
        scale=(1.0,) * len(MUSCLES_BY_SIDE),
        unit="wanted activation",
        minimum=(0.0,) * len(MUSCLES_BY_SIDE),
        maximum=(1.0,) * len(MUSCLES_BY_SIDE),
    ),
    rate_hz=COORDINATION_RATE_HZ,
)


def senses_mirror_map() -> tuple[np.ndarray, np.ndarray]:
    """Index and sign arrays (SENSES_SIZE,): the mirrored observation is sign * observation[..., index]."""
    index: list[int] = []
    sign: list[float] = []
    start = 0
    for sense in SENSES:
        index += [start + i for i in sense.mirror_index]
        sign += sense.mirror_sign
        start += sense.size
    return np.array(index), np.array(sign, dtype=np.float32)


def muscle_mirror_index() -> np.ndarray:
    """Index array (80,): mirrored activations, in the order of MUSCLES_BY_SIDE, are activation[..., index]."""
    return np.array(_halves(len(MUSCLES_BY_SIDE)))


class DelayLine:
    """Values of n people, each of which comes out so many periods after it went in.

    Args:
        count: people.
        delays: (S,) whole periods.
    """

    def __init__(self, count: int, delays: np.ndarray):
        self._delays = np.asarray(delays, dtype=int)
        self._kept = np.zeros((int(self._delays.max(initial=0)) + 1, count, len(self._delays)), dtype=np.float32)
        self._columns = np.arange(len(self._delays))
        self._newest = 0

    def push(self, values: np.ndarray) -> np.ndarray:
        """A period later: takes the present values (n, S), returns those that arrive now (n, S)."""
        self._newest = (self._newest + 1) % len(self._kept)
        self._kept[self._newest] = values
        return self.arriving()

    def fill(self, who: np.ndarray, values: np.ndarray) -> None:
        """These people (indices or bool) have felt these values (k, S) for ever."""
        self._kept[:, who] = values

    def arriving(self) -> np.ndarray:
        """What arrives in the present period (n, S)."""
        rows = (self._newest - self._delays) % len(self._kept)
        return self._kept[rows, :, self._columns].T


class Senses:
    """Observations of n walkers, one a control period.

    Args:
        walkers: whose.
    """

    def __init__(self, walkers: Walkers):
        self._walkers = walkers
        names = walkers.body.muscles
        self._order = np.array([names.index(name) for name in MUSCLES_BY_SIDE])  # of the body's muscles
        self._body_order = np.argsort(self._order)
        self._gathered = {
            name: Gathered(name, walkers.datas) for name in ("actuator_length", "actuator_velocity", "actuator_force")
        }
        delays = np.concatenate([sense.delays_s for sense in SENSES]) * COORDINATION_RATE_HZ
        self._line = DelayLine(walkers.count, np.round(delays).astype(int))
        self._scale = np.concatenate([np.full(s.size, s.scale, dtype=np.float32) for s in SENSES])
        muscles = len(names)
        self._low, self._range_low, self._optimal, self._force = (np.ones((walkers.count, muscles)) for _ in range(4))
        self._known = [-1] * walkers.count
        self._placed = np.full(walkers.count, -1)

    def to_body(self, muscles: np.ndarray) -> np.ndarray:
        """Values (n, 80) in the order of MUSCLES_BY_SIDE as the body orders them."""
        return muscles[:, self._body_order]

    def from_body(self, muscles: np.ndarray) -> np.ndarray:
        """The reverse of `to_body`."""
        return muscles[:, self._order]

    def sense(self, state: WalkerState | None = None) -> np.ndarray:
        """A control period is over: observation (n, SENSES_SIZE), float32.

        Who has been placed since the last call, or has another body, has stood or walked like this for ever.
        """
        present = self._present(state)
        arrived = self._line.push(present)
        return self._restart(present, arrived)

    def renew(self, observation: np.ndarray) -> np.ndarray:
        """The observation again, with that of everybody who has been placed since; no time passes."""
        if (self._placed == self._walkers.placements).all():
            return observation
        return self._restart(self._present(None), observation)

    def _restart(self, present: np.ndarray, observation: np.ndarray) -> np.ndarray:
        new = self._placed != self._walkers.placements
        if new.any():
            self._line.fill(new, present[new])
            self._placed = self._walkers.placements.copy()
            observation = np.where(new[:, None], present, observation)
        return observation

    def _know(self) -> None:
        """What is constant of bodies that have come since."""
        walkers = self._walkers
        for i, body in enumerate(walkers.bodies):
            if self._known[i] == walkers.arrivals[i]:
                continue
            self._known[i] = walkers.arrivals[i]
            curves = walkers.coordinators[i].curves
            self._low[i], self._range_low[i] = curves.length_low, curves.range_low
            self._optimal[i], self._force[i] = curves.optimal_length, body.default_force
            for gathered in self._gathered.values():
                gathered.replace(i, walkers.datas[i])

    def _present(self, state: WalkerState | None) -> np.ndarray:
        self._know()
        walkers, count = self._walkers, len(self._walkers.body.muscles)
        s = state or walkers.state()
        length, velocity, force = (
            self._gathered[name]()[:, :count] for name in ("actuator_length", "actuator_velocity", "actuator_force")
        )
        order, angle = self._order, 2.0 * np.pi * walkers.phase
        reference, speed = walkers.reference, walkers.speed_command
        columns = (
            ((self._range_low + (length - self._low) / self._optimal) - 1.0)[:, order],
            (velocity / self._optimal)[:, order],
            (-force / self._force)[:, order],
            s.activation[:, order],
            s.up,
            s.angular_velocity,
            s.velocity,
            s.heading[:, None],
            np.minimum(s.vertical_grf, GRF_CLIP_BW),
            np.stack([np.sin(angle), np.cos(angle)], axis=1),
            reference.angles(speed, walkers.phase),
            reference.angles(speed, walkers.phase + LOOKAHEAD_STRIDE),
            (speed - NOMINAL_SPEED_MPS)[:, None],
            walkers.who,
            np.stack([body.strengths for body in walkers.bodies]) - 1.0,
        )
        return np.concatenate(columns, axis=1, dtype=np.float32) * self._scale
