# SPDX-License-Identifier: Apache-2.0
"""Rewards of every training: named terms, each with a weight in the YAML, logged by name; and when an episode ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel

from exo_lab.train.config import HumanTrainingConfig, RewardConfig, ToleranceConfig
from exo_lab.train.exo_config import ExoRewardConfig, HumanRewardConfig
from exo_sim.gait.reference import JOINTS, LEG_JOINTS
from exo_sim.human.observation import POLICY_RATE_HZ
from exo_sim.human.walkers import Walkers, WalkerState

_COMPARED = ("hip_flexion", "knee_angle", "ankle_angle")
_RIGHT = [JOINTS.index(f"{joint}_r") for joint in _COMPARED]
_LEFT = [JOINTS.index(f"{joint}_l") for joint in _COMPARED]


class StrideAverages:
    """Running means of n people over about a stride: what sways within one must not be punished, what stays must.

    Args:
        count: n.
        config: has the time constants.

    Attributes:
        speed: (n,) m/s, forward.
        sideways: (n,) m/s, to the left; other than 0 who walks crabwise.
        unevenness: (n, 3) rad, error of hip flexion, knee and ankle angle on the right less that on the left.
    """

    def __init__(self, count: int, config: RewardConfig):
        self._fast, self._slow = (
            1.0 / (time * POLICY_RATE_HZ) for time in (config.mean_speed_time_s, config.side_time_s)
        )
        self.speed, self.sideways = np.zeros(count), np.zeros(count)
        self.unevenness = np.zeros((count, len(_COMPARED)))

    def restart(self, i: int, speed: float) -> None:
        """Walker i begins anew at this speed (m/s)."""
        self.speed[i], self.sideways[i], self.unevenness[i] = speed, 0.0, 0.0

    def update(self, walkers: Walkers, state: WalkerState) -> None:
        """Takes in the state after one policy period."""
        error = state.joint_angle - walkers.reference.angles(walkers.speed_command, walkers.phase)
        self.speed += self._fast * (state.velocity[:, 0] - self.speed)
        self.sideways += self._slow * (state.velocity[:, 1] - self.sideways)
        self.unevenness += self._slow * (error[:, _RIGHT] - error[:, _LEFT] - self.unevenness)


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


#: A term of a reward: what a step was and the reward's weights and widths, to (n,).
RewardTerm = Callable[[Any, Any], np.ndarray]


def weighted(terms: dict[str, RewardTerm], config: BaseModel, step: Any) -> dict[str, np.ndarray]:
    """Each term (n,) of a step times the weight of its name in the configuration."""
    return {name: getattr(config, name) * term(step, config) for name, term in terms.items()}


@dataclass
class RewardResult:
    """Reward (n,), fall or loss of the reference (n,), and means for the log: errors, and each weighted term."""

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
    def tolerance(self) -> Tolerance:
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
        """Squared sine of the trunk's tilt, with heading and angular rate by their shares."""
        state, reward = self.state, self.config.reward
        return (
            (1.0 - state.up[:, 2] ** 2)
            + reward.heading_share * state.heading**2
            + reward.angular_rate_share * (state.angular_velocity**2).sum(axis=1)
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
            + self.config.reward.forward_force_share
            * self.tolerance.leg
            * (self.state.forward_grf - forces[:, 1::2]) ** 2
        ).sum(axis=1)


