# SPDX-License-Identifier: Apache-2.0
"""The phase estimator tells the gait phase from what a device senses: joints, and whether the pelvis moves.

It is causal and of constant cost per sample, and works for any set of sagittal hip, knee and ankle joints on one side
or two. A bank of extended Kalman filters locates joint angles and velocities on the average gait. The state of each
filter is [phase, stride rate (Hz), normalised speed, left-right phase deviation, angle offset (rad) of each joint, gain
of each joint's excursion]; measured are angle and velocity of every joint that the device has. The idea of gait phase
as the state of a Kalman filter whose measurement model is average gait is that of Thatte, Shah and Geyer 2019 (IEEE
RA-L 4:3129) and Medrano et al. 2023 (IEEE T-RO 39:2170). A single filter may lock on a wrong phase, so several start
around the cycle and the one that explains the signals best is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from exo_core.joints import JointNameError, check_joint_names, split_joint
from exo_policy.gait_template import (
    GRAVITY_M_S2,
    GaitTemplate,
    normalised_speed,
    speed_range,
    stride_rate_hz,
    template_joints,
)

RATE_RANGE_HZ = (0.35, 1.6)
"""Strides per second a filter may assume: from very slow walking (stride 2.9 s) to beyond 2 m/s."""

ASYMMETRY_RANGE = (-0.12, 0.12)
"""Share of a stride by which the left leg may be off half a stride (stroke gait: up to about 0.1)."""


@dataclass(frozen=True)
class PhaseFilterTuning:
    """Noise figures. Template errors are coherent over some 10 to 20 samples, so the measurement sigmas are
    several times the root mean square mismatch of a person to the average gait (3 to 6 degrees)."""

    angle_sigma_rad: float = 0.25
    velocity_sigma_rad_s: float = 2.5
    rate_speed_sigma_hz: float = 0.7
    phase_walk: float = 0.02
    rate_walk_hz: float = 0.08
    speed_walk: float = 0.06
    asymmetry_walk: float = 0.01
    offset_walk_rad: float = 0.005
    initial_rate_sigma_hz: float = 0.15
    initial_speed_sigma: float = 0.12
    initial_asymmetry_sigma: float = 0.02
    initial_offset_sigma_rad: float = 0.08
    gain_walk: float = 0.03
    initial_gain_sigma: float = 0.25
    initial_phase_sigma: float = 0.08


PHASE, RATE, SPEED, ASYMMETRY, OFFSETS = 0, 1, 2, 3, 4
"""Places of the state vector; the gains follow the offsets."""

GAIN_RANGE = (0.4, 2.5)
"""Excursion of a wearer's joint over that of the average gait; outside, it is not this gait."""


