# SPDX-License-Identifier: Apache-2.0
"""What can be measured of a walk beside its strides: forces, muscles, motors, joints, means. One class each.

A meter is fed every control period (10 ms) of the measured part of a walk, and fills fields of WalkResult.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from exo_core.joints import SIDES
from exo_sim.body.model import BodyModel
from exo_sim.body.muscle_groups import main_groups
from exo_sim.gait.reference import GRAVITY_M_S2
from exo_sim.gait.sample import pelvis_angles
from exo_sim.gait.stride_metrics import StrideMetrics
from exo_sim.metabolics.models import BASAL_W_KG, MINIMUM_HEAT_W_KG
from exo_sim.metabolics.parameters import published_muscle_mass
from exo_sim.plant.sample import SimulationSample
from exo_sim.plant.simulation import Simulation

#: Beyond this share of its limit a torque counts as at the limit.
AT_LIMIT_SHARE = 0.98


class Moment(NamedTuple):
    """A control period of a walk: the strides that closed with it, and which joints each limit took torque from."""

    simulation: Simulation
    sample: SimulationSample
    strides: Sequence[StrideMetrics]
    bites: Mapping[str, np.ndarray]

    @property
    def joint_velocity(self) -> np.ndarray:
        """Of the driven joints (J,), rad/s."""
        return self.sample.joint_velocity[self.simulation.body.exo_joint_index]


class Meter(Protocol):
    """Measures a walk."""

    def feed(self, moment: Moment) -> None:
        """Takes in a control period."""

    def figures(self) -> dict[str, Any]:
        """Fields of WalkResult."""


class ForceMeter:
    """The highest vertical force on a foot in every stride, impact of the heel included; and the heading's drift.

    What a mean curve over strides hides, a single stride shows. The samples are means over 10 ms, about what the
    low-pass filters of gait laboratories (25 to 50 Hz) leave of an impact.
    """

    def __init__(self, body_mass: float):
        self._weight = body_mass * GRAVITY_M_S2
        self._highest = dict.fromkeys(SIDES, 0.0)
        #: One a closed stride and side, in body weights.
        self.peaks: list[float] = []
        self._first = self._last = None

    @classmethod
    def of(cls, simulation: Simulation) -> ForceMeter:
        """For this walk."""
        return cls(simulation.body.body_mass)

    def feed(self, moment: Moment) -> None:
        """Takes in a control period."""
        self._last = moment.sample.root_orientation_xyzw
        if self._first is None:
            self._first = self._last
        self.add(moment.sample.grf, moment.strides)

    def add(self, grf: Mapping[str, np.ndarray], closed: Sequence[StrideMetrics]) -> None:
        """Forces (3,) in N by side, and the strides that closed with them."""
        for stride in closed:
            self.peaks.append(self._highest[stride.side] / self._weight)
            self._highest[stride.side] = 0.0
        for side in SIDES:
            self._highest[side] = max(self._highest[side], float(grf[side][2]))

    def figures(self) -> dict[str, Any]:
        """Peaks (body weights) and drift (rad)."""
        drift = 0.0
        if self._first is not None:
            now, then = (float(pelvis_angles(orientation)[2]) for orientation in (self._last, self._first))
            drift = now - then
        return {"force_peaks_bw": self.peaks, "drift_rad": drift}


class MuscleMeter:
    """Mean metabolic power by group of muscles, and what the body spends at rest."""

    def __init__(self, body: BodyModel):
        self._body = body
        self._total, self._samples = np.zeros(len(body.muscles)), 0

    @classmethod
    def of(cls, simulation: Simulation) -> MuscleMeter:
        """For this walk."""
        return cls(simulation.body)

    def feed(self, moment: Moment) -> None:
        """Takes in a control period."""
        self._total += moment.simulation.muscle_power()
        self._samples += 1

    def figures(self) -> dict[str, Any]:
        """W/kg."""
        mass, muscles, groups = self._body.body_mass, self._body.muscles, {}
        if self._samples:
            per_mass = self._total / self._samples / mass
            groups = {group: float(per_mass[own].sum()) for group, own in main_groups(muscles).items()}
        resting = BASAL_W_KG + MINIMUM_HEAT_W_KG * float(published_muscle_mass(muscles, mass).sum()) / mass
        return {"resting_w_kg": resting, "group_power": groups}


@dataclass(frozen=True)
class MotorFigures:
    """Of one walk, by kind of joint (both sides together), per body mass.

    Attributes:
        positive_power, negative_power: mean over time, given and taken, of all motors together (W/kg; the latter <= 0).
        peak_torque, rms_torque: Nm/kg by kind ("hip_flexion").
        rms_rate: RMS change of torque, Nm/kg/s by kind.
        at_limit: share of time at the limit by kind.
        over_limit: largest torque over its limit less 1, of all motors; positive is a torque outside its limit.
        limited: share of time in which a limit of the device took torque from the request, by limit and kind.
    """

    positive_power: float
    negative_power: float
    peak_torque: dict[str, float]
    rms_torque: dict[str, float]
    rms_rate: dict[str, float]
    at_limit: dict[str, float]
    over_limit: float
    limited: dict[str, dict[str, float]] = field(default_factory=dict)


class MotorMeter:
    """What the motors did: power, torque, how fast it changes, how often it is at its limit, and which limit bites.

    The limit is that of the true wearer: a device that assumes a wrong mass must not hide it.
    """

    def __init__(self, names: Sequence[str], limit: Sequence[float], body_mass: float, period_s: float):
        """names: driven joints (J). limit: (J,) Nm, what each motor may give this wearer."""
        self._names, self._mass, self._period_s, self._limit = names, body_mass, period_s, np.asarray(limit)
        self._torques: list[np.ndarray] = []
        self._powers: list[np.ndarray] = []
        self._bites: dict[str, list[np.ndarray]] = {}

    @classmethod
    def of(cls, simulation: Simulation) -> MotorMeter:
        """For this walk."""
        body = simulation.body
        limit = body.device.torque_limits(body.body_mass) if body.device else ()
        return cls(body.exo_joints, limit, body.body_mass, simulation.period_s)

    def feed(self, moment: Moment) -> None:
        """Takes in a control period."""
        self.add(moment.sample.exo_torque, moment.joint_velocity, moment.bites)

    def add(self, torque: np.ndarray, velocity: np.ndarray, bites: Mapping[str, np.ndarray] | None = None) -> None:
        """Torques (J,) Nm on the joints, their velocities (J,) rad/s, and which joints (J,) each limit bites."""
        self._torques.append(np.array(torque))
        self._powers.append(torque * velocity)
        for limit, bitten in (bites or {}).items():
            self._bites.setdefault(limit, []).append(bitten)

    def figures(self) -> dict[str, Any]:
        """The motors' figures."""
        return {"motors": self.motors()}

    def motors(self) -> MotorFigures | None:
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
            limited={
                limit: {kind: float(np.stack(bites)[:, own].mean()) for kind, own in kinds.items()}
                for limit, bites in self._bites.items()
            },
        )