#: What a human who imitates the reference gait is rewarded for, by name. Rewards are 0 to 1, penalties below 0.
IMITATION_TERMS: dict[str, Callable[[PolicyStep, RewardConfig], np.ndarray]] = {
    "pose": lambda step, reward: np.exp(-reward.pose_width * step.pose),
    "pose_fine": lambda step, reward: np.exp(-reward.pose_fine_width * step.pose),
    "rate": lambda step, reward: np.exp(-reward.rate_width * step.rate),
    "velocity": lambda step, reward: np.exp(-reward.velocity_width * step.drift),
    "mean_speed": lambda step, reward: np.exp(
        -step.tolerance.speed * np.abs(step.speed_error) / reward.mean_speed_scale_mps
    ),
    "straight": lambda step, reward: np.exp(-reward.straight_width * step.averages.sideways**2),
    "even": lambda step, reward: np.exp(
        -reward.even_width * step.tolerance.person * (step.averages.unevenness**2).mean(axis=1)
    ),
    "moment": lambda step, reward: np.exp(-reward.moment_width * step.correction),
    "force": lambda step, reward: np.exp(-reward.force_width * step.force_error),
    "contact": lambda step, reward: _contact_agreement(step, reward),
    "upright": lambda step, reward: np.exp(-reward.upright_width * step.tolerance.upright * step.lean),
    "effort": lambda step, reward: step.tolerance.effort * np.exp(-reward.effort_width * step.effort),
    "action": lambda step, reward: -(step.action**2).mean(axis=1),
    "impact": lambda step, reward: -np.minimum(step.impact, 1.0),
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
    terms = weighted(IMITATION_TERMS, config.reward, step)
    reward = sum(terms.values())
    metrics = {
        "pose_error_deg": float(np.rad2deg(np.sqrt(np.nanmean(step.pose)))),
        "speed_error_mps": float(np.nanmean(np.abs(step.speed_error))),
        "sideways_mps": float(np.nanmean(np.abs(averages.sideways))),
        "unevenness_deg": float(np.rad2deg(np.nanmean(np.abs(averages.unevenness)))),
        "correction_nm_kg": float(np.sqrt(np.nanmean(step.correction))),
        "force_error_bw": float(np.sqrt(np.nanmean(step.force_error))),
        "effort": float(np.nanmean(effort)),
        "impact": float(np.nanmean(step.impact)),
        **{f"reward_{name}": float(np.nanmean(value)) for name, value in terms.items()},
    }
    return RewardResult(np.where(np.isfinite(reward), reward, 0.0).astype(np.float32), _failed(step), metrics)


def _failed(step: PolicyStep) -> np.ndarray:
    """Whose episode (n,) ends: below a posture, off the heading, or, unless impaired, away from the reference."""
    state, end, impaired_end = step.state, step.config.termination, step.config.tolerance
    impaired = step.tolerance.impaired
    height_share, up_cosine = (
        np.where(impaired, getattr(impaired_end.terminate_below, name), getattr(end.terminate_below, name))
        for name in ("height_share", "up_cosine")
    )
    return (
        ~step.walkers.is_above(state, height_share, up_cosine)
        | (np.abs(state.heading) > np.where(impaired, impaired_end.max_heading_rad, end.max_heading_rad))
        | ((step.pose > end.max_pose_error) & ~impaired)
        | ~np.isfinite(step.pose + step.rate)
    )


def _contact_agreement(step: PolicyStep, reward: RewardConfig) -> np.ndarray:
    """Share (n,) of feet on the floor exactly when the reference has them there."""
    walkers, leg = step.walkers, step.tolerance.leg
    stance = walkers.reference.stance_fraction(walkers.speed_command)
    agreement = np.zeros(walkers.count)
    for side, shift in enumerate((0.0, 0.5)):
        phase = (walkers.phase + shift) % 1.0
        planned = phase < stance
        # distance to the nearer of the two events, along the circle
        to_strike = np.minimum(phase, 1.0 - phase)
        near = np.minimum(to_strike, np.abs(phase - stance)) < reward.contact_tolerance_stride
        agrees = near | (planned == (step.state.vertical_grf[:, side] > reward.contact_threshold_bw))
        agreement += 0.5 * (1.0 - leg[:, side] * ~agrees)
    return agreement


@dataclass
class ControlStep:
    """A control period (10 ms) as the rewards of device and wearer see it, for n people with J driven joints."""

    power: np.ndarray  #: (n,) gross metabolic power, W/kg; 0 where the episode ended
    overload: np.ndarray  #: (n,) mean fourth power of activation, at most ExoRewardConfig.largest_overload
    mechanical: np.ndarray  #: (n,) power that the device gives, W/kg
    share: np.ndarray  #: (n, J) of the torque limits asked for
    change: np.ndarray  #: (n, J) of share since the period before
    beyond: np.ndarray  #: (n, J) part of the action beyond what the joint may do
    terminated: np.ndarray  #: (n,) by a fall, or where the training ends an episode before
    out_of_time: np.ndarray  #: (n,)
    walking: np.ndarray  #: (n,) imitation reward of a period of the human, at its end; else 0
    metrics: dict[str, float]
    seconds: list[float]  #: duration of the episodes that ended


#: What the device's policy is rewarded for, by name. A fall costs `fall` instead.
DEVICE_TERMS: dict[str, Callable[[ControlStep, ExoRewardConfig], np.ndarray]] = {
    "metabolic": lambda step, reward: (
        reward.metabolic_reference_w_kg - np.minimum(step.power, reward.largest_power_w_kg)
    ),
    "alive": lambda step, reward: np.ones_like(step.power),
    "overload": lambda step, reward: reward.overload_reference - step.overload,
    "torque": lambda step, reward: -(step.share**2).mean(axis=1),
    "torque_rate": lambda step, reward: -(step.change**2).mean(axis=1),
    "beyond": lambda step, reward: -(step.beyond**2).mean(axis=1),
    "mechanical_power": lambda step, reward: -np.abs(step.mechanical),
}
#: What a wearer who learns is rewarded for.
WEARER_TERMS: dict[str, Callable[[ControlStep, HumanRewardConfig], np.ndarray]] = {
    "walking": lambda step, reward: step.walking,
    "metabolic": lambda step, reward: (
        reward.metabolic_reference_w_kg - np.minimum(step.power, reward.largest_power_w_kg)
    ),
}


def control_reward(
    terms: dict[str, RewardTerm], config: ExoRewardConfig | HumanRewardConfig, step: ControlStep, prefix: str
) -> np.ndarray:
    """The sum of the weighted terms (n,), or the price of a fall where the episode ended.

    Each term's mean over who still walks goes into the step's metrics, under its name after this prefix.
    """
    weighed, up = weighted(terms, config, step), ~step.terminated
    step.metrics |= {f"{prefix}{name}": float(value[up].mean()) if up.any() else 0.0 for name, value in weighed.items()}
    step.metrics[f"{prefix}fall"] = -config.fall * float(step.terminated.mean())
    reward = sum(weighed.values())
    return np.where(step.terminated | ~np.isfinite(reward), -config.fall, reward).astype(np.float32)
