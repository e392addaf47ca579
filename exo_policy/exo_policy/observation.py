# SPDX-License-Identifier: Apache-2.0
"""An observation is what a policy may see: the device's joints, its pelvis IMU, the wearer's mass, the limits.

Nothing else: no gait phase, no muscle, no root position. A policy that is told so may see the wearer's strengths as
well, as a clinic measures them (one number a muscle group and side, which does not change while walking). The layout is
a :class:`Contract`; the same functions build the vector on the device (one sample) and in training (leading axes =
environments).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from exo_core.joints import STRENGTH_GROUPS, check_joint_names
from exo_policy.action import exo_action_terms
from exo_policy.manifest import Contract, ObservationTerm

DEFAULT_RATE_HZ = 100.0
"""Rate of exo/joint_states, exo/imu and exo/command."""

DEFAULT_HISTORY = 4
"""Frames a policy sees: 40 ms at 100 Hz, enough to sense acceleration and the delay of the actuators."""

RATE_TOLERANCE = 0.25
"""Share by which the typical interval may differ from the contract's before the stream is refused."""

RATE_WINDOW = 50
"""Intervals looked at for the rate."""

RATE_QUANTILE = 0.05
"""Quantile that counts of the means of two intervals in a row: samples lost on a busy computer stretch the others, and
after one that waited for a motor's reply the next comes the sooner."""

MAXIMUM_GAP_S = 0.25
"""After a longer gap the history is forgotten instead of stretched."""

STRENGTHS = "muscle_strength"
"""Name of the term with the wearer's strengths."""


class ObservationError(ValueError):
    """Signals that do not fit the contract; the message is one line that says what and what to do."""


@dataclass(frozen=True)
class DeviceObservation:
    """One sample of the device. Order of joints: ``joint_names``. Arrays of n devices have a leading axis (n, ...).

    ``position`` (J,) rad, ``velocity`` (J,) rad/s, ``torque`` (J,) applied Nm; IMU frame (REP 145, x forward,
    y left, z up): ``orientation_xyzw`` (4,) of that frame in the world, or None where the sensor gives none;
    ``angular_velocity`` (3,) rad/s; ``linear_acceleration`` (3,) specific force m/s^2 (+9.81 z at rest).
    """

    stamp_s: float
    joint_names: tuple[str, ...]
    position: np.ndarray
    velocity: np.ndarray
    torque: np.ndarray
    orientation_xyzw: np.ndarray | None
    angular_velocity: np.ndarray
    linear_acceleration: np.ndarray

    def check(self, joint_names: Sequence[str], leading: tuple[int, ...] = ()) -> None:
        """Raise ObservationError unless the joints are ``joint_names``, in order, and all is finite.

        ``leading``: the shape before the last axis of every array, (n,) of n devices.
        """
        if tuple(self.joint_names) != tuple(joint_names):
            raise ObservationError(
                f"observation has joints {', '.join(self.joint_names)}; expected {', '.join(joint_names)}"
            )
        sizes = {
            "position": len(joint_names),
            "velocity": len(joint_names),
            "torque": len(joint_names),
            "angular_velocity": 3,
            "linear_acceleration": 3,
        }
        if self.orientation_xyzw is not None:
            sizes["orientation_xyzw"] = 4
        for field, size in sizes.items():
            value = np.asarray(getattr(self, field))
            if value.shape != (*leading, size):
                expected = f"({', '.join(map(str, (*leading, size)))}{'' if leading else ','})"
                raise ObservationError(f"observation.{field} has shape {value.shape}, expected {expected}")
            if not np.isfinite(value).all():
                raise ObservationError(f"observation.{field} holds NaN or infinity ({value}); check the sensor")
        if not np.isfinite(self.stamp_s):
            raise ObservationError(f"observation.stamp_s is {self.stamp_s}; check the clock")


def up_from_orientation(orientation_xyzw: np.ndarray) -> np.ndarray:
    """World's up in the IMU frame (..., 3) from the frame's orientation in the world (..., 4), any norm > 0.

    Raises ObservationError for a zero quaternion.
    """
    q = np.asarray(orientation_xyzw, float)
    norm = np.linalg.norm(q, axis=-1, keepdims=True)
    if not (norm > 1e-6).all():
        raise ObservationError("orientation is the zero quaternion; set orientation_covariance[0] = -1 if unknown")
    x, y, z, w = np.moveaxis(q / norm, -1, 0)
    return np.stack([2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)], -1)


