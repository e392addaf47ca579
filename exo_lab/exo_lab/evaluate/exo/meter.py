# SPDX-License-Identifier: Apache-2.0
"""Measures what the motors did during a walk: power, torque, how fast it changes, and how often it is at its limit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Beyond this share of its limit a torque counts as at the limit.
AT_LIMIT_SHARE = 0.98


@dataclass(frozen=True)
class MotorFigures:
    """Of one walk, by kind of joint (both sides together), per body mass.

    Attributes:
        positive_power, negative_power: mean over time, given and taken, of all motors together (W/kg; the latter <= 0).
        peak_torque, rms_torque: Nm/kg by kind ("hip_flexion").
        rms_rate: RMS change of torque, Nm/kg/s by kind.
        at_limit: share of time at the limit by kind.
        over_limit: largest torque over its limit less 1, of all motors; positive is a torque outside its limit.
    """

    positive_power: float
    negative_power: float
    peak_torque: dict[str, float]
    rms_torque: dict[str, float]
    rms_rate: dict[str, float]
    at_limit: dict[str, float]
    over_limit: float


class MotorMeter:
    """Streaming; feed it every control period.

    Args:
        names: driven joints (J).
        limit: (J,) Nm, what each motor may give this wearer.
        body_mass: kg.
        period_s: of the samples.
    """

    def __init__(self, names: tuple[str, ...], limit: np.ndarray, body_mass: float, period_s: float):
        self._names, self._limit, self._mass, self._period_s = names, np.asarray(limit), body_mass, period_s
        self._torques: list[np.ndarray] = []
        self._powers: list[np.ndarray] = []

    def feed(self, torque: np.ndarray, velocity: np.ndarray) -> None:
        """Torques (J,) Nm on the joints and their velocities (J,) rad/s."""
        self._torques.append(np.array(torque))
        self._powers.append(torque * velocity)

    def figures(self) -> MotorFigures | None:
        """None where nothing was fed, or there are no motors."""
        if len(self._torques) < 2 or not self._names:
            return None
        torque, power = np.stack(self._torques) / self._mass, np.stack(self._powers) / self._mass
        share = np.abs(np.stack(self._torques)) / self._limit
        rate = np.diff(torque, axis=0) / self._period_s
        kinds = {
            name[:-2]: [i for i, other in enumerate(self._names) if other[:-2] == name[:-2]] for name in self._names
        }
        return MotorFigures(
            positive_power=float(np.maximum(power, 0.0).sum(axis=1).mean()),
            negative_power=float(np.minimum(power, 0.0).sum(axis=1).mean()),
            peak_torque={kind: float(np.abs(torque[:, own]).max()) for kind, own in kinds.items()},
            rms_torque={kind: float(np.sqrt((torque[:, own] ** 2).mean())) for kind, own in kinds.items()},
            rms_rate={kind: float(np.sqrt((rate[:, own] ** 2).mean())) for kind, own in kinds.items()},
            at_limit={kind: float((share[:, own] > AT_LIMIT_SHARE).mean()) for kind, own in kinds.items()},
            over_limit=float(share.max() - 1.0),
        )
