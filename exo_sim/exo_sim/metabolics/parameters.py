# SPDX-License-Identifier: Apache-2.0
"""What the metabolic models know about each muscle: mass, fibre type, strength, optimal length.

Muscle mass comes from one consistent published set, Rajagopal 2016: maximum force, optimal fibre length and
the specific tension of 0.6 MPa its forces were made with (``data/leg_muscles.json``). The 80 leg muscles then
weigh 15.0 kg in a 75 kg body, as measured by Handsfield 2014 (about 7.7 kg a leg). Two traps are avoided:
OpenSim's default of 0.25 MPa would make them 45 kg, and MuJoCo's optimal lengths, which are fitted to the
range of muscle-tendon lengths and up to 2.4 times longer than the published fibres, would make them 18.6 kg.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np

from exo_sim.errors import MetabolicsError

MUSCLE_DENSITY_KG_M3 = 1059.7  # Mendez and Keys 1960, as used by Umberger 2003 and OpenSim
DEFAULT_SLOW_TWITCH = 0.50  # Uchida 2016, where no measurement exists
DEFAULT_VMAX_LOPT_S = 10.0  # maximum shortening velocity of MyoLegs' and Rajagopal's muscles


@lru_cache(maxsize=1)
def _published() -> dict:
    text = (resources.files("exo_sim.metabolics") / "data" / "leg_muscles.json").read_text(encoding="utf-8")
    return json.loads(text)


def _without_side(muscle_name: str) -> str:
    return muscle_name[:-2] if muscle_name.endswith(("_r", "_l")) else muscle_name


def slow_twitch_ratio(muscle_name: str) -> float:
    """Share of slow-twitch fibres, 0 to 1, of a MyoLegs muscle with or without side suffix (Uchida 2016).

    A muscle without a measurement gets 0.50.
    """
    row = _published()["muscles"].get(_without_side(muscle_name))
    return DEFAULT_SLOW_TWITCH if row is None else float(row[2])


def muscle_mass(fmax: np.ndarray, optimal_length: np.ndarray, specific_tension_pa: float) -> np.ndarray:
    """Muscle mass, kg, from maximum force (N), optimal fibre length (m) and specific tension (Pa).

    Physiological cross section times fibre length times density (Umberger 2003). Force, length and specific
    tension must come from one set, see the module's docstring.
    """
    return np.asarray(fmax) / specific_tension_pa * MUSCLE_DENSITY_KG_M3 * np.asarray(optimal_length)


def published_muscle_mass(names: Sequence[str], body_mass: float = 75.0) -> np.ndarray:
    """Muscle masses of a healthy body, (M,) kg, for MyoLegs muscle names and a body mass in kg.

    Muscle mass grows with body mass (Handsfield 2014: leg muscle volume is proportional to mass times
    height).

    Raises:
        MetabolicsError: a name that the published set does not contain, or a body mass that is not positive.
    """
    if not np.isfinite(body_mass) or body_mass <= 0:
        raise MetabolicsError(f"body mass must be a positive number of kg, got {body_mass}")
    table = _published()
    unknown = [name for name in names if _without_side(name) not in table["muscles"]]
    if unknown:
        raise MetabolicsError(
            f"no published mass for muscle(s) {', '.join(unknown)}; pass mass= instead. "
            f"Known: {', '.join(table['muscles'])}"
        )
    rows = np.array([table["muscles"][_without_side(name)] for name in names]).reshape(-1, 3)
    mass = muscle_mass(rows[:, 0], rows[:, 1], table["specific_tension_pa"])
    return mass * body_mass / table["body_mass_kg"]


@dataclass(frozen=True)
class MuscleParameters:
    """Parameters of M muscles; arrays (M,) in the order of ``names``.

    Attributes:
        names: muscle names as in MyoLegs.
        fmax: maximum isometric force, N.
        lopt: optimal fibre length of the simulated muscle, m (what its normalised length is relative to).
        slow_twitch: share of slow-twitch fibres, 0 to 1.
        mass: muscle mass, kg. Independent of ``fmax``, so that a paretic muscle keeps its mass.
        vmax: maximum shortening velocity, optimal fibre lengths per second.

    Raises:
        MetabolicsError: shapes that do not match, values that are not finite or out of range.
    """

    names: tuple[str, ...]
    fmax: np.ndarray
    lopt: np.ndarray
    slow_twitch: np.ndarray
    mass: np.ndarray
    vmax: np.ndarray

    def __post_init__(self):
        object.__setattr__(self, "names", tuple(self.names))
        count = len(self.names)
        for field, low in (("fmax", 0.0), ("lopt", 1e-4), ("slow_twitch", 0.0), ("mass", 1e-6), ("vmax", 1e-3)):
            value = np.array(getattr(self, field), dtype=float)
            if value.shape != (count,):
                raise MetabolicsError(
                    f"{field} must have shape ({count},), one value per muscle name, got {value.shape}"
                )
            if not np.all(np.isfinite(value)) or value.min(initial=low) < low:
                raise MetabolicsError(f"{field} must be finite and at least {low:g}")
            value.setflags(write=False)
            object.__setattr__(self, field, value)
        if self.slow_twitch.max(initial=0.0) > 1.0:
            raise MetabolicsError("slow_twitch is a share and must not exceed 1")

    @classmethod
    def for_body(
        cls,
        names: Sequence[str],
        fmax: np.ndarray,
        lopt: np.ndarray,
        body_mass: float,
        vmax: float | np.ndarray = DEFAULT_VMAX_LOPT_S,
    ) -> MuscleParameters:
        """Parameters of a healthy body: published masses scaled to ``body_mass`` (kg), fibre types by name.

        ``fmax`` (N) and ``lopt`` (m), (M,), describe the simulated muscles; they do not enter the mass.
        """
        return cls(
            tuple(names),
            fmax,
            lopt,
            np.array([slow_twitch_ratio(name) for name in names]),
            published_muscle_mass(names, body_mass),
            np.broadcast_to(vmax, (len(names),)),
        )
