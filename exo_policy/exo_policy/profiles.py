# SPDX-License-Identifier: Apache-2.0
"""Assistance torque over the stride as validated on people, as nodes for monotone cubic interpolation.

Nodes are (percent of stride from the same side's heel strike, share of the peak). Signs here are those of the
publications: ankle + is PLANTARflexion, hip + is flexion. On joints named as in MyoLegs the ankle's torque is
the negative of the profile, see :func:`joint_sign`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.interpolate import PchipInterpolator

from exo_core.joints import ANKLE, split_joint
from exo_core.joints import HIP as HIP_JOINT

DEFAULT_ANKLE_PEAK_NM_PER_KG = 0.4
"""Below the generic optimum of 0.54 Nm/kg (Zhang et al. 2017) and the default device's cap of 0.5 Nm/kg, so
that the profile is never flattened by the cap."""

DEFAULT_HIP_PEAK_NM_PER_KG = 0.2
"""Lower end of the usual 0.2 to 0.4 Nm/kg; the default device's cap is 0.3 Nm/kg. Franks et al. 2021 give the
timing of the lobes, not their height."""


@dataclass(frozen=True)
class TorqueProfile:
    """A periodic torque curve. ``nodes``: percent of stride, increasing, 0..100; ``joint`` without side."""

    name: str
    joint: str
    nodes: tuple[tuple[float, float], ...]
    source: str
    _curve: PchipInterpolator = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        percent, value = np.array(self.nodes, float).T
        if not (np.diff(percent) > 0).all() or percent[0] < 0.0 or percent[-1] >= 100.0:
            raise ValueError(f"profile '{self.name}': node percents must increase within 0..100")
        # the strides before and after make the curve smooth across heel strike
        curve = PchipInterpolator(
            np.concatenate([percent - 100.0, percent, percent + 100.0]) / 100.0, np.tile(value, 3)
        )
        object.__setattr__(self, "_curve", curve)

    def __call__(self, phase: np.ndarray | float) -> np.ndarray:
        """Share of the peak at gait phase (any shape; any real, one unit is a stride)."""
        return self._curve(np.mod(phase, 1.0))


ANKLE_GENERIC = TorqueProfile(
    "ankle_generic",
    ANKLE,
    ((26.7, 0.0), (52.9, 1.0), (62.7, 0.0)),
    "Zhang et al. 2017 (Science 356:1280), generic optimum as reused by Poggensee and Collins 2021",
)
ANKLE_PREFERENCE = TorqueProfile(
    "ankle_preference",
    ANKLE,
    ((25.4, 0.0), (53.3, 1.0), (63.3, 0.0)),
    "public controller configuration of Ingraham et al. 2022 (Sci Robot 7:eabj3487) at 1.20 m/s; the preferences that "
    "the paper reports peak later, at 54.1 to 59.2 %: this is a command, before the actuator's delay",
)
HIP = TorqueProfile(
    "hip",
    HIP_JOINT,
    ((10.2, -1.0), (31.8, 0.0), (33.4, 0.0), (65.9, 1.0), (90.6, 0.0), (93.8, 0.0)),
    "Franks et al. 2021 (Wearable Technologies 2:e16), timing as in OpenExo's franksCollinsHip parameters",
)
"""Extension lobe across heel strike, then flexion lobe, each normalised to 1."""

PROFILES = {profile.name: profile for profile in (ANKLE_GENERIC, ANKLE_PREFERENCE, HIP)}


def joint_sign(joint_name: str) -> float:
    """+1 where the profile's sign is the joint's, -1 for the ankle (``hip_flexion_r`` -> 1.0)."""
    return -1.0 if split_joint(joint_name)[0] == ANKLE else 1.0
