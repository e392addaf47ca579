# SPDX-License-Identifier: Apache-2.0
"""What a device does for who wears it: cost, muscles, gait, motors, and torque against the profiles validated on people.

Each condition is measured alone and beside those without a device and unpowered. No training has seen the profiles.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from exo_device.safety.limits import LIMITS
from exo_lab.conditions import LEARNED, NO_DEVICE, SPLINE, UNPOWERED
from exo_lab.evaluate.figures import ANGLES, POWER, VERTICAL_FORCE, Measure, Walks, scalar, total
from exo_lab.evaluate.profile_metrics import CurveFigures, LobeTiming, compare_profiles
from exo_policy.profiles import ANKLE_GENERIC, HIP, TorqueProfile
from exo_sim.measurement import Figure
from exo_sim.world.meters import MotorFigures
from exo_sim.world.walk import WalkResult

#: What the learned policy is held to: change of cost at every speed (%), correlation with the validated profiles.
LARGEST_CHANGE_FROM = {UNPOWERED: -15.0, NO_DEVICE: -8.0}
SMALLEST_R = {"ankle": 0.93, "hip": 0.94}
#: Savings beyond this are a reason to look for a bug (%).
INCREDIBLE_CHANGE = -50.0
#: Error of a peak's time (% of the stride), and the speed (m/s) at which profiles are judged.
LARGEST_PEAK_ERROR, PROFILE_SPEED_MPS = 3.0, 1.25
#: A torque may not exceed its limit by more than the torque sensor's rounding (share).
LIMIT_TOLERANCE = 0.001
STRIDE = {"stride_length": "m", "cadence": "steps/min", "stance_percent": "%", "step_width": "m", "speed": "m/s"}

#: Profiles validated on people by joint; the sign is that of the curve variable.
PROFILES: dict[str, TorqueProfile] = {"hip": HIP, "ankle": ANKLE_GENERIC}
#: The lobe that timing is judged by: flexion of the hip, push-off of the ankle; both are positive.
MAIN_LOBE = "positive"
#: Torques below this (Nm/kg) are noise: there is no profile.
LEAST_PEAK_NM_KG = 0.02
PROFILE_POINTS = 100
#: Of the figures of a profile that are not in percent of the stride.
PROFILE_UNITS = {"r": "1", "r_at_best_lag": "1", "rmse_scaled": "Nm/kg"}


def torque_variable(joint: str) -> str:
    """Name of a joint's torque in curves.csv."""
    return f"exo_torque_{joint}_Nm_kg"


def validated_profile(joint: str) -> np.ndarray:
    """The validated profile (PROFILE_POINTS,) as a share of its peak, from heel strike."""
    return PROFILES[joint](np.arange(PROFILE_POINTS) / PROFILE_POINTS)


def compare_torque(joint: str, torque: np.ndarray | None) -> dict[str, float]:
    """Figures of a torque curve (101,) in Nm/kg, 0 to 100 %, by name; those of the cosine begin with cosine_.

    The profile is scaled to fit best by least squares, so that size does not enter. Empty without torque.
    """
    if torque is None or not np.abs(torque).max() >= LEAST_PEAK_NM_KG:
        return {}
    shape = validated_profile(joint)
    ours = np.asarray(torque, dtype=float)[:-1]
    scale = float(ours @ shape / (shape @ shape))
    # a curve that points the other way has no fitting scale: compare it with the profile as it is
    compared = compare_profiles(ours, shape * (scale if scale > 0.0 else 1.0))
    cosine = {f"cosine_{name}": value for name, value in _named(compared.cosine).items()}
    return {**_named(compared.curve), **cosine}


def _named(figures: CurveFigures) -> dict[str, float]:
    named = {"r": figures.r, "best_lag": figures.best_lag_percent, "r_at_best_lag": figures.r_at_best_lag}
    named["rmse_scaled"] = figures.rmse_scaled
    for lobe in ("positive", "negative"):
        timing: LobeTiming | None = getattr(figures, lobe)
        if timing is not None:
            values = dataclasses.asdict(timing)
            named |= {f"{lobe}_{part}_error": values[f"{part}_error"] for part in ("peak", "onset", "offset")}
    return named