class PhaseFilterBank:
    """``members`` filters on the same signals, side by side in one set of arrays.

    ``joints``: names without side, ``left``: True where the joint is on the left. Phases are of the right
    heel strike; the left leg's is phase + 0.5 + asymmetry.
    """

    def __init__(self, joints: Sequence[str], left: Sequence[bool], members: int, tuning: PhaseFilterTuning) -> None:
        self.tuning = tuning
        self._template = GaitTemplate(joints)
        self._left = np.asarray(left, bool)
        self._two_sided = bool(self._left.any() and not self._left.all())
        self._gains = OFFSETS + len(joints)
        self._size = self._gains + len(joints)
        self.state = np.zeros((members, self._size))
        self.covariance = np.zeros((members, self._size, self._size))
        self.residual = np.zeros((members, len(joints)))
        """Measured minus modelled angle before the last update (members, J), rad."""

    def start(self, member: int, phase: float, like: int | None = None) -> None:
        """Put one filter at ``phase``, with the prior's speed, or with all else of filter ``like``."""
        t = self.tuning
        state = self.state[member]
        if like is None:
            state[SPEED] = normalised_speed(1.2)  # preferred adult walking speed, m/s
            state[RATE] = stride_rate_hz(state[SPEED])[0]
            state[ASYMMETRY:] = 0.0
            state[self._gains :] = 1.0
        else:
            state[:] = self.state[like]
        state[PHASE] = phase
        sigma = np.full(self._size, t.initial_offset_sigma_rad)
        sigma[self._gains :] = t.initial_gain_sigma
        sigma[:OFFSETS] = (
            t.initial_phase_sigma,
            t.initial_rate_sigma_hz,
            t.initial_speed_sigma,
            t.initial_asymmetry_sigma if self._two_sided else 0.0,
        )
        self.covariance[member] = np.diag(sigma**2)
        self.residual[member] = 0.0

    def predict(self, dt: float) -> None:
        """Advance every filter by ``dt`` seconds."""
        t = self.tuning
        self.state[:, PHASE] += self.state[:, RATE] * dt
        p = self.covariance
        p[:, PHASE, :] += dt * p[:, RATE, :]
        p[:, :, PHASE] += dt * p[:, :, RATE]
        walk = np.full(self._size, t.offset_walk_rad)
        walk[self._gains :] = t.gain_walk
        walk[:OFFSETS] = (
            t.phase_walk,
            t.rate_walk_hz,
            t.speed_walk,
            t.asymmetry_walk if self._two_sided else 0.0,
        )
        diagonal = np.arange(self._size)
        p[:, diagonal, diagonal] += walk**2 * dt

    def side_phases(self) -> np.ndarray:
        """Phase of every joint's own side (members, J), unwrapped."""
        shift = 0.5 + self.state[:, ASYMMETRY, None]
        return self.state[:, PHASE, None] + np.where(self._left, shift, 0.0)

    def update(self, angle: np.ndarray, velocity: np.ndarray) -> None:
        """Correct every filter with measured ``angle`` (J,) rad and ``velocity`` (J,) rad/s."""
        t, x, joints = self.tuning, self.state, len(angle)
        model = self._template(self.side_phases(), x[:, SPEED])
        rate, gain = x[:, RATE, None], x[:, self._gains :]
        by_phase, by_phase_phase = gain * model.by_phase, gain * model.by_phase_phase
        likely_rate, likely_slope = stride_rate_hz(x[:, SPEED])
        rows, each = 2 * joints + 1, np.arange(joints)
        h = np.zeros((len(x), rows, self._size))
        h[:, :joints, PHASE] = by_phase
        h[:, :joints, SPEED] = model.mean_by_speed + gain * model.by_speed
        h[:, :joints, ASYMMETRY] = np.where(self._left, by_phase, 0.0)
        h[:, each, OFFSETS + each] = 1.0
        h[:, each, self._gains + each] = model.excursion
        v = slice(joints, 2 * joints)
        h[:, v, PHASE] = rate * by_phase_phase
        h[:, v, RATE] = by_phase
        h[:, v, SPEED] = rate * gain * model.by_phase_speed
        h[:, v, ASYMMETRY] = np.where(self._left, rate * by_phase_phase, 0.0)
        h[:, joints + each, self._gains + each] = rate * model.by_phase
        # people of one size walk faster with a higher cadence: a weak tie between rate and speed
        h[:, -1, RATE] = 1.0
        h[:, -1, SPEED] = -likely_slope
        innovation = np.empty((len(x), rows))
        offset = x[:, OFFSETS : self._gains]
        self.residual = angle - model.mean - gain * model.excursion - offset
        innovation[:, :joints] = self.residual
        innovation[:, v] = velocity - rate * by_phase
        innovation[:, -1] = likely_rate - x[:, RATE]
        noise = np.empty(rows)
        noise[:joints], noise[v], noise[-1] = t.angle_sigma_rad, t.velocity_sigma_rad_s, t.rate_speed_sigma_hz
        ph = self.covariance @ h.transpose(0, 2, 1)
        s = h @ ph
        s[:, np.arange(rows), np.arange(rows)] += noise**2
        kalman = np.linalg.solve(s, ph.transpose(0, 2, 1)).transpose(0, 2, 1)
        x += (kalman @ innovation[..., None])[..., 0]
        p = self.covariance - kalman @ ph.transpose(0, 2, 1)
        self.covariance = 0.5 * (p + p.transpose(0, 2, 1))
        np.clip(x[:, RATE], *RATE_RANGE_HZ, out=x[:, RATE])
        np.clip(x[:, ASYMMETRY], *ASYMMETRY_RANGE, out=x[:, ASYMMETRY])
        np.clip(x[:, SPEED], *speed_range(), out=x[:, SPEED])
        np.clip(x[:, self._gains :], *GAIN_RANGE, out=x[:, self._gains :])


MEMBERS = 8
"""Filters in the bank: an eighth of a stride apart, half the width that one filter converges from."""

MAXIMUM_GAP_S = 0.25
"""A longer gap between samples starts the search anew: at 2 m/s it is a third of a stride."""

MERGED_PHASE = 0.06
"""Filters closer than this (share of a stride) have found the same phase; one of them is sent elsewhere."""


