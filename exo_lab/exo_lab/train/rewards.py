# SPDX-License-Identifier: Apache-2.0
"""Reward and end of an episode for a human that imitates the reference gait."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exo_lab.train.averages import StrideAverages
from exo_lab.train.config import HumanTrainingConfig
from exo_lab.train.leniency import leniency
from exo_sim.human.walkers import Walkers, WalkerState

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


@dataclass
class Judgement:
    """Reward (n,), fall or loss of the reference (n,), and means for the log."""

    reward: np.ndarray
    failed: np.ndarray
    metrics: dict[str, float]


#: Fore-aft forces are a sixth of vertical ones: their squared errors count by so much more.
FORWARD_FORCE_SHARE = 9.0
#: Within this share of a stride of heel strike and toe-off, contact may be either way.
CONTACT_TOLERANCE_STRIDE = 0.01
#: A foot bears load from this vertical force on (body weights).
CONTACT_BW = 0.05


def judge(
    config: HumanTrainingConfig,
    walkers: Walkers,
    state: WalkerState,
    action: np.ndarray,
    effort: np.ndarray,
    averages: StrideAverages,
) -> Judgement:
    """Reward of the step that led to `state`.

    Args:
        action: (n, 14) as given by the policy.
        effort: (n,) mean squared activation over the step.
        averages: over about a stride.
    """
    terms, end, easy = config.reward, config.termination, config.leniency
    weight = np.tile(config.joint_weights, 2)
    ease = leniency(config.leniency, walkers.deficit)
    weight = weight / weight.sum() * ease.joint
    goal = walkers.reference.angles(walkers.speed_command, walkers.phase)
    goal_rate = walkers.reference.rates(walkers.speed_command, walkers.phase)
    pose = ((goal - state.joint_angle) ** 2 * weight).sum(axis=1)
    rate = ((goal_rate - state.joint_rate) ** 2 * weight).sum(axis=1)
    drift = (state.velocity[:, 0] - walkers.speed_command) ** 2 + state.velocity[:, 1] ** 2
    lean = (
        (1.0 - state.up[:, 2] ** 2)
        + HEADING_SHARE * state.heading**2
        + ANGULAR_RATE_SHARE * (state.angular_velocity**2).sum(axis=1)
    )
    impact = np.maximum(state.vertical_grf - terms.impact_threshold_bw, 0.0).sum(axis=1)
    speed_error = averages.speed - walkers.speed_command
    correction = (walkers.correction**2 * weight).sum(axis=1)
    forces = walkers.reference.forces(walkers.speed_command, walkers.phase)
    force_error = 0.5 * (
        ease.leg * (state.vertical_grf - forces[:, 0::2]) ** 2
        + FORWARD_FORCE_SHARE * ease.leg * (state.forward_grf - forces[:, 1::2]) ** 2
    ).sum(axis=1)
    reward = (
        terms.pose * np.exp(-terms.pose_width * pose)
        + terms.pose_fine * np.exp(-terms.pose_fine_width * pose)
        + terms.rate * np.exp(-RATE_WIDTH * rate)
        + terms.velocity * np.exp(-VELOCITY_WIDTH * drift)
        + terms.mean_speed * np.exp(-ease.speed * np.abs(speed_error) / MEAN_SPEED_SCALE)
        + terms.straight * np.exp(-SIDEWAYS_WIDTH * averages.sideways**2)
        + terms.even * np.exp(-UNEVEN_WIDTH * ease.person * (averages.unevenness**2).mean(axis=1))
        + terms.moment * np.exp(-MOMENT_WIDTH * correction)
        + terms.force * np.exp(-FORCE_WIDTH * force_error)
        + terms.contact * _contact_agreement(walkers, state, ease.leg)
        + terms.upright * np.exp(-UPRIGHT_WIDTH * ease.upright * lean)
        + terms.effort * ease.effort * np.exp(-EFFORT_WIDTH * effort)
        - terms.action * (action**2).mean(axis=1)
        - terms.impact * np.minimum(impact, 1.0)
    )
    failed = (
        ~walkers.is_above(
            state,
            np.where(ease.impaired, easy.terminate_below.height_share, end.terminate_below.height_share),
            np.where(ease.impaired, easy.terminate_below.up_cosine, end.terminate_below.up_cosine),
        )
        | (np.abs(state.heading) > np.where(ease.impaired, easy.max_heading_rad, end.max_heading_rad))
        | ((pose > end.max_pose_error) & ~ease.impaired)
        | ~np.isfinite(pose + rate)
    )
    metrics = {
        "pose_error_deg": float(np.rad2deg(np.sqrt(np.nanmean(pose)))),
        "speed_error_mps": float(np.nanmean(np.abs(speed_error))),
        "sideways_mps": float(np.nanmean(np.abs(averages.sideways))),
        "unevenness_deg": float(np.rad2deg(np.nanmean(np.abs(averages.unevenness)))),
        "correction_nm_kg": float(np.sqrt(np.nanmean(correction))),
        "force_error_bw": float(np.sqrt(np.nanmean(force_error))),
        "effort": float(np.nanmean(effort)),
        "impact": float(np.nanmean(impact)),
    }
    return Judgement(np.where(np.isfinite(reward), reward, 0.0).astype(np.float32), failed, metrics)


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