def limited_by(kind: str, limit: str) -> str:
    """Name of the share of time in which a limit of the device (see LIMITS) takes torque from joints of a kind."""
    return f"{kind}_limited_by_{limit}"


def exo_figures(results: Sequence[WalkResult]) -> list[Figure]:
    """All figures, condition by condition and speed by speed; names end with condition and speed."""
    walks = Walks(results)
    return [
        figure
        for speed in walks.speeds
        for condition in walks.conditions
        for figure in _of_condition(walks, condition, speed)
    ]


def _of_condition(walks: Walks, condition: str, speed: float) -> list[Figure]:
    learned, kind, own = condition == LEARNED, condition.split(":")[0], walks.all(condition, speed)
    assisted = kind in (SPLINE, LEARNED)
    alone = [*_walking(learned), *_groups(own)]
    alone += [*_motors(own, learned), *_profiles(own, learned)] if assisted else []
    figures = [walks.figure(measure, condition, speed) for measure in alone]
    for baseline in (NO_DEVICE, UNPOWERED):
        partners = walks.all(baseline, speed)
        if kind in (NO_DEVICE, baseline) or not partners:
            continue
        changes = [*_cost_changes(baseline, learned), *_group_changes(partners, baseline)]
        changes += _gait_changes() if baseline == NO_DEVICE else []
        figures += [walks.figure(measure, condition, speed, baseline) for measure in changes]
    return figures


def _walking(learned: bool) -> list[Measure]:
    none = {"at_most": 0.0}
    measures = [
        Measure("falls", "1", lambda walk: walk.fell, none if learned else {}, over=total),
        Measure("walks", "1", lambda walk: 1.0, over=total),
        Measure("device_faults", "1", lambda walk: bool(walk.faults), none, over=total),
    ]
    for model, name in POWER.items():
        measures += [
            Measure(f"gross_{model}", "W/kg", scalar(name)),
            Measure(f"net_{model}", "W/kg", lambda walk, n=name: walk.scalar(n) - walk.resting_w_kg),
            Measure(f"cost_{model}", "J/kg/m", lambda walk, n=name: walk.scalar(n) / walk.scalar("speed")),
        ]
    return measures


def _group_names(walks: Sequence[WalkResult]) -> list[str]:
    return sorted({group for walk in walks for group in walk.group_power})


def _groups(walks: Sequence[WalkResult]) -> list[Measure]:
    return [
        Measure(f"group_{group}", "W/kg", lambda walk, g=group: walk.group_power.get(g, math.nan))
        for group in _group_names(walks)
    ]


def _group_changes(baseline_walks: Sequence[WalkResult], baseline: str) -> list[Measure]:
    return [
        Measure(f"group_{group}_change_from_{baseline}", "W/kg",
                lambda a, b, g=group: a.group_power.get(g, math.nan) - b.group_power.get(g, math.nan))
        for group in _group_names(baseline_walks)
    ]  # fmt: skip


def _cost_changes(baseline: str, learned: bool) -> list[Measure]:
    measures = []
    for model, name in POWER.items():
        # judged by the model that the policy was trained with; the other one tells whether it is an artefact of it
        judged = learned and model == "bhargava"
        target = {"at_most": LARGEST_CHANGE_FROM[baseline], "at_least": INCREDIBLE_CHANGE} if judged else {}

        def change(a: WalkResult, b: WalkResult, rest: float, name: str = name) -> float:
            return 100.0 * (a.scalar(name) - b.scalar(name)) / (b.scalar(name) - rest)

        measures += [
            Measure(f"gross_change_{model}_from_{baseline}", "%", lambda a, b, c=change: c(a, b, 0.0), target),
            Measure(f"net_change_{model}_from_{baseline}", "%", lambda a, b, c=change: c(a, b, b.resting_w_kg)),
        ]
    return measures


