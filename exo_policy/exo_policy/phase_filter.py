# SPDX-License-Identifier: Apache-2.0
"""A bank of extended Kalman filters that locate joint angles and velocities on the average gait.

State of each filter: [phase, stride rate (Hz), normalised speed, left-right phase deviation, angle offset
(rad) of each joint, gain of each joint's excursion]. Measured: angle and velocity of every joint that the
device has. The idea of gait phase as the state of a Kalman filter whose measurement model is average gait is
that of Thatte, Shah and Geyer 2019 (IEEE RA-L 4:3129) and Medrano et al. 2023 (IEEE T-RO 39:2170). A single
filter may lock on a wrong phase, so several start around the cycle and the one that explains the signals best
is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from exo_policy.gait_template import GaitTemplate, normalised_speed, speed_range, stride_rate_hz

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