class JointMeter:
    """Mean torque and power of each driven joint over whole strides of its own leg.

    Over a fixed time one leg may push off once more than the other: in eight seconds that alone is a difference of
    15 %.
    """

    def __init__(self, joints: Sequence[str], body_mass: float):
        """joints: driven ones (J), with their side at the end of the name."""
        self._joints, self._mass = tuple(joints), body_mass
        self._times: list[float] = []
        self._torques: list[np.ndarray] = []
        self._powers: list[np.ndarray] = []
        self._span: dict[str, tuple[float, float]] = {}

    @classmethod
    def of(cls, simulation: Simulation) -> JointMeter:
        """For this walk."""
        return cls(simulation.body.exo_joints, simulation.body.body_mass)

    def feed(self, moment: Moment) -> None:
        """Takes in a control period."""
        self.add(moment.sample.t, moment.sample.exo_torque, moment.joint_velocity, moment.strides)

    def add(self, t: float, torque: np.ndarray, velocity: np.ndarray, strides: Sequence[StrideMetrics]) -> None:
        """Torques (J,) Nm and velocities (J,) rad/s at t (s); strides that began before the first t do not count."""
        self._times.append(t)
        self._torques.append(np.abs(torque))
        self._powers.append(np.maximum(torque * velocity, 0.0))
        for stride in strides:
            if stride.start >= self._times[0]:
                first, _ = self._span.get(stride.side, (stride.start, stride.end))
                self._span[stride.side] = first, stride.end

    def figures(self) -> dict[str, Any]:
        """Nm/kg and W/kg by joint; joints of a leg without a whole stride are left out."""
        return {"torque": self.torque, "power": self.power}

    @property
    def torque(self) -> dict[str, float]:
        """Mean absolute torque by joint, Nm/kg."""
        return self._means(self._torques)

    @property
    def power(self) -> dict[str, float]:
        """Mean positive power by joint, W/kg."""
        return self._means(self._powers)

    def _means(self, samples: Sequence[np.ndarray]) -> dict[str, float]:
        times, means = np.array(self._times), {}
        for column, joint in enumerate(self._joints):
            if joint[-1] in self._span:
                first, last = self._span[joint[-1]]
                within = (times >= first) & (times < last)
                values = np.array([sample[column] for sample in samples])[within]
                means[joint] = float(values.mean()) / self._mass if len(values) else float("nan")
        return means


class MeanMeter:
    """Means over time, strides or not: metabolic power (W/kg, Bhargava 2004 and Umberger 2010) and speed (m/s)."""

    def __init__(self, body_mass: float):
        self._mass = body_mass
        self._samples: list[tuple[float, float, float]] = []

    @classmethod
    def of(cls, simulation: Simulation) -> MeanMeter:
        """For this walk."""
        return cls(simulation.body.body_mass)

    def feed(self, moment: Moment) -> None:
        """Takes in a control period."""
        sample = moment.sample
        self._samples.append(
            (sample.metabolic_power / self._mass, sample.metabolic_power_umberger / self._mass, sample.speed)
        )

    def figures(self) -> dict[str, Any]:
        """NaN where nothing was fed."""
        means = np.mean(self._samples, axis=0) if self._samples else np.full(3, np.nan)
        names = ("metabolic_w_kg", "metabolic_umberger_w_kg", "speed_mps")
        return {"means": dict(zip(names, means.tolist(), strict=True))}


FORCES, MUSCLES, MOTORS, JOINT_TORQUE, MEANS = "forces", "muscles", "motors", "joints", "means"
METERS: dict[str, Callable[[Simulation], Meter]] = {
    FORCES: ForceMeter.of,
    MUSCLES: MuscleMeter.of,
    MOTORS: MotorMeter.of,
    JOINT_TORQUE: JointMeter.of,
    MEANS: MeanMeter.of,
}