@dataclass(frozen=True)
class ConfidenceTuning:
    """When the phase is believed. Each (low, high) pair maps a figure to 0..1; the product is the confidence.

    ``motion``: root mean square joint velocity over that of the slowest gait in the table, each sample
    counted up to 1, so that a sudden stop is seen within half a second; walking keeps it above 0.43.
    ``fit``: share of the signals' variance that the average gait, shifted and stretched, explains.
    ``pelvis_m_s2``: root mean square deviation of the specific force from gravity (at 0.75 m/s: 0.5).
    ``strides``: strides followed without a jump; OpenExo too gives no torque before a full stride was seen.
    """

    motion: tuple[float, float] = (0.25, 0.42)
    fit: tuple[float, float] = (0.50, 0.75)
    pelvis_m_s2: tuple[float, float] = (0.08, 0.20)
    strides: tuple[float, float] = (1.0, 2.0)
    motion_memory_s: float = 0.12
    fit_memory_s: float = 0.6
    spread_memory_s: float = 1.5
    rise_s: float = 0.3
    fall_s: float = 0.08


@dataclass(frozen=True)
class GaitPhase:
    """Phase of each side, 0..1 from that side's heel strike; confidence 0 (not walking) to 1."""

    right: float
    left: float
    stride_rate_hz: float
    confidence: float

    def side(self, side: str) -> float:
        """Phase of side ``r`` or ``l``."""
        return self.right if side == "r" else self.left


