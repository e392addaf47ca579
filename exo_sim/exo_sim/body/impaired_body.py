# SPDX-License-Identifier: Apache-2.0
"""Puts impairments on a body: forces, time constants, joint springs and ranges of its model, and its nerves.

Impaired nerves add co-contraction and stretch reflexes to the excitation that muscle coordination asks for, at its
end, which both the plain and the batched step use. For a healthy person they change nothing, to the last bit.
"""

from __future__ import annotations

from typing import NamedTuple

import mujoco
import numba
import numpy as np

from exo_sim.body.impairments import ANTAGONISTS, Impairments, healthy_range
from exo_sim.body.muscle_groups import value_by_muscle
from exo_sim.gait.reference import JOINTS

#: From stretch to the reflex's excitation, in coordination periods of 10 ms: 30 ms, the project's choice near the delay
#: of Falisse et al. 2018 (PLoS ONE 13:e0208811); the electromechanical delay comes on top, from activation dynamics.
#: Feedback of velocity beyond a threshold is that of van der Krogt et al. 2016 (JNER 13:64) and Jansen et al. 2014 (JNER
#: 11:78). Falisse et al. themselves find that feedback of force explains gait with spasticity better than velocity.
REFLEX_DELAY_PERIODS = 3


class Nerves(NamedTuple):
    """Parameters of impaired drive, each (M,); all 0 in healthy people."""

    least: np.ndarray  #: least excitation (co-contraction)
    reflex_gain: np.ndarray  #: excitation per (optimal fibre lengths per second)
    reflex_threshold: np.ndarray  #: lengthening velocity (optimal fibre lengths per second)


def memory_size(muscles: int) -> int:
    """Numbers that MjData.userdata keeps for so many muscles: stretch velocities that reflexes still have to answer."""
    return REFLEX_DELAY_PERIODS * muscles


@numba.njit(cache=True)
def impair_drive(nerves, optimal_length, velocity, memory, ctrl):
    """Changes excitations in place, once per coordination period.

    Args:
        nerves: Nerves.
        optimal_length: (M,) m.
        velocity: (>= M,) actuator velocities (m/s, lengthening positive).
        memory: (memory_size,) stretch velocities of the last periods, oldest first; all 0 at the start of a walk.
        ctrl: (>= M,) excitations wanted, 0 to 1.
    """
    muscles = nerves.least.shape[0]
    newest = (REFLEX_DELAY_PERIODS - 1) * muscles
    for m in range(muscles):
        if nerves.least[m] > ctrl[m]:
            ctrl[m] = nerves.least[m]
        if nerves.reflex_gain[m] > 0.0:
            stretch = memory[m] - nerves.reflex_threshold[m]
            for k in range(m, newest, muscles):
                memory[k] = memory[k + muscles]
            memory[newest + m] = velocity[m] / optimal_length[m]
            if stretch > 0.0:
                ctrl[m] = min(ctrl[m] + nerves.reflex_gain[m] * stretch, 1.0)


#: Strength (of a group) from which a leg counts as impaired, and at which it counts as impaired to the full.
MILD_STRENGTH, SEVERE_STRENGTH = 0.8, 0.25
#: Other impairments that count as much as the severe weakness.
SEVERE_STIFFNESS_NM_PER_RAD = 40.0
SEVERE_RANGE_LOST = 0.5  # share of the healthy range
SEVERE_REFLEX_GAIN = 0.3
SEVERE_SLOWDOWN = 3.0
SEVERE_CO_CONTRACTION = 0.2
#: Share of the lost force that goes with lost mass, by the cause of a weakness.
MASS_LOST = {"neural": 0.0, "atrophy": 1.0}
_TIME_CONSTANTS = slice(0, 2)  # in dynprm of a MuJoCo muscle: activation, deactivation (s)


class Condition(NamedTuple):
    """State of a body's muscles, nerves and joints that is not in its MuJoCo model, and what healthy ones are.

    Arrays of the condition belong to one body; those of health are shared.
    """

    nerves: np.ndarray  #: (3, M) rows of Nerves
    muscle_mass: np.ndarray  #: (M,) factor on muscle mass, for the metabolic models
    range_left: np.ndarray  #: (14, 2) rad, of joints with a smaller range; infinite for the others
    deficit: np.ndarray  #: (2,) right and left, 0 to 1, of all impairments but weakness
    time_constants: np.ndarray  #: (M, 2) s, healthy
    joint_ids: np.ndarray  #: (14,) of JOINTS in the model
    joint_ranges: np.ndarray  #: (14, 2) rad, healthy

    def own_copy(self) -> Condition:
        """The same condition, which can be changed for itself."""
        return self._replace(
            nerves=self.nerves.copy(),
            muscle_mass=self.muscle_mass.copy(),
            range_left=self.range_left.copy(),
            deficit=self.deficit.copy(),
        )


