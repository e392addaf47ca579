# SPDX-License-Identifier: Apache-2.0
"""What studies measure, as data: a measure has a name, a unit, a value and a target, and becomes a figure over walks.

The unit of an interval is the training: each policy's value is the mean over its evaluation seeds, and the interval is
Student's over policies. With one or two policies, and for walks without any, it is over evaluation seeds. Changes are
paired by evaluation seed, which starts both walks in the same phase of the stride.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from exo_core.joints import SIDES
from exo_sim.errors import GaitError
from exo_sim.gait.curves import Curve
from exo_sim.measurement import Figure, mean_interval, share_interval
from exo_sim.world.walk import WalkResult

#: Policies from which on the interval is over policies.
LEAST_POLICIES = 3
#: Gross metabolic power by the model's name, as strides hold it.
POWER = {"bhargava": "metabolic_power_per_mass", "umberger": "metabolic_power_umberger_per_mass"}
#: The angle of a joint, as curves.csv calls it.
ANGLES = {"hip": "hip_flexion", "knee": "knee_flexion", "ankle": "ankle_dorsiflexion"}
VERTICAL_FORCE = "grf_vertical_BW"
#: What a walk at one speed is held to: error of the mean speed (m/s), RMSE of joint angles against the reference gait
#: (deg), correlation of the vertical force with the norm.
SPEED_TOLERANCE_MPS, LARGEST_RMSE_DEG, SMALLEST_FORCE_R = 0.1, 6.0, 0.85

#: Values by policy, one a walk; NaN where a walk does not tell.
Samples = Mapping[str, Sequence[float]]
Interval = tuple[float, float] | None


def mean(samples: Samples) -> tuple[float, Interval]:
    """Mean over policies of their mean over walks, and its interval; walks without a value are left out."""
    known = [own for values in samples.values() if (own := [v for v in values if np.isfinite(v)])]
    means = [float(np.mean(own)) for own in known]
    pooled = means if len(means) >= LEAST_POLICIES else [value for own in known for value in own]
    return float(np.mean(means)) if means else math.nan, mean_interval(pooled)[1] if len(pooled) > 1 else None


def total(samples: Samples) -> tuple[float, Interval]:
    """How often something happened, over all walks."""
    return float(sum(sum(values) for values in samples.values())), None


def share(samples: Samples) -> tuple[float, Interval]:
    """Share of walks of which something holds, with Wilson's interval."""
    values = [value for own in samples.values() for value in own]
    return share_interval(int(sum(values)), len(values))


def largest(samples: Samples) -> tuple[float, Interval]:
    """The largest value in any walk."""
    known = [value for own in samples.values() for value in own if np.isfinite(value)]
    return max(known, default=math.nan), None


@dataclass(frozen=True)
class Measure:
    """One figure of a study.

    Attributes:
        name: of the figure, before what it is measured in.
        unit: SI unit, or "1", "%", "deg" and so on.
        value: of a walk, or of a walk and that of the baseline with the same seed; NaN where it was not measured.
        target: at_least, at_most; empty where the figure is not judged.
        title: what reports call it; empty where no report names it alone.
        over: how the values of walks become one.
        judged_at: lowest and highest speed (m/s) that the target holds for; None for all.
    """

    name: str
    unit: str
    value: Callable[..., float]
    target: Mapping[str, float] = field(default_factory=dict)
    title: str = ""
    over: Callable[[Samples], tuple[float, Interval]] = mean
    judged_at: tuple[float, float] | None = None

    def figure(self, name: str, samples: Samples, speed: float | None = None) -> Figure:
        """The figure of these values, judged where there is a target for this speed; says how many had no value."""
        value, interval = self.over(samples)
        judged = self.judged_at is None or (speed is not None and self.judged_at[0] <= speed <= self.judged_at[1])
        target = self.target if judged else {}
        unknown = sum(not np.isfinite(value) for own in samples.values() for value in own)
        left_out = unknown if self.over is mean else 0
        return Figure.judged(name, value, self.unit, interval=interval, left_out=left_out, **target)


class Walks:
    """Results by condition (of a person where there are several), speed, policy and evaluation seed."""

    def __init__(self, results: Sequence[WalkResult]):
        self._by_key: dict[tuple[str, float], dict[str, dict[int, WalkResult]]] = {}
        for result in results:
            task = result.task
            policies = self._by_key.setdefault((task.key, task.speed_mps), {})
            policies.setdefault(task.policy, {})[task.seed] = result

    @property
    def speeds(self) -> list[float]:
        """Speeds (m/s), each once, slowest first."""
        return sorted({speed for _, speed in self._by_key})

    @property
    def conditions(self) -> list[str]:
        """Conditions in the order in which they came."""
        return list(dict.fromkeys(condition for condition, _ in self._by_key))

    def by_policy(self, condition: str, speed: float) -> dict[str, dict[int, WalkResult]]:
        """Walks of a condition at a speed by policy and evaluation seed."""
        return self._by_key.get((condition, speed), {})

    def all(self, condition: str, speed: float) -> list[WalkResult]:
        """Every walk of a condition at a speed."""
        return [result for seeds in self.by_policy(condition, speed).values() for result in seeds.values()]

    def pairs(self, condition: str, baseline: str, speed: float) -> dict[str, list[tuple[WalkResult, WalkResult]]]:
        """Walks with that of a baseline with the same seed, by policy.

        A baseline that has a walker of its own for every policy is paired by policy as well.
        """
        theirs, found = self.by_policy(baseline, speed), {}
        for policy, seeds in self.by_policy(condition, speed).items():
            partners = theirs.get(policy) or theirs.get("") or {}
            found[policy] = [(result, partners[seed]) for seed, result in seeds.items() if seed in partners]
        return found

    def figure(self, measure: Measure, condition: str, speed: float, baseline: str = "", name: str = "") -> Figure:
        """A measure over the walks of a condition, or of each beside the baseline's walk with the same seed."""
        if baseline:
            pairs = self.pairs(condition, baseline, speed)
            samples = {policy: [measure.value(*pair) for pair in own] for policy, own in pairs.items()}
        else:
            walks = self.by_policy(condition, speed)
            samples = {policy: [measure.value(walk) for walk in seeds.values()] for policy, seeds in walks.items()}
        return measure.figure(name or at(measure.name, condition, speed), samples, speed)


def at(name: str, condition: str, speed: float) -> str:
    """Name of a figure of a condition at a speed: metabolic_change_from_unpowered.learned.1.25"""
    return f"{name}.{condition}.{speed:g}"


def by_name(figures: Sequence[Figure]) -> dict[str, Figure]:
    """Figures by their name, in their order."""
    return {figure.name: figure for figure in figures}


# --- what several studies read out of a walk


def scalar(name: str) -> Callable[[WalkResult], float]:
    """Reads the mean of a stride figure of both legs."""
    return lambda walk: walk.scalar(name)


def both_legs(walk: WalkResult, variable: str, value: Callable[[Curve], float]) -> float:
    """Mean over both legs of a value of a curve; NaN where a leg was not walked on long enough."""
    try:
        return float(np.mean([value(walk.curves.get(walk.task.key, variable, side)) for side in SIDES]))
    except GaitError:
        return math.nan


def cost_of_transport(walk: WalkResult) -> float:
    """Gross metabolic energy per distance (J/kg/m), Bhargava 2004; NaN where it was not measured."""
    return walk.scalar(POWER["bhargava"]) / walk.scalar("speed")
