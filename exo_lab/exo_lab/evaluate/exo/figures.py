# SPDX-License-Identifier: Apache-2.0
"""From walks to figures with intervals and targets.

The unit of an interval is the training: each policy's value is the mean over its evaluation seeds, and the interval
is Student's over policies. With one or two policies, and for conditions without any, it is over evaluation seeds.
Changes are paired by evaluation seed, which starts both walks in the same phase of the stride.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from exo_device.safety.limits import LIMITS
from exo_lab.conditions import LEARNED, NO_DEVICE, SPLINE, UNPOWERED
from exo_lab.evaluate.exo import profile
from exo_sim.measurement import Figure, mean_interval
from exo_sim.world.walk import WalkResult

#: Targets of the learned policy.
LARGEST_CHANGE_FROM = {UNPOWERED: -15.0, NO_DEVICE: -8.0}  # %, at every speed
#: Savings beyond this are a reason to look for a bug (%).
INCREDIBLE_CHANGE = -50.0
SMALLEST_R = {"ankle": 0.93, "hip": 0.94}
LARGEST_PEAK_ERROR = 3.0  # % of stride
PROFILE_SPEED_MPS = 1.25
#: A torque may not exceed its limit by more than the torque sensor's rounding (share).
LIMIT_TOLERANCE = 0.001
#: Policies from which on the interval is over policies.
LEAST_POLICIES = 3

MODELS = {"bhargava": "metabolic_power_per_mass", "umberger": "metabolic_power_umberger_per_mass"}
ANGLES = {"hip": "hip_flexion", "knee": "knee_flexion", "ankle": "ankle_dorsiflexion"}
STRIDE = {"stride_length": "m", "cadence": "steps/min", "stance_percent": "%", "step_width": "m", "speed": "m/s"}
#: Of the figures of a profile that are not in percent of the stride.
UNITS = {"r": "1", "r_at_best_lag": "1", "rmse_scaled": "Nm/kg"}
Value = Callable[[WalkResult], float]


class Walks:
    """Results by condition, speed and policy."""

    def __init__(self, results: Sequence[WalkResult]):
        self._by_key: dict[tuple, dict[str, dict[int, WalkResult]]] = {}
        for result in results:
            task = result.task
            policies = self._by_key.setdefault((task.key, task.speed_mps), {})
            policies.setdefault(task.policy, {})[task.seed] = result

    @property
    def speeds(self) -> list[float]:
        """Speeds (m/s), each once."""
        return sorted({speed for _, speed in self._by_key})

    @property
    def conditions(self) -> list[str]:
        """Conditions in the order in which they came."""
        return list(dict.fromkeys(condition for condition, _ in self._by_key))

    def all(self, condition: str, speed: float) -> list[WalkResult]:
        """Every walk of a condition at a speed."""
        policies = self._by_key.get((condition, speed), {})
        return [result for seeds in policies.values() for result in seeds.values()]

    def by_policy(self, condition: str, speed: float) -> dict[str, dict[int, WalkResult]]:
        """Walks of a condition at a speed by policy and evaluation seed."""
        return self._by_key.get((condition, speed), {})

    def figure(self, name: str, unit: str, condition: str, speed: float, value: Value, **target: float) -> Figure:
        """Mean of a value over the walks of a condition, judged against at_least or at_most where given."""
        samples = {
            policy: [value(result) for result in seeds.values()]
            for policy, seeds in self._by_key.get((condition, speed), {}).items()
        }
        return _figure(name, unit, samples, target)

    def change(
        self,
        name: str,
        unit: str,
        condition: str,
        baseline: str,
        speed: float,
        value: Callable[[WalkResult, WalkResult], float],
        **target: float,
    ) -> Figure:
        """Mean of value(walk, walk of the baseline with the same seed), as `figure`.

        A baseline that has a walker of its own for every policy is paired by policy as well.
        """
        theirs = self._by_key.get((baseline, speed), {})
        samples = {}
        for policy, seeds in self._by_key.get((condition, speed), {}).items():
            partners = theirs.get(policy) or theirs.get("") or {}
            samples[policy] = [value(result, partners[seed]) for seed, result in seeds.items() if seed in partners]
        return _figure(name, unit, samples, target)


def limited_by(kind: str, limit: str) -> str:
    """Name of the share of time in which a limit of the device (see LIMITS) takes torque from joints of a kind."""
    return f"{kind}_limited_by_{limit}"


def evaluation_figures(results: Sequence[WalkResult]) -> list[Figure]:
    """All figures, condition by condition and speed by speed; names end with condition and speed."""
    walks, figures = Walks(results), []
    for speed in walks.speeds:
        for condition in walks.conditions:
            figures += _of_condition(walks, condition, speed)
    return figures


def at(name: str, condition: str, speed: float) -> str:
    """Name of a figure of a condition at a speed: metabolic_change_from_unpowered.learned.1.25"""
    return f"{name}.{condition}.{speed:g}"


def _of_condition(walks: Walks, condition: str, speed: float) -> list[Figure]:
    learned, kind = condition == LEARNED, condition.split(":")[0]
    own = walks.all(condition, speed)

    def name(text: str) -> str:
        return at(text, condition, speed)

    falls = sum(result.fell for result in own)
    figures = [
        Figure.against(name("falls"), falls, "1", at_most=0) if learned else Figure(name("falls"), falls, "1"),
        Figure(name("walks"), len(own), "1"),
        Figure.against(name("device_faults"), sum(bool(r.faults) for r in own), "1", at_most=0),
    ]
    for model, scalar in MODELS.items():
        figures += [
            walks.figure(name(f"gross_{model}"), "W/kg", condition, speed, lambda r, s=scalar: r.scalar(s)),
            walks.figure(
                name(f"net_{model}"), "W/kg", condition, speed, lambda r, s=scalar: r.scalar(s) - r.resting_w_kg
            ),
            walks.figure(
                name(f"cost_{model}"), "J/kg/m", condition, speed, lambda r, s=scalar: r.scalar(s) / r.scalar("speed")
            ),
        ]
    for baseline in (NO_DEVICE, UNPOWERED):
        if kind in (NO_DEVICE, baseline) or not walks.all(baseline, speed):
            continue
        figures += _changes(walks, condition, baseline, speed, learned)
    groups = sorted({group for result in own for group in result.group_power})
    figures += [
        walks.figure(
            name(f"group_{group}"), "W/kg", condition, speed, lambda r, g=group: r.group_power.get(g, float("nan"))
        )
        for group in groups
    ]
    if kind != NO_DEVICE and walks.all(NO_DEVICE, speed):
        figures += _gait_changes(walks, condition, speed)
    if kind in (SPLINE, LEARNED):
        figures += _motors(walks, condition, speed, learned) + _profiles(walks, condition, speed, learned)
    return figures


def _changes(walks: Walks, condition: str, baseline: str, speed: float, judged: bool) -> list[Figure]:
    figures = []
    for model, scalar in MODELS.items():
        # judged by the model that the policy was trained with; the other one tells whether it is an artefact of it
        target = (
            {"at_most": LARGEST_CHANGE_FROM[baseline], "at_least": INCREDIBLE_CHANGE}
            if judged and model == "bhargava"
            else {}
        )
        for kind, net in (("gross", False), ("net", True)):
            figures.append(
                walks.change(
                    at(f"{kind}_change_{model}_from_{baseline}", condition, speed),
                    "%",
                    condition,
                    baseline,
                    speed,
                    lambda a, b, s=scalar, n=net: (
                        100.0 * (a.scalar(s) - b.scalar(s)) / (b.scalar(s) - (b.resting_w_kg if n else 0.0))
                    ),
                    **({} if net else target),
                )
            )
    groups = sorted({group for result in walks.all(baseline, speed) for group in result.group_power})
    figures += [
        walks.change(
            at(f"group_{group}_change_from_{baseline}", condition, speed),
            "W/kg",
            condition,
            baseline,
            speed,
            lambda a, b, g=group: a.group_power.get(g, np.nan) - b.group_power.get(g, np.nan),
        )
        for group in groups
    ]
    return figures


def _gait_changes(walks: Walks, condition: str, speed: float) -> list[Figure]:
    def difference(variable: str, a: WalkResult, b: WalkResult) -> float:
        ours, theirs = a.curve(variable), b.curve(variable)
        return float("nan") if ours is None or theirs is None else float(np.sqrt(np.mean((ours - theirs) ** 2)))

    figures = [
        walks.change(
            at(f"{joint}_angle_rms_from_no_device", condition, speed),
            "deg",
            condition,
            NO_DEVICE,
            speed,
            lambda a, b, v=angle: difference(v, a, b),
        )
        for joint, angle in ANGLES.items()
    ]
    figures.append(
        walks.change(
            at("grf_vertical_rms_from_no_device", condition, speed),
            "BW",
            condition,
            NO_DEVICE,
            speed,
            lambda a, b: difference("grf_vertical_BW", a, b),
        )
    )
    figures += [
        walks.change(
            at(f"{scalar}_change_from_no_device", condition, speed),
            unit,
            condition,
            NO_DEVICE,
            speed,
            lambda a, b, s=scalar: a.scalar(s) - b.scalar(s),
        )
        for scalar, unit in STRIDE.items()
    ]
    return figures


def _motors(walks: Walks, condition: str, speed: float, judged: bool) -> list[Figure]:
    def of(read: Callable, result: WalkResult) -> float:
        return float("nan") if result.motors is None else float(read(result.motors))

    def figure(text: str, unit: str, read: Callable, **target: float) -> Figure:
        return walks.figure(at(text, condition, speed), unit, condition, speed, lambda r: of(read, r), **target)

    figures = [
        figure("positive_power", "W/kg", lambda m: m.positive_power),
        figure("negative_power", "W/kg", lambda m: m.negative_power),
        figure(
            "positive_over_negative_power",
            "1",
            lambda m: m.positive_power / -m.negative_power if m.negative_power < 0.0 else np.inf,
            **({"at_least": 1.0} if judged else {}),
        ),
        figure("over_limit", "1", lambda m: m.over_limit, **({"at_most": LIMIT_TOLERANCE} if judged else {})),
    ]
    kinds = sorted({kind for r in walks.all(condition, speed) if r.motors for kind in r.motors.rms_torque})
    for kind in kinds:
        figures += [
            figure(f"{kind}_peak_torque", "Nm/kg", lambda m, k=kind: m.peak_torque[k]),
            figure(f"{kind}_rms_torque", "Nm/kg", lambda m, k=kind: m.rms_torque[k]),
            figure(f"{kind}_rms_torque_rate", "Nm/kg/s", lambda m, k=kind: m.rms_rate[k]),
            figure(f"{kind}_time_at_limit", "1", lambda m, k=kind: m.at_limit[k]),
            *(
                figure(limited_by(kind, limit), "1", lambda m, k=kind, n=limit: m.limited.get(n, {}).get(k, np.nan))
                for limit in LIMITS
            ),
        ]
    return figures


def _profiles(walks: Walks, condition: str, speed: float, learned: bool) -> list[Figure]:
    figures = []
    for joint in profile.REFERENCES:
        compared = {
            id(r): profile.compare(joint, r.curve(profile.variable(joint))) for r in walks.all(condition, speed)
        }
        judged = learned and speed == PROFILE_SPEED_MPS
        for part in sorted({part for values in compared.values() for part in values}):
            unit = UNITS.get(part.removeprefix("cosine_"), "% of stride")
            target = {}
            if judged and part == "r":
                target = {"at_least": SMALLEST_R[joint]}
            elif judged and part == f"{profile.MAIN_LOBE}_peak_error":
                target = {"at_least": -LARGEST_PEAK_ERROR, "at_most": LARGEST_PEAK_ERROR}
            figures.append(
                walks.figure(
                    at(f"{joint}_profile_{part}", condition, speed),
                    unit,
                    condition,
                    speed,
                    lambda r, p=part: compared[id(r)].get(p, float("nan")),
                    **target,
                )
            )
        if judged and any(compared.values()):
            figures.append(
                walks.figure(
                    at(f"{joint}_profile_r_above_cosine", condition, speed),
                    "1",
                    condition,
                    speed,
                    lambda r: compared[id(r)].get("r", np.nan) - compared[id(r)].get("cosine_r", np.nan),
                    at_least=0.0,
                )
            )
    return figures


def _figure(name: str, unit: str, samples: dict[str, list[float]], target: dict[str, float]) -> Figure:
    known = {policy: [v for v in values if np.isfinite(v)] for policy, values in samples.items()}
    known = {policy: values for policy, values in known.items() if values}
    means = [float(np.mean(values)) for values in known.values()]
    pooled = means if len(means) >= LEAST_POLICIES else [v for values in known.values() for v in values]
    value = float(np.mean(means)) if means else float("nan")
    interval = mean_interval(pooled)[1] if len(pooled) > 1 else None
    left_out = sum(map(len, samples.values())) - sum(map(len, known.values()))
    return Figure.judged(name, value, unit, interval=interval, left_out=left_out, **target)