def _gait_changes() -> list[Measure]:
    """How far curves and strides are from those without a device."""

    def difference(variable: str) -> Callable[[WalkResult, WalkResult], float]:
        def value(a: WalkResult, b: WalkResult) -> float:
            ours, theirs = a.curve(variable), b.curve(variable)
            return math.nan if ours is None or theirs is None else float(np.sqrt(np.mean((ours - theirs) ** 2)))

        return value

    curves = [(f"{joint}_angle", "deg", variable) for joint, variable in ANGLES.items()]
    curves.append(("grf_vertical", "BW", VERTICAL_FORCE))
    return [
        *(Measure(f"{name}_rms_from_no_device", unit, difference(variable)) for name, unit, variable in curves),
        *(
            Measure(f"{name}_change_from_no_device", unit, lambda a, b, n=name: a.scalar(n) - b.scalar(n))
            for name, unit in STRIDE.items()
        ),
    ]


def _motors(walks: Sequence[WalkResult], learned: bool) -> list[Measure]:
    def measure(name: str, unit: str, read: Callable[[MotorFigures], float], **target: float) -> Measure:
        def value(walk: WalkResult) -> float:
            return math.nan if walk.motors is None else float(read(walk.motors))

        return Measure(name, unit, value, target if learned else {})

    measures = [
        measure("positive_power", "W/kg", lambda m: m.positive_power),
        measure("negative_power", "W/kg", lambda m: m.negative_power),
        measure("positive_over_negative_power", "1",
                lambda m: m.positive_power / -m.negative_power if m.negative_power < 0.0 else np.inf, at_least=1.0),
        measure("over_limit", "1", lambda m: m.over_limit, at_most=LIMIT_TOLERANCE),
    ]  # fmt: skip
    for kind in sorted({kind for walk in walks if walk.motors for kind in walk.motors.rms_torque}):
        measures += [
            measure(f"{kind}_peak_torque", "Nm/kg", lambda m, k=kind: m.peak_torque[k]),
            measure(f"{kind}_rms_torque", "Nm/kg", lambda m, k=kind: m.rms_torque[k]),
            measure(f"{kind}_rms_torque_rate", "Nm/kg/s", lambda m, k=kind: m.rms_rate[k]),
            measure(f"{kind}_time_at_limit", "1", lambda m, k=kind: m.at_limit[k]),
        ]
        measures += [
            measure(limited_by(kind, limit), "1", lambda m, k=kind, n=limit: m.limited.get(n, {}).get(k, np.nan))
            for limit in LIMITS
        ]
    return measures


def _profiles(walks: Sequence[WalkResult], learned: bool) -> list[Measure]:
    """Torque curves against the validated profiles; judged at one speed."""
    measures = []
    for joint in PROFILES:
        compared = {id(walk): compare_torque(joint, walk.curve(torque_variable(joint))) for walk in walks}
        targets: dict[str, Mapping[str, float]] = {
            "r": {"at_least": SMALLEST_R[joint]},
            f"{MAIN_LOBE}_peak_error": {"at_least": -LARGEST_PEAK_ERROR, "at_most": LARGEST_PEAK_ERROR},
        }

        def measure(part: str, unit: str, value: Callable, target: Mapping, joint: str = joint) -> Measure:
            at = (PROFILE_SPEED_MPS, PROFILE_SPEED_MPS)
            return Measure(f"{joint}_profile_{part}", unit, value, target if learned else {}, judged_at=at)

        for part in sorted({part for values in compared.values() for part in values}):
            unit = PROFILE_UNITS.get(part.removeprefix("cosine_"), "% of stride")
            read = lambda walk, p=part, known=compared: known[id(walk)].get(p, math.nan)  # noqa: E731
            measures.append(measure(part, unit, read, targets.get(part, {})))
        judged = learned and walks[0].task.speed_mps == PROFILE_SPEED_MPS
        if judged and any(compared.values()):

            def above(walk: WalkResult, known: dict = compared) -> float:
                return known[id(walk)].get("r", math.nan) - known[id(walk)].get("cosine_r", math.nan)

            measures.append(measure("r_above_cosine", "1", above, {"at_least": 0.0}))
    return measures
