# SPDX-License-Identifier: Apache-2.0
"""The signals that a device on an average walker would send: for tests and trials.

Joints follow the average gait table exactly (no dynamics, no person), so the true phase is known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from exo_core.joints import split_joint
from exo_policy.gait_template import (
    DEFAULT_LEG_LENGTH_M,
    GRAVITY_M_S2,
    GaitTemplate,
    normalised_speed,
    stride_rate_hz,
)
from exo_policy.observation import DeviceObservation

FINE = 10
"""Steps of integration per sample."""

BOUNCE_SHARE = 0.6
"""Vertical excursion of the pelvis over that of a rigid inverted pendulum with the same steps (Kuo 2007)."""


@dataclass(frozen=True)
class SyntheticWalk:
    """N samples of J joints. ``phase_right`` is unwrapped, the left side's is half a stride on."""

    joint_names: tuple[str, ...]
    stamp_s: np.ndarray
    phase_right: np.ndarray
    stride_rate_hz: np.ndarray
    position: np.ndarray
    velocity: np.ndarray
    linear_acceleration: np.ndarray

    def __len__(self) -> int:
        return len(self.stamp_s)

    def phase(self, side: str) -> np.ndarray:
        """Phase (N,) of side ``r`` or ``l``, 0..1 from heel strike."""
        return (self.phase_right + (0.5 if side == "l" else 0.0)) % 1.0

    def observation(self, i: int, torque: np.ndarray | None = None) -> DeviceObservation:
        """Sample ``i`` of an upright pelvis; ``torque`` (J,) Nm as applied, default zero."""
        return DeviceObservation(
            stamp_s=float(self.stamp_s[i]),
            joint_names=self.joint_names,
            position=self.position[i],
            velocity=self.velocity[i],
            torque=np.zeros(len(self.joint_names)) if torque is None else torque,
            orientation_xyzw=np.array([0.0, 0.0, 0.0, 1.0]),
            angular_velocity=np.zeros(3),
            linear_acceleration=self.linear_acceleration[i],
        )


def synthetic_walk(
    joint_names: Sequence[str],
    speed_mps: float | Callable[[float], float],
    duration_s: float,
    *,
    rate_hz: float = 100.0,
    start_phase: float = 0.0,
    delay_s: float = 0.0,
    angle_noise_rad: float = 0.0,
    velocity_noise_rad_s: float = 0.0,
    offset_rad: np.ndarray | float = 0.0,
    gain: np.ndarray | float = 1.0,
    cadence: float = 1.0,
    seed: int = 0,
) -> SyntheticWalk:
    """Walk at ``speed_mps`` (a number, or a function of time in s) for ``duration_s``.

    ``delay_s`` delays the signals, not the phase; ``offset_rad`` and ``gain`` (J,) or scalar shift and
    stretch the angles; ``cadence`` multiplies the stride rate that belongs to the speed.
    """
    names = tuple(joint_names)
    rng = np.random.default_rng(seed)
    speed = speed_mps if callable(speed_mps) else lambda _: float(speed_mps)
    samples = int(round(duration_s * rate_hz))
    time = np.arange(samples * FINE) / (rate_hz * FINE)
    vn = np.array([normalised_speed(speed(t)) for t in time])
    rate = cadence * stride_rate_hz(vn)[0]
    phase = start_phase + np.concatenate([[0.0], np.cumsum(rate[:-1]) / (rate_hz * FINE)])
    split = [split_joint(name) for name in names]
    template = GaitTemplate([joint for joint, _ in split])
    left = np.array([side == "l" for _, side in split])
    values = template(phase[:, None] + 0.5 * left, vn)
    angle = values.mean + gain * values.excursion + offset_rad
    velocity = np.gradient(angle, time, axis=0)
    step_m = vn * np.sqrt(GRAVITY_M_S2 * DEFAULT_LEG_LENGTH_M) / (2.0 * rate)
    bounce_m = BOUNCE_SHARE * step_m**2 / (16.0 * DEFAULT_LEG_LENGTH_M)  # amplitude: half of peak to peak
    vertical = GRAVITY_M_S2 + bounce_m * (4.0 * np.pi * rate) ** 2 * np.cos(4.0 * np.pi * phase)
    late = np.maximum(np.arange(samples) * FINE - int(round(delay_s * rate_hz * FINE)), 0)
    shape = (samples, len(names))
    return SyntheticWalk(
        joint_names=names,
        stamp_s=time[::FINE],
        phase_right=phase[::FINE],
        stride_rate_hz=rate[::FINE],
        position=angle[late] + angle_noise_rad * rng.normal(size=shape),
        velocity=velocity[late] + velocity_noise_rad_s * rng.normal(size=shape),
        linear_acceleration=np.stack([np.zeros(samples), np.zeros(samples), vertical[late]], 1),
    )