def healthy_condition(model: mujoco.MjModel, muscles: int) -> Condition:
    """The condition of a model as it was compiled, with this many muscles."""
    ids = np.array([model.joint(name).id for name in JOINTS])
    return Condition(
        np.zeros((len(Nerves._fields), muscles)),
        np.ones(muscles),
        np.tile([-np.inf, np.inf], (len(JOINTS), 1)),
        np.zeros(2),
        model.actuator_dynprm[:muscles, _TIME_CONSTANTS].copy(),
        ids,
        model.jnt_range[ids].copy(),
    )


def impair(model: mujoco.MjModel, muscles: tuple[str, ...], condition: Condition, impairments: Impairments) -> None:
    """Everything but strength, from the healthy state: model and condition are changed in place."""
    _slow_down(model, muscles, condition, impairments)
    _contract(model, condition, impairments)
    _excite(muscles, condition, impairments)
    wasted = {
        name: 1.0 - MASS_LOST.get(cause, cause) * (1.0 - impairments.strengths[name])
        for name, cause in impairments.weakness.items()
    }
    condition.muscle_mass[:] = value_by_muscle(wasted, muscles, 1.0, min)
    condition.deficit[:] = _deficit_but_strength(impairments)


def strength_deficit(strengths: np.ndarray) -> np.ndarray:
    """How weak each leg is (2,), right and left, 0 (mild at most) to 1, from strengths (16,) of GROUPS_BY_SIDE."""
    share = (MILD_STRENGTH - strengths) / (MILD_STRENGTH - SEVERE_STRENGTH)
    return np.clip(share, 0.0, 1.0).reshape(2, -1).max(axis=1)


def _slow_down(model, muscles, condition, impairments) -> None:
    both, off = (
        np.array(value_by_muscle(factors, muscles, 1.0, max))
        for factors in (impairments.activation_slowdown, impairments.deactivation_slowdown)
    )
    model.actuator_dynprm[: len(muscles), _TIME_CONSTANTS] = condition.time_constants * np.stack([both, both * off], 1)


def _contract(model, condition, impairments) -> None:
    ids = condition.joint_ids
    model.jnt_range[ids] = condition.joint_ranges
    model.jnt_stiffness[ids] = 0.0  # MyoLegs has no joint springs of its own
    condition.range_left[:] = -np.inf, np.inf
    for joint, contracture in impairments.contractures.items():
        j = JOINTS.index(joint)
        model.jnt_stiffness[ids[j]] = contracture.stiffness_nm_per_rad
        model.qpos_spring[model.jnt_qposadr[ids[j]]] = contracture.rest_rad
        if contracture.range_rad is not None:
            model.jnt_range[ids[j]] = condition.range_left[j] = contracture.range_rad


def _excite(muscles, condition, impairments) -> None:
    nerves = Nerves(*condition.nerves)
    least = {}
    for joint, excitation in impairments.co_contraction.items():
        for group in ANTAGONISTS[joint]:
            least[group] = max(least.get(group, 0.0), excitation)
    nerves.least[:] = value_by_muscle(least, muscles, 0.0, max)
    # of two reflexes on one muscle the one that answers earlier is the worse one, then the stronger one
    reflexes = value_by_muscle(
        {name: (-reflex.threshold, reflex.gain) for name, reflex in impairments.spasticity.items()},
        muscles,
        (0.0, 0.0),
        max,
    )
    nerves.reflex_threshold[:] = [-negative for negative, _ in reflexes]
    nerves.reflex_gain[:] = [gain for _, gain in reflexes]


def _deficit_but_strength(impairments: Impairments) -> np.ndarray:
    """How impaired each leg (2,) is, 0 to 1, leaving strength out: as its worst impairment."""
    worst = {"r": 0.0, "l": 0.0}

    def count(name: str, share: float) -> None:
        side = name[-1]
        worst[side] = max(worst[side], min(share, 1.0))

    for joint, contracture in impairments.contractures.items():
        low, high = healthy_range(joint)
        left = contracture.range_rad or (low, high)
        lost = 1.0 - (left[1] - left[0]) / (high - low)
        count(joint, contracture.stiffness_nm_per_rad / SEVERE_STIFFNESS_NM_PER_RAD + lost / SEVERE_RANGE_LOST)
    for name, reflex in impairments.spasticity.items():
        count(name, reflex.gain / SEVERE_REFLEX_GAIN)
    for slowdown in (impairments.activation_slowdown, impairments.deactivation_slowdown):
        for name, factor in slowdown.items():
            count(name, (factor - 1.0) / (SEVERE_SLOWDOWN - 1.0))
    for joint, excitation in impairments.co_contraction.items():
        count(joint, excitation / SEVERE_CO_CONTRACTION)
    return np.array([worst["r"], worst["l"]])