class GaitPhaseEstimator:
    """Feed samples to :meth:`update`, read a :class:`GaitPhase`.

    ``joint_names`` are the device's joints in the order of the samples; joints that the average gait does not
    have (hip rotation) are ignored. ``lead_s`` looks ahead, to make up for a known delay of sensors and
    motors. Raises JointNameError if none of the joints can tell the phase.
    """

    def __init__(
        self,
        joint_names: Sequence[str],
        *,
        lead_s: float = 0.0,
        tuning: PhaseFilterTuning = PhaseFilterTuning(),
        confidence: ConfidenceTuning = ConfidenceTuning(),
    ) -> None:
        names = check_joint_names(joint_names)
        known = template_joints()
        self._columns = [i for i, name in enumerate(names) if split_joint(name)[0] in known]
        if not self._columns:
            raise JointNameError(
                f"joints {', '.join(names)}: none tells the gait phase; one of {', '.join(known)} is needed"
            )
        split = [split_joint(names[i]) for i in self._columns]
        joints = [joint for joint, _ in split]
        self._template = GaitTemplate(joints)
        self._lead_s = lead_s
        self._limits = confidence
        slow = speed_range()[0]
        cycle = np.linspace(0.0, 1.0, 100, endpoint=False)[:, None] * np.ones(len(joints))
        values = self._template(cycle, np.full(100, slow))
        rate = float(stride_rate_hz(np.float64(slow))[0])
        self._slow_velocity = np.sqrt((values.by_phase**2).mean(0)) * rate
        self._least_variance = (0.5 * values.excursion.std(0)) ** 2
        self._bank = PhaseFilterBank(joints, [side == "l" for _, side in split], MEMBERS, tuning)
        self.reset()

    def reset(self) -> None:
        """Forget everything: phase unknown, not walking."""
        joints = len(self._columns)
        self._stamp: float | None = None
        self._motion2 = np.zeros(joints)
        self._mean: np.ndarray | None = None
        self._variance = np.zeros(joints)
        self._pelvis2 = 0.0
        self._confidence = 0.0
        self._walking = False
        self._search()

    def _search(self) -> None:
        """Spread the filters over the cycle with the prior's speed."""
        for member in range(MEMBERS):
            self._bank.start(member, member / MEMBERS)
        self._score = np.zeros(MEMBERS)
        self._age_s = np.zeros(MEMBERS)
        self._chosen = 0
        self._followed = 0.0
        self._spawned = 0

    def update(
        self,
        stamp_s: float,
        position: np.ndarray,
        velocity: np.ndarray,
        specific_force: np.ndarray | None = None,
    ) -> GaitPhase:
        """Take one sample: ``position`` (J,) rad, ``velocity`` (J,) rad/s, ``specific_force`` (3,) m/s^2.

        A stamp that runs backwards or leaps ahead starts the search anew; a repeated stamp changes nothing.
        """
        angle, rate = np.asarray(position, float)[self._columns], np.asarray(velocity, float)[self._columns]
        dt = 0.0 if self._stamp is None else stamp_s - self._stamp
        if dt < 0.0 or dt > MAXIMUM_GAP_S:
            self.reset()
            dt = 0.0
        if self._stamp is None or dt > 0.0:
            self._stamp = stamp_s
            self._follow(dt, angle, rate, specific_force)
        return self._phase()

    def _follow(self, dt: float, angle: np.ndarray, velocity: np.ndarray, force: np.ndarray | None) -> None:
        limits = self._limits
        share = _memory(dt, limits.motion_memory_s)
        self._motion2 += share * (np.minimum((velocity / self._slow_velocity) ** 2, 1.0) - self._motion2)
        motion = float(np.sqrt(self._motion2.mean()))
        self._mean = angle.copy() if self._mean is None else self._mean
        share = _memory(dt, limits.spread_memory_s)
        self._variance += share * ((angle - self._mean) ** 2 - self._variance)
        self._mean += share * (angle - self._mean)
        pelvis = 1.0
        if force is not None:
            deviation = float(np.linalg.norm(force)) - GRAVITY_M_S2
            self._pelvis2 += _memory(dt, limits.fit_memory_s) * (deviation**2 - self._pelvis2)
            pelvis = _ramp(np.sqrt(self._pelvis2), limits.pelvis_m_s2)
        moving = motion > limits.motion[0]
        if moving and not self._walking:
            self._search()
        self._walking = moving
        target = 0.0
        if moving:
            self._bank.predict(dt)
            self._bank.update(angle, velocity)
            self._choose(dt)
            target = (
                _ramp(motion, limits.motion)
                * pelvis
                * _ramp(self.fit, limits.fit)
                * _ramp(self._followed, limits.strides)
            )
        smooth = limits.rise_s if target > self._confidence else limits.fall_s
        self._confidence += _memory(dt, smooth) * (target - self._confidence)

    @property
    def fit(self) -> float:
        """Share of the signals' variance that the average gait explains; 1 is perfect, may be negative."""
        return 1.0 - float(self._score[self._chosen])

    @property
    def normalised_speed(self) -> float:
        """Walking speed over sqrt(g L) that explains the signals best."""
        return float(self._bank.state[self._chosen, SPEED])

    def _choose(self, dt: float) -> None:
        """Score the filters, follow the best, send those that found the same phase elsewhere."""
        bank, memory_s = self._bank, self._limits.fit_memory_s
        self._age_s += dt
        # a plain mean while young, so that the first samples of a new filter do not rule its score
        share = np.minimum(1.0, np.maximum(_memory(dt, memory_s), dt / np.maximum(self._age_s, 1e-9)))
        misfit = (bank.residual**2 / np.maximum(self._variance, self._least_variance)).mean(1)
        self._score += share * (misfit - self._score)
        phase = bank.state[:, PHASE]
        # once a stride was followed, a rival must have explained as much as that before it takes over
        settled = self._followed >= self._limits.strides[0] and self.fit > self._limits.fit[0]
        grown = self._age_s >= (2.0 if settled else 0.5) * memory_s
        best = int(np.argmin(np.where(grown, self._score, np.inf))) if grown.any() else int(self._score.argmin())
        if best != self._chosen and self._score[best] < (0.6 if settled else 0.9) * self._score[self._chosen]:
            if abs(_wrap(phase[best] - phase[self._chosen])) > MERGED_PHASE:
                self._followed = 0.0
            self._chosen = best
        self._followed += float(bank.state[self._chosen, RATE]) * dt
        distance = np.abs(_wrap(phase - phase[self._chosen]))
        merged = (distance < MERGED_PHASE) & (self._age_s > 2.0 * memory_s)
        merged[self._chosen] = False
        for member in np.flatnonzero(merged)[:1]:
            self._spawned = self._spawned % (MEMBERS - 1) + 1
            bank.start(member, phase[self._chosen] + self._spawned / MEMBERS)
            self._score[member] = 0.0
            self._age_s[member] = 0.0

    def _phase(self) -> GaitPhase:
        state = self._bank.state[self._chosen]
        right = state[PHASE] + self._lead_s * state[RATE]
        return GaitPhase(
            right=float(right % 1.0),
            left=float((right + 0.5 + state[ASYMMETRY]) % 1.0),
            stride_rate_hz=float(state[RATE]) if self._walking else 0.0,
            confidence=float(np.clip(self._confidence, 0.0, 1.0)),
        )


def _memory(dt: float, time_constant_s: float) -> float:
    """Weight of a new sample in an exponential average."""
    return 1.0 - float(np.exp(-dt / time_constant_s))


def _ramp(value: float, limits: tuple[float, float]) -> float:
    """0 below the first limit, 1 above the second, linear between."""
    low, high = limits
    return float(np.clip((value - low) / (high - low), 0.0, 1.0))


def _wrap(phase: np.ndarray) -> np.ndarray:
    """Phase difference in -0.5..0.5."""
    return (phase + 0.5) % 1.0 - 0.5
