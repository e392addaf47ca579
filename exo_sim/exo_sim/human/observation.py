# SPDX-License-Identifier: Apache-2.0
"""What the human's policy observes and does: names, order and mirror image of observation and action, and its contract."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exo_policy.manifest import ActionTerms, Contract, ObservationTerm
from exo_sim.body.muscle_groups import GROUPS_BY_SIDE
from exo_sim.gait.reference import JOINTS, LEG_JOINTS

#: Human policy rate (Hz), muscle coordination rate (Hz).
POLICY_RATE_HZ = 50.0
COORDINATION_RATE_HZ = 100.0
#: Coordination periods that an action of the policy holds for.
PERIODS_PER_ACTION = round(COORDINATION_RATE_HZ / POLICY_RATE_HZ)
#: How far ahead the reference is seen (share of a stride).
LOOKAHEAD_STRIDE = 0.1
#: Pelvis height over leg length in upright standing; MyoLegs' root is 1.067 leg lengths up.
ROOT_HEIGHT_PER_LEG_LENGTH = 1.033
#: Speed that the commanded one is given relative to (m/s).
NOMINAL_SPEED_MPS = 1.25
#: Vertical ground reaction above this many body weights looks the same to the policy.
GRF_CLIP_BW = 2.0
#: Joint offset of one unit of action (rad), per joint of LEG_JOINTS.
ACTION_SCALE_RAD = np.array([0.4, 0.25, 0.25, 0.5, 0.5, 0.2, 0.1])
#: Actions beyond this many units are clipped.
ACTION_CLIP = 3.0

_LEG = len(LEG_JOINTS)
_SWAP = np.r_[np.arange(_LEG, 2 * _LEG), np.arange(_LEG)]
_GROUPS = len(GROUPS_BY_SIDE) // 2
_SWAP_GROUPS = tuple(int(i) for i in np.r_[np.arange(_GROUPS, 2 * _GROUPS), np.arange(_GROUPS)])


@dataclass(frozen=True)
class Term:
    """A named slice of the observation. Mirroring reads `mirror_index` and multiplies by `mirror_sign`."""

    name: str
    unit: str
    scale: float
    mirror_index: tuple[int, ...]
    mirror_sign: tuple[float, ...]

    @property
    def size(self) -> int:
        """Number of values."""
        return len(self.mirror_index)


def _joints(name: str, unit: str, scale: float) -> Term:
    return Term(name, unit, scale, tuple(int(i) for i in _SWAP), (1.0,) * (2 * _LEG))


def _vector(name: str, unit: str, scale: float, signs: tuple[float, ...]) -> Term:
    return Term(name, unit, scale, tuple(range(len(signs))), signs)


#: Order of the observation. Vectors are in REP-103 axes (forward, left, up); `scale` multiplies the value.
HUMAN_TERMS: tuple[Term, ...] = (
    _joints("joint_angle", "rad", 1.0),
    _joints("joint_velocity", "rad/s", 0.1),
    _joints("reference_minus_angle", "rad", 1.0),
    _joints("reference_ahead_minus_angle", "rad", 1.0),
    _vector("up_in_body", "1", 1.0, (1.0, -1.0, 1.0)),
    _vector("velocity_in_heading", "m/s", 1.0, (1.0, -1.0, 1.0)),
    _vector("angular_velocity_in_body", "rad/s", 0.2, (-1.0, 1.0, -1.0)),
    _vector("heading", "rad", 1.0, (-1.0,)),
    _vector("height_over_standing", "m", 1.0, (1.0,)),
    _vector("phase_sin_cos", "1", 1.0, (-1.0, -1.0)),  # the other leg is half a stride later
    Term("vertical_grf_r_l", "body weight", 1.0, (1, 0), (1.0, 1.0)),
    # where the feet are under the pelvis: the next step must catch the body sideways as well
    Term("foot_position_r_l", "m", 1.0, (3, 4, 5, 0, 1, 2), (1.0, -1.0, 1.0, 1.0, -1.0, 1.0)),
    _vector("commanded_speed_minus_nominal", "m/s", 1.0, (1.0,)),
    # who walks: a grown person knows the own body
    _vector("height_and_mass_over_model_minus_1", "1", 5.0, (1.0, 1.0)),
    Term("strength_minus_1", "1", 2.0, _SWAP_GROUPS, (1.0,) * (2 * _GROUPS)),
)

OBSERVATION_SIZE = sum(term.size for term in HUMAN_TERMS)
ACTION_SIZE = len(JOINTS)


def mirror_map() -> tuple[np.ndarray, np.ndarray]:
    """Index and sign arrays (OBSERVATION_SIZE,): the mirrored observation is sign * observation[..., index]."""
    index, sign, start = [], [], 0
    for term in HUMAN_TERMS:
        index += [start + i for i in term.mirror_index]
        sign += term.mirror_sign
        start += term.size
    return np.array(index), np.array(sign, dtype=np.float32)


def action_mirror_index() -> np.ndarray:
    """Index array (14,): the mirrored action is action[..., index]; MyoLegs' joint signs are mirror images."""
    return _SWAP.copy()


def joint_offsets(action: np.ndarray) -> np.ndarray:
    """Offsets (n, 14) in rad to the reference pose for actions (n, 14)."""
    return np.clip(action, -ACTION_CLIP, ACTION_CLIP) * np.tile(ACTION_SCALE_RAD, 2)


HUMAN_CONTRACT = Contract(
    observation=tuple(ObservationTerm(name=t.name, size=t.size, scale=t.scale, unit=t.unit) for t in HUMAN_TERMS),
    action=ActionTerms(
        names=JOINTS,
        scale=tuple(float(s) for s in np.tile(ACTION_SCALE_RAD, 2)),
        unit="rad",
        minimum=(-ACTION_CLIP,) * len(JOINTS),
        maximum=(ACTION_CLIP,) * len(JOINTS),
    ),
    rate_hz=POLICY_RATE_HZ,
)