class UpFromInertial:
    """World's up in the IMU frame from gyro and accelerometer, for an IMU that gives no orientation.

    Complementary filter (Mahony 2008 in spirit): the gyro turns the estimate, the specific force, which is up
    on average over a stride, pulls it back within ``time_constant_s``. Any leading axes.
    """

    def __init__(self, time_constant_s: float = 2.0) -> None:
        self._time_constant_s = time_constant_s
        self._up: np.ndarray | None = None

    def reset(self, rows: np.ndarray | None = None) -> None:
        """Forget the estimate; the next sample's specific force starts it. ``rows``: of these devices only."""
        if rows is None or self._up is None:
            self._up = None
        else:
            self._up[rows] = np.nan

    def update(self, dt: float, angular_velocity: np.ndarray, specific_force: np.ndarray) -> np.ndarray:
        """Advance by ``dt`` s; rad/s and m/s^2 in the IMU frame (..., 3); returns unit vectors (..., 3)."""
        measured = _unit(np.asarray(specific_force, float), np.array([0.0, 0.0, 1.0]))
        if self._up is None:
            self._up = measured
        else:
            turned = self._up - dt * np.cross(angular_velocity, self._up)
            pulled = _unit(turned + (1.0 - np.exp(-dt / self._time_constant_s)) * (measured - turned), measured)
            self._up = np.where(np.isnan(self._up), measured, pulled)
        return self._up


