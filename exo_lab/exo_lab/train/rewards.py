# SPDX-License-Identifier: Apache-2.0
"""Rewards of every training: named terms, each with a weight in the YAML, logged by name; and when an episode ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from exo_lab.train.config import HumanTrainingConfig, ToleranceConfig
from exo_lab.train.exo_config import ExoRewardConfig, HumanRewardConfig
from exo_sim.gait.reference import JOINTS, LEG_JOINTS
from exo_sim.human.observation import POLICY_RATE_HZ
from exo_sim.human.walkers import Walkers, WalkerState

#: Time constant of the mean speed (s): half a stride, so that it follows the commanded ramps.
SPEED_TIME_S = 0.5
#: Time constant of what tells left from right (s): a stride, whose sway would otherwise remain.
SIDE_TIME_S = 1.1
_COMPARED = ("hip_flexion", "knee_angle", "ankle_angle")
_RIGHT = [JOINTS.index(f"{joint}_r") for joint in _COMPARED]
_LEFT = [JOINTS.index(f"{joint}_l") for joint in _COMPARED]


class StrideAverages:
    """Means of n walkers.

    Attributes:
        speed: (n,) m/s, forward.
        sideways: (n,) m/s, to the left; other than 0 who walks crabwise.
        unevenness: (n, 3) rad, error of hip flexion, knee and ankle angle on the right less that on the left.
    """

    def __init__(self, count: int):
        self.speed, self.sideways = np.zeros(count), np.zeros(count)
        self.unevenness = np.zeros((count, len(_COMPARED)))

    def restart(self, i: int, speed: float) -> None:
        """Walker i begins anew at this speed (m/s)."""
        self.speed[i], self.sideways[i], self.unevenness[i] = speed, 0.0, 0.0

    def update(self, walkers: Walkers, state: WalkerState) -> None:
        """Takes in the state after one policy period."""
        error = state.joint_angle - walkers.reference.angles(walkers.speed_command, walkers.phase)
        fast, slow = (1.0 / (time * POLICY_RATE_HZ) for time in (SPEED_TIME_S, SIDE_TIME_S))
        self.speed += fast * (state.velocity[:, 0] - self.speed)
        self.sideways += slow * (state.velocity[:, 1] - self.sideways)
        self.unevenness += slow * (error[:, _RIGHT] - error[:, _LEFT] - self.unevenness)


class Tolerance(NamedTuple):
    """Factors, each 1 for n healthy people.

    Attributes:
        leg: (n, 2) on errors against the healthy reference, right and left.
        joint: (n, 14) the same by joint.
        person: (n,) the smaller of the two.
        speed: (n,) on the error of the walking speed.
        upright: (n,) on tilt and heading: a lean of the trunk is how weak hips are compensated for.
        effort: (n,) on the weight of effort; 1 or more.
        impaired: (n,) bool: episodes end on falls alone.
    """

    leg: np.ndarray
    joint: np.ndarray
    person: np.ndarray
    speed: np.ndarray
    upright: np.ndarray
    effort: np.ndarray
    impaired: np.ndarray


def tolerance_scaling(config: ToleranceConfig, deficit: np.ndarray) -> Tolerance:
    """The factors for deficits (n, 2) of right and left legs, 0 to 1."""
    counted = np.maximum(deficit, config.other_leg * deficit[:, ::-1])
    leg = 1.0 - config.imitation * counted
    worst = deficit.max(axis=1)
    return Tolerance(
        leg,
        np.repeat(leg, len(LEG_JOINTS), axis=1),
        leg.min(axis=1),
        1.0 - config.speed_error * worst,
        1.0 - config.tilt * worst,
        1.0 + config.effort * worst,
        worst > 0.0,
    )


def lower_speed(config: ToleranceConfig, speed: float, slowest: float, deficit: np.ndarray) -> float:
    """Speed (m/s) that a person with these deficits (2,) is asked for in place of another, not below the slowest."""
    return slowest + (speed - slowest) * (1.0 - config.slower * float(deficit.max()))


#: Widths of the exponential terms: at 1/sqrt(width), or at the scale, the term has fallen to 1/e.
RATE_WIDTH = 0.06  # 1/(rad/s)^2
VELOCITY_WIDTH = 6.0  # 1/(m/s)^2, of the velocity within the stride, which sways by 0.1 m/s
MEAN_SPEED_SCALE = 0.08  # m/s, of the speed averaged over about a stride: pulls however small the error
SIDEWAYS_WIDTH = 150.0  # 1/(m/s)^2, of the sideways velocity averaged over a stride
UNEVEN_WIDTH = 150.0  # 1/rad^2, of the mean squared difference between right and left joint errors
MOMENT_WIDTH = 8.0  # 1/(Nm/kg)^2, of the weighted mean squared correction to the usual moments
FORCE_WIDTH = 25.0  # 1/BW^2, of the mean squared error of the ground reaction force
UPRIGHT_WIDTH = 25.0  # of squared sine of the trunk's tilt: half is lost at 10 degrees
EFFORT_WIDTH = 14.0  # of mean squared activation
#: Heading error and angular rate against tilt in the upright term.
HEADING_SHARE = 0.5  # 1/rad^2
ANGULAR_RATE_SHARE = 0.008  # (s/rad)^2
#: Fore-aft forces are a sixth of vertical ones: their squared errors count by so much more.
FORWARD_FORCE_SHARE = 9.0
#: Within this share of a stride of heel strike and toe-off, contact may be either way.
CONTACT_TOLERANCE_STRIDE = 0.01
#: A foot bears load from this vertical force on (body weights).
CONTACT_BW = 0.05


@dataclass
class RewardResult:
    """Reward (n,), fall or loss of the reference (n,), and means for the log: errors, and each term as it was paid."""

    reward: np.ndarray
    failed: np.ndarray
    metrics: dict[str, float]


@dataclass(frozen=True)
class PolicyStep:
    """A step of the human's policy (20 ms) as the reward's terms see it; errors (n,) are computed once.

    Attributes:
        action: (n, 14) as given by the policy.
        effort: (n,) mean squared activation over the step.
        averages: over about a stride.
    """

    config: HumanTrainingConfig
    walkers: Walkers
    state: WalkerState
    action: np.ndarray
    effort: np.ndarray
    averages: StrideAverages

    @cached_property
    def tolerance(self):
        """What is asked less of impaired people."""
        return tolerance_scaling(self.config.tolerance, self.walkers.deficit)

    @cached_property
    def _weight(self) -> np.ndarray:
        weight = np.tile(self.config.joint_weights, 2)
        return weight / weight.sum() * self.tolerance.joint

    @cached_property
    def pose(self) -> np.ndarray:
        """Weighted mean squared error of joint angles (rad^2)."""
        goal = self.walkers.reference.angles(self.walkers.speed_command, self.walkers.phase)
        return ((goal - self.state.joint_angle) ** 2 * self._weight).sum(axis=1)

    @cached_property
    def rate(self) -> np.ndarray:
        """The same of joint rates ((rad/s)^2)."""
        goal = self.walkers.reference.rates(self.walkers.speed_command, self.walkers.phase)
        return ((goal - self.state.joint_rate) ** 2 * self._weight).sum(axis=1)

    @cached_property
    def drift(self) -> np.ndarray:
        """Squared error of the velocity ((m/s)^2)."""
        return (self.state.velocity[:, 0] - self.walkers.speed_command) ** 2 + self.state.velocity[:, 1] ** 2

    @cached_property
    def lean(self) -> np.ndarray:
        """Tilt, heading and angular rate of the trunk together."""
        state = self.state
        return (
            (1.0 - state.up[:, 2] ** 2)
            + HEADING_SHARE * state.heading**2
            + ANGULAR_RATE_SHARE * (state.angular_velocity**2).sum(axis=1)
        )

    @cached_property
    def impact(self) -> np.ndarray:
        """Vertical force beyond what is free (body weights)."""
        return np.maximum(self.state.vertical_grf - self.config.reward.impact_threshold_bw, 0.0).sum(axis=1)

    @cached_property
    def speed_error(self) -> np.ndarray:
        """Of the speed averaged over about a stride (m/s)."""
        return self.averages.speed - self.walkers.speed_command

    @cached_property
    def correction(self) -> np.ndarray:
        """Weighted mean squared torque beyond the usual moments ((Nm/kg)^2)."""
        return (self.walkers.correction**2 * self._weight).sum(axis=1)

    @cached_property
    def force_error(self) -> np.ndarray:
        """Mean squared error of the ground reaction forces (BW^2)."""
        forces = self.walkers.reference.forces(self.walkers.speed_command, self.walkers.phase)
        return 0.5 * (
            self.tolerance.leg * (self.state.vertical_grf - forces[:, 0::2]) ** 2
            + FORWARD_FORCE_SHARE * self.tolerance.leg * (self.state.forward_grf - forces[:, 1::2]) ** 2
        ).sum(axis=1)


#: The terms (n,) by name; each is paid times the weight of that name in the configuration. Rewards are 0 to 1,
#: penalties below 0.
REWARD_TERMS: dict[str, Callable[[PolicyStep], np.ndarray]] = {
    "pose": lambda s: np.exp(-s.config.reward.pose_width * s.pose),
    "pose_fine": lambda s: np.exp(-s.config.reward.pose_fine_width * s.pose),
    "rate": lambda s: np.exp(-RATE_WIDTH * s.rate),
    "velocity": lambda s: np.exp(-VELOCITY_WIDTH * s.drift),
    "mean_speed": lambda s: np.exp(-s.tolerance.speed * np.abs(s.speed_error) / MEAN_SPEED_SCALE),
    "straight": lambda s: np.exp(-SIDEWAYS_WIDTH * s.averages.sideways**2),
    "even": lambda s: np.exp(-UNEVEN_WIDTH * s.tolerance.person * (s.averages.unevenness**2).mean(axis=1)),
    "moment": lambda s: np.exp(-MOMENT_WIDTH * s.correction),
    "force": lambda s: np.exp(-FORCE_WIDTH * s.force_error),
    "contact": lambda s: _contact_agreement(s.walkers, s.state, s.tolerance.leg),
    "upright": lambda s: np.exp(-UPRIGHT_WIDTH * s.tolerance.upright * s.lean),
    "effort": lambda s: s.tolerance.effort * np.exp(-EFFORT_WIDTH * s.effort),
    "action": lambda s: -(s.action**2).mean(axis=1),
    "impact": lambda s: -np.minimum(s.impact, 1.0),
}


def imitation_reward(
    config: HumanTrainingConfig,
    walkers: Walkers,
    state: WalkerState,
    action: np.ndarray,
    effort: np.ndarray,
    averages: StrideAverages,
) -> RewardResult:
    """Reward of the step that led to `state`; see PolicyStep for the arguments."""
    step = PolicyStep(config, walkers, state, action, effort, averages)
    end, easy, tolerance = config.termination, config.tolerance, step.tolerance
    paid = {name: getattr(config.reward, name) * term(step) for name, term in REWARD_TERMS.items()}
    reward = sum(paid.values())
    failed = (
        ~walkers.is_above(
            state,
            np.where(tolerance.impaired, easy.terminate_below.height_share, end.terminate_below.height_share),
            np.where(tolerance.impaired, easy.terminate_below.up_cosine, end.terminate_below.up_cosine),
        )
        | (np.abs(state.heading) > np.where(tolerance.impaired, easy.max_heading_rad, end.max_heading_rad))
        | ((step.pose > end.max_pose_error) & ~tolerance.impaired)
        | ~np.isfinite(step.pose + step.rate)
    )
    metrics = {
        "pose_error_deg": float(np.rad2deg(np.sqrt(np.nanmean(step.pose)))),
        "speed_error_mps": float(np.nanmean(np.abs(step.speed_error))),
        "sideways_mps": float(np.nanmean(np.abs(averages.sideways))),
        "unevenness_deg": float(np.rad2deg(np.nanmean(np.abs(averages.unevenness)))),
        "correction_nm_kg": float(np.sqrt(np.nanmean(step.correction))),
        "force_error_bw": float(np.sqrt(np.nanmean(step.force_error))),
        "effort": float(np.nanmean(effort)),
        "impact": float(np.nanmean(step.impact)),
        **{f"reward_{name}": float(np.nanmean(value)) for name, value in paid.items()},
    }
    return RewardResult(np.where(np.isfinite(reward), reward, 0.0).astype(np.float32), failed, metrics)


def _contact_agreement(walkers: Walkers, state: WalkerState, leg: np.ndarray) -> np.ndarray:
    """Share (n,) of feet on the floor exactly when the reference has them there; leg (n, 2): what an error counts."""
    stance = walkers.reference.stance_fraction(walkers.speed_command)
    agreement = np.zeros(walkers.count)
    for side, shift in enumerate((0.0, 0.5)):
        phase = (walkers.phase + shift) % 1.0
        planned = phase < stance
        # distance to the nearer of the two events, along the circle
        to_strike = np.minimum(phase, 1.0 - phase)
        near = np.minimum(to_strike, np.abs(phase - stance)) < CONTACT_TOLERANCE_STRIDE
        agrees = near | (planned == (state.vertical_grf[:, side] > CONTACT_BW))
        agreement += 0.5 * (1.0 - leg[:, side] * ~agrees)
    return agreement


@dataclass
class ControlStep:
    """What a control period was (n,): powers in W/kg, endings, and how well the human walked."""

    power: np.ndarray
    overload: np.ndarray  #: mean fourth power of activation
    mechanical: np.ndarray
    share: np.ndarray
    change: np.ndarray
    beyond: np.ndarray
    terminated: np.ndarray  #: by a fall, or where the training ends an episode before
    out_of_time: np.ndarray
    walking: np.ndarray
    metrics: dict[str, float]
    seconds: list[float]


#: A term of a reward (n,) of a control period, with the reward's configuration for its references.
RewardTerm = Callable[["ControlStep", Any], np.ndarray]
#: What the device's policy is paid for, by name; each times the price of that name. A fall costs `fall` instead.
DEVICE_TERMS: dict[str, RewardTerm] = {
    "metabolic": lambda step, price: price.metabolic_reference_w_kg - step.power,
    "alive": lambda step, price: np.ones_like(step.power),
    "overload": lambda step, price: price.overload_reference - step.overload,
    "torque": lambda step, price: -(step.share**2).mean(axis=1),
    "torque_rate": lambda step, price: -(step.change**2).mean(axis=1),
    "beyond": lambda step, price: -(step.beyond**2).mean(axis=1),
    "mechanical_power": lambda step, price: -np.abs(step.mechanical),
}
#: What a wearer who learns is paid for.
WEARER_TERMS: dict[str, RewardTerm] = {
    "walking": lambda step, price: step.walking,
    "metabolic": lambda step, price: price.metabolic_reference_w_kg - step.power,
}


def paid_terms(
    terms: dict[str, RewardTerm], price: ExoRewardConfig | HumanRewardConfig, step: ControlStep, prefix: str
) -> np.ndarray:
    """The sum of the terms (n,), each times its price, and the price of a fall where the episode ended.

    Each term's mean over who still walks goes into the step's metrics, under its name after this prefix.
    """
    paid = {name: getattr(price, name) * term(step, price) for name, term in terms.items()}
    up = ~step.terminated
    step.metrics |= {f"{prefix}{name}": float(value[up].mean()) if up.any() else 0.0 for name, value in paid.items()}
    step.metrics[f"{prefix}fall"] = -price.fall * float(step.terminated.mean())
    reward = sum(paid.values())
    return np.where(step.terminated | ~np.isfinite(reward), -price.fall, reward).astype(np.float32)