def _unit(vector: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) at length 1; ``otherwise`` where there is no direction."""
    length = np.linalg.norm(vector, axis=-1, keepdims=True)
    return np.where(length > 1e-6, vector / np.maximum(length, 1e-6), otherwise)


def exo_observation_terms(joints: int, strengths: bool = False) -> tuple[ObservationTerm, ...]:
    """The terms that an exoskeleton policy may use, in order, for a device with that many joints.

    Scales bring walking's values near 1. ``torque_share`` is the applied torque over the joint's limit;
    ``strengths`` adds the wearer's, as a fraction of the healthy.
    """
    terms = (
        ObservationTerm(name="joint_position", size=joints, scale=1.0, unit="rad"),
        ObservationTerm(name="joint_velocity", size=joints, scale=0.1, unit="rad/s"),
        ObservationTerm(name="up_vector", size=3, scale=1.0, unit="1, world up in the IMU frame"),
        ObservationTerm(name="angular_velocity", size=3, scale=0.2, unit="rad/s, IMU frame"),
        ObservationTerm(name="torque_share", size=joints, scale=1.0, unit="1, applied torque / limit"),
        ObservationTerm(name="wearer_mass", size=1, scale=0.01, unit="kg", per_frame=False),
        ObservationTerm(name="torque_limit", size=joints, scale=1.0, unit="Nm/kg", per_frame=False),
    )
    told = ObservationTerm(
        name=STRENGTHS, size=len(STRENGTH_GROUPS), scale=1.0, unit="1, share of healthy force", per_frame=False
    )
    return (*terms, told) if strengths else terms


def exo_contract(
    joint_names: Sequence[str],
    *,
    history: int = DEFAULT_HISTORY,
    rate_hz: float = DEFAULT_RATE_HZ,
    low_pass_hz: float | None = 8.0,
    plantarflexion_only: bool = True,
    strengths: bool = False,
) -> Contract:
    """The contract of a policy for a device with ``joint_names`` (the order of joint terms and actions)."""
    names = check_joint_names(joint_names)
    return Contract(
        observation=exo_observation_terms(len(names), strengths),
        action=exo_action_terms(names, low_pass_hz=low_pass_hz, plantarflexion_only=plantarflexion_only),
        rate_hz=rate_hz,
        history=history,
    )


def usable_contract(found: Contract, joint_names: Sequence[str], rate_hz: float) -> Contract:
    """The contract that a checkpoint must have to run on this device, its own choices left to it.

    Its own: which of the known terms it uses and their order and scale, history, order of joints, clip and low-pass.
    The device's: names of the joints, sizes, units, rate. Equal to ``found`` if the checkpoint fits.
    """
    names = check_joint_names(joint_names)
    order = found.action.names if sorted(found.action.names) == sorted(names) else names
    known = {term.name: term for term in exo_observation_terms(len(names), strengths=True)}
    terms = tuple(
        known[term.name].model_copy(update={"scale": term.scale}) for term in found.observation if term.name in known
    )
    expected = exo_action_terms(order)
    if order == found.action.names:
        chosen = {"scale", "minimum", "maximum", "low_pass_hz"}
        expected = expected.model_copy(update={field: getattr(found.action, field) for field in chosen})
    return Contract(
        observation=terms or exo_observation_terms(len(names)),
        action=expected,
        rate_hz=rate_hz,
        history=found.history,
    )


def pack_terms(terms: Sequence[ObservationTerm], values: Mapping[str, np.ndarray]) -> np.ndarray:
    """Scale and join named values (..., size) in the terms' order -> (..., sum of sizes) float32.

    Raises ObservationError for a missing value or one of another size.
    """
    blocks = []
    for term in terms:
        if term.name not in values:
            raise ObservationError(f"observation term '{term.name}' has no value")
        value = np.asarray(values[term.name], np.float32)
        if value.shape[-1:] != (term.size,):
            raise ObservationError(
                f"observation term '{term.name}' has shape {value.shape}, expected (..., {term.size})"
            )
        blocks.append(value * np.float32(term.scale))
    shape = np.broadcast_shapes(*(block.shape[:-1] for block in blocks)) if blocks else ()
    return np.concatenate(
        [np.broadcast_to(block, shape + block.shape[-1:]) for block in blocks] or [np.zeros(shape + (0,), np.float32)],
        axis=-1,
    )


def read_strengths(text: str) -> dict[str, float]:
    """Strengths from text as ``plantarflexors_r: 0.5, hip_flexors_l: 0.8``; empty text gives none.

    Raises ObservationError for what is no such list; groups and ranges are checked where the strengths are set.
    """
    found: dict[str, float] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        group, colon, value = (part.strip() for part in entry.partition(":"))
        try:
            found[group] = float(value)
        except ValueError:
            raise ObservationError(
                f"strengths: '{entry}' is not like 'plantarflexors_r: 0.5'"
                + ("" if colon else "; the colon is missing")
            ) from None
    return found


def check_strengths(strengths: Mapping[str, float]) -> None:
    """Raise ObservationError for an unknown muscle group or a strength that is not between 0 and 2."""
    for group, value in strengths.items():
        if group not in STRENGTH_GROUPS:
            raise ObservationError(f"strengths: unknown muscle group '{group}'; allowed: {', '.join(STRENGTH_GROUPS)}")
        if not 0.0 <= value <= 2.0:
            raise ObservationError(f"strengths: {group} must be between 0 and 2, got {value}")


class ExoObservation:
    """Builds a policy's input vector from the device's samples, one by one; or those of n devices at once.

    The device, the offline loop and the training all build it here. ``joint_names`` is the device's order of joints;
    the contract's action names give the network's order. Both name the same joints. ``wearer_mass`` kg and
    ``torque_limit`` (J,) Nm, device order, may change through :meth:`set_wearer`. Of n devices (``count``) they are
    (n,) and (n, J), every array of a sample is (n, ...), and so is the answer.
    """

    def __init__(
        self,
        contract: Contract,
        joint_names: Sequence[str],
        wearer_mass: float | np.ndarray,
        torque_limit: np.ndarray,
        count: int | None = None,
    ) -> None:
        self.contract = contract
        self._leading = () if count is None else (count,)
        self.joint_names = tuple(joint_names)
        if sorted(self.joint_names) != sorted(contract.action.names):
            raise ObservationError(
                f"device joints {', '.join(self.joint_names)} are not the contract's "
                f"({', '.join(contract.action.names)})"
            )
        self._order = [self.joint_names.index(name) for name in contract.action.names]
        self._frame_terms = [term for term in contract.observation if term.per_frame]
        self._once_terms = [term for term in contract.observation if not term.per_frame]
        self._inertial = UpFromInertial()
        self._strengths = np.ones((*self._leading, len(STRENGTH_GROUPS)))
        self.set_wearer(wearer_mass, torque_limit)
        self.reset()

    def set_wearer(self, wearer_mass: float | np.ndarray, torque_limit: np.ndarray) -> None:
        """Set the wearer's mass (kg) and the torque limits (J,) Nm in the device's order; (n,) and (n, J) of n."""
        self._mass = np.broadcast_to(np.asarray(wearer_mass, float), self._leading)[..., None]
        self._limit = np.asarray(torque_limit, float)[..., self._order]

    def set_strengths(self, strengths: Mapping[str, float] | np.ndarray) -> None:
        """Set the wearer's strengths by muscle group and side (STRENGTH_GROUPS); what is left out is healthy.

        Of n devices: an array (n, groups). Raises ObservationError for an unknown group or a strength that is not
        between 0 and 2.
        """
        if isinstance(strengths, Mapping):
            check_strengths(strengths)
            strengths = np.array([strengths.get(group, 1.0) for group in STRENGTH_GROUPS])
        self._strengths = np.broadcast_to(strengths, (*self._leading, len(STRENGTH_GROUPS)))

    def restart(self, rows: np.ndarray) -> None:
        """Forgets the history of these (indices) of n devices; the next sample fills it."""
        self._begins[rows] = True
        self._inertial.reset(rows)

    def reset(self) -> None:
        """Forget the history."""
        self._begins = np.zeros(self._leading, dtype=bool)
        self._frames: deque[np.ndarray] = deque(maxlen=self.contract.history)
        self._intervals: deque[float] = deque(maxlen=RATE_WINDOW)
        self._stamp: float | None = None
        self._inertial.reset()

    def update(self, sample: DeviceObservation) -> np.ndarray:
        """Take one sample, return the input vector (observation_size,) float32; (n, observation_size) of n devices.

        The first sample fills the whole history. Raises ObservationError for NaN, other joints, or a stream
        whose typical interval is not the contract's.
        """
        sample.check(self.joint_names, self._leading)
        dt = 0.0 if self._stamp is None else sample.stamp_s - self._stamp
        if dt < 0.0 or dt > MAXIMUM_GAP_S:
            self.reset()
            dt = 0.0
        self._check_rate(dt)
        self._stamp = sample.stamp_s
        if sample.orientation_xyzw is not None:
            up = up_from_orientation(sample.orientation_xyzw)
        else:
            up = self._inertial.update(dt, sample.angular_velocity, sample.linear_acceleration)
        torque = np.asarray(sample.torque, float)[..., self._order]
        frame = pack_terms(
            self._frame_terms,
            {
                "joint_position": np.asarray(sample.position)[..., self._order],
                "joint_velocity": np.asarray(sample.velocity)[..., self._order],
                "up_vector": up,
                "angular_velocity": sample.angular_velocity,
                "torque_share": torque_share(torque, self._limit),
            },
        )
        if not self._frames:
            self._frames.extend([frame] * self.contract.history)
        else:
            self._frames.append(frame)
            if self._begins.any():  # who begins anew has no past
                for old in self._frames:
                    old[self._begins] = frame[self._begins]
        self._begins = np.zeros(self._leading, dtype=bool)
        once = pack_terms(
            self._once_terms,
            {
                "wearer_mass": self._mass,
                "torque_limit": self._limit / self._mass,
                STRENGTHS: self._strengths,
            },
        )
        once = np.broadcast_to(once, (*self._leading, once.shape[-1]))
        return np.concatenate([*self._frames, once], axis=-1)

    def _check_rate(self, dt: float) -> None:
        if dt <= 0.0:
            return
        self._intervals.append(dt)
        if len(self._intervals) < RATE_WINDOW:
            return
        intervals = np.array(self._intervals)
        typical = float(np.quantile(0.5 * (intervals[1:] + intervals[:-1]), RATE_QUANTILE))
        expected = 1.0 / self.contract.rate_hz
        if abs(typical / expected - 1.0) > RATE_TOLERANCE:
            raise ObservationError(
                f"samples come at {1.0 / typical:.1f} Hz, the contract says {self.contract.rate_hz:g} Hz; "
                "set the device's publishing rate to that"
            )


def torque_share(torque: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Torque over limit, elementwise; 0 where the limit is 0 (a joint that may not be driven)."""
    limit = np.asarray(limit, float)
    return np.divide(torque, limit, out=np.zeros(np.broadcast_shapes(np.shape(torque), limit.shape)), where=limit > 0)
