# SPDX-License-Identifier: Apache-2.0
"""How human a walk is: figures with targets, at each speed and over all speeds, out of walks and pushes.

Normative curves (Schwartz 2008, children and adolescents) are taken at the commanded speed, interpolated between the
five measured speeds in v / sqrt(g L). Every figure is the mean over walks (both legs averaged within a walk) with its
95 % interval over seeds. Laboratories disagree by 1.4 to 3.4 degrees in the offset of joint angles and by 1 to 3 degrees
in their shape, hence shape is judged apart from offset.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from scipy.signal import find_peaks

from exo_core.joints import SIDES
from exo_lab.evaluate.figures import ANGLES, POWER, VERTICAL_FORCE, Measure, Walks, both_legs, largest, scalar, share
from exo_sim.errors import GaitError
from exo_sim.gait.curves import Curve
from exo_sim.gait.reference import NormativeGait
from exo_sim.gait.scores import on_off_agreement, score_against_normative
from exo_sim.gait.stride_metrics import symmetry_index
from exo_sim.gait.variables import EMG_MUSCLES
from exo_sim.measurement import Figure
from exo_sim.metabolics.models import looney2019
from exo_sim.world.walk import PUSH_DIRECTIONS, WalkResult

#: Between the name of a figure and the speed that it was measured at.
AT = "_at_"
#: Largest error of the mean speed (m/s).
LARGEST_SPEED_ERROR_MPS = 0.05
#: Correlation of joint angles and moments with the norm by joint.
SMALLEST_ANGLE_R = {"hip": 0.95, "knee": 0.95, "ankle": 0.90}
SMALLEST_MOMENT_R = {"hip": 0.85, "ankle": 0.85}
#: Speed at which the vertical force is judged (m/s), and speeds at which push-off is.
IMPACT_SPEED_MPS, PUSH_OFF_SPEEDS_MPS = 1.25, (1.0, 1.5)
#: The peak of ankle push-off power lies within so many SD of the norm's.
PUSH_OFF_SD = 2.0
#: Where a metre is cheapest (m/s), and the speed at which pushes are tried.
CHEAPEST_SPEED_MPS, PUSH_SPEED_MPS = (1.0, 1.5), 1.25
LARGEST_ASYMMETRY_PERCENT = 3.0
#: A peak of force rises at least so far (body weights) above the dips beside it, else it is a ripple. The norm dips by
#: 0.04 between its peaks at 0.75 m/s and by 0.29 at 1.25 m/s.
SMALLEST_RISE_BW = 0.04
#: A foot is loaded above this share of the largest force; the middle of that time is midstance.
LOADED_SHARE = 0.05
#: A curve over speed needs at least so many speeds.
FEWEST_SPEEDS = 3
MODEL_NAMES = {"bhargava": "Bhargava 2004", "umberger": "Umberger 2010"}
#: Electrodes of Schwartz et al. 2008 by what exo_sim.gait.variables.EMG_MUSCLES calls them.
EMG_TITLES = {name: name.removeprefix("emg_").replace("_", " ").capitalize() for name in EMG_MUSCLES}
#: Stride figures whose legs are compared, by the name of their symmetry index; angles are the largest of the stride.
COMPARED_LEGS = {
    "step_length": ("step_length", "step length"),
    "stance_time": ("stance_time", "stance time"),
    "hip_peak": ("hip_flexion_max", "hip peak angle"),
    "knee_peak": ("knee_angle_max", "knee peak angle"),
    "ankle_peak": ("ankle_angle_max", "ankle peak angle"),
}


def at_speed(name: str, speed_mps: float) -> str:
    """Name of a figure at a speed: "cadence_at_1.25"."""
    return f"{name}{AT}{speed_mps:g}"


def split_name(name: str) -> tuple[str, float | None]:
    """The reverse of at_speed; None for a figure of all speeds together."""
    stem, found, speed = name.rpartition(AT)
    return (stem, float(speed)) if found else (name, None)


@lru_cache
def _norm(speed_mps: float, leg_length_m: float) -> NormativeGait:
    return NormativeGait(speed_mps, leg_length_m)


def norm_of(walk: WalkResult) -> NormativeGait:
    """The norm for a walk's leg length at its commanded speed."""
    return _norm(walk.task.speed_mps, walk.leg_length_m)


def normative(variable: str, part: str) -> Callable[[WalkResult], float]:
    """Reads a part of the score (see CurveScore) of a curve against the norm."""
    return lambda walk: both_legs(
        walk, variable, lambda curve: getattr(score_against_normative(curve, walk.leg_length_m), part)
    )


def peak_count(curve: Curve) -> float:
    """How many peaks a vertical force has over the stride; people's have two, an impact adds one."""
    return float(len(find_peaks(curve.mean, prominence=SMALLEST_RISE_BW)[0]))


def peak_about_midstance(curve: Curve, before: bool) -> float:
    """Largest force before midstance, or after it."""
    loaded = np.flatnonzero(curve.mean > LOADED_SHARE * curve.mean.max())
    middle = int(loaded[0] + loaded[-1]) // 2
    return float((curve.mean[: middle + 1] if before else curve.mean[middle:]).max())


def _push_off(walk: WalkResult) -> float:
    return both_legs(walk, "ankle_power_W_kg", lambda curve: float(curve.mean.max()))


def _push_off_excess(walk: WalkResult) -> float:
    """By how many SD of people the highest ankle power exceeds the norm's peak."""
    norm = norm_of(walk).curve("ankle_power_W_kg")
    at = int(norm.mean.argmax())
    return float((_push_off(walk) - norm.mean[at]) / norm.sd[at])


def _crab_angle(walk: WalkResult) -> float:
    """Mean angle (deg) between where the pelvis points and where the walk goes; people walk straight ahead."""
    return abs(both_legs(walk, "pelvis_rotation", lambda c: float(c.mean.mean()) * (1.0 if c.side == "r" else -1.0)))


def _emg_agreement(emg: str) -> Callable[[WalkResult], float]:
    """Share of the stride on which activation and EMG agree on being on or off, above 30 % of the curve's own range.

    The heads under one electrode are averaged; neither amplitude is calibrated.
    """

    def value(walk: WalkResult) -> float:
        norm = norm_of(walk).curve(emg)
        try:
            curves = [
                np.mean([walk.curves.get(walk.task.key, f"activation_{head}", side).mean for head in EMG_MUSCLES[emg]],
                        axis=0) for side in SIDES
            ]  # fmt: skip
        except GaitError:
            return math.nan
        return float(np.mean([on_off_agreement(curve, norm.mean) for curve in curves]))

    return value


def _asymmetry(name: str) -> Callable[[WalkResult], float]:
    return lambda walk: symmetry_index(walk.scalar(name, "r"), walk.scalar(name, "l"))


def _upright(walk: WalkResult) -> float:
    return not walk.fell


UPRIGHT = Measure("walks_without_fall", "1", _upright, {"at_least": 0.95}, "Walks without a fall", share)
#: Figures at each speed, in the order in which they are to be read.
MEASURES: tuple[Measure, ...] = (
    UPRIGHT,
    Measure("speed", "m/s", lambda walk: walk.speed, title="Speed along the direction of travel"),
    Measure("speed_error", "m/s", lambda walk: abs(walk.speed - walk.task.speed_mps),
            {"at_most": LARGEST_SPEED_ERROR_MPS}, "Error of speed"),
    Measure("walked", "s", lambda walk: walk.walked_s, title="Time walked"),
    Measure("step_length", "m", scalar("step_length"), title="Step length"),
    Measure("cadence", "steps/min", scalar("cadence"), title="Cadence"),
    Measure("stance_percent", "%", scalar("stance_percent"), title="Stance share of the stride"),
    Measure("step_width", "m", scalar("step_width"), title="Step width"),
    Measure("drift_of_heading", "deg", lambda walk: float(np.rad2deg(abs(walk.drift_rad))),
            title="Drift of heading over a walk"),
    Measure("crab_angle", "deg", _crab_angle, title="Angle of pelvis to direction of travel"),
    *(
        measure
        for joint, variable in ANGLES.items()
        for measure in (
            Measure(f"{joint}_angle_rmse", "deg", normative(variable, "rmse_shape"), {"at_most": 4.0},
                    f"{joint.capitalize()} angle, RMSE without offset"),
            Measure(f"{joint}_angle_r", "1", normative(variable, "r"), {"at_least": SMALLEST_ANGLE_R[joint]},
                    f"{joint.capitalize()} angle, r"),
            Measure(f"{joint}_angle_offset", "deg", normative(variable, "offset"),
                    title=f"{joint.capitalize()} angle, offset"),
        )
    ),
    Measure("grf_vertical_r", "1", normative(VERTICAL_FORCE, "r"), {"at_least": 0.90}, "Vertical force, r"),
    Measure("grf_fore_aft_r", "1", normative("grf_fore_aft_BW", "r"), {"at_least": 0.85}, "Fore-aft force, r"),
    Measure("grf_vertical_peaks", "1", lambda walk: both_legs(walk, VERTICAL_FORCE, peak_count),
            {"at_least": 2.0, "at_most": 2.0}, "Peaks of vertical force"),
    Measure("grf_vertical_largest", "BW", lambda walk: max(walk.force_peaks_bw, default=math.nan), {"at_most": 1.6},
            "Largest vertical force in any stride", largest, (IMPACT_SPEED_MPS, IMPACT_SPEED_MPS)),
    Measure("grf_vertical_first_peak", "BW",
            lambda walk: both_legs(walk, VERTICAL_FORCE, lambda curve: peak_about_midstance(curve, before=True)),
            title="First peak of vertical force"),
    Measure("grf_vertical_second_peak", "BW",
            lambda walk: both_legs(walk, VERTICAL_FORCE, lambda curve: peak_about_midstance(curve, before=False)),
            title="Second peak of vertical force"),
    *(
        Measure(f"{joint}_moment_r", "1", normative(f"{joint}_moment_Nm_kg", "r"),
                {"at_least": SMALLEST_MOMENT_R[joint]} if joint in SMALLEST_MOMENT_R else {},
                f"{joint.capitalize()} moment, r")
        for joint in ANGLES
    ),
    *(
        Measure(f"{joint}_power_r", "1", normative(f"{joint}_power_W_kg", "r"), title=f"{joint.capitalize()} power, r")
        for joint in ANGLES
    ),
    Measure("push_off_power", "W/kg", _push_off, title="Ankle push-off power, peak"),
    Measure("push_off_excess", "SD", _push_off_excess, {"at_least": -PUSH_OFF_SD, "at_most": PUSH_OFF_SD},
            "Ankle push-off power over the norm's peak", judged_at=PUSH_OFF_SPEEDS_MPS),
    *(
        Measure(f"{emg}_agreement", "1", _emg_agreement(emg), {"at_least": 0.70}, f"{title}, on and off as EMG")
        for emg, title in EMG_TITLES.items()
    ),
    *(
        measure
        for model, name in POWER.items()
        for measure in (
            Measure(f"metabolic_power_{model}", "W/kg", scalar(name), title=f"Metabolic power, {MODEL_NAMES[model]}"),
            Measure(f"cost_of_transport_{model}", "J/kg/m", lambda walk, name=name: walk.scalar(name) / walk.speed,
                    title=f"Cost per distance, {MODEL_NAMES[model]}"),
        )
    ),
    *(
        Measure(f"asymmetry_{name}", "%", _asymmetry(of), {"at_most": LARGEST_ASYMMETRY_PERCENT},
                f"Asymmetry of {title}")
        for name, (of, title) in COMPARED_LEGS.items()
    ),
)  # fmt: skip


def _recovered(walk: WalkResult) -> float:
    return walk.recovered


RECOVERED = Measure("pushes_recovered", "1", _recovered, {"at_least": 0.80}, "Pushes recovered from", share)
RECOVERED_FROM = {
    origin: Measure(f"pushes_from_{origin}_recovered", "1", _recovered, title=f"Pushes from {words} recovered from",
                    over=share)
    for origin, words in zip(PUSH_DIRECTIONS, ("behind", "the front", "the left", "the right"), strict=True)
}  # fmt: skip
#: Over all walks of a seed, one at each speed: (walk, ...) to a number.
OVER_SPEEDS: tuple[Measure, ...] = tuple(
    measure
    for model, name in POWER.items()
    for measure in (
        Measure(f"cost_r_{model}", "1", lambda walks, name=name: _cost_r(walks, name), {"at_least": 0.95},
                f"Metabolic power over speed, r, {MODEL_NAMES[model]}"),
        Measure(f"cheapest_speed_{model}", "m/s", lambda walks, name=name: _cheapest(walks, name),
                {"at_least": CHEAPEST_SPEED_MPS[0], "at_most": CHEAPEST_SPEED_MPS[1]},
                f"Speed of least cost per distance, {MODEL_NAMES[model]}"),
    )
)  # fmt: skip
#: What reports call a figure, by its name without a speed.
TITLES = {measure.name: measure.title for measure in (*MEASURES, RECOVERED, *RECOVERED_FROM.values(), *OVER_SPEEDS)}


def human_figures(results: Sequence[WalkResult], pushes: Sequence[WalkResult]) -> list[Figure]:
    """Figures of all speeds together, then of each speed ("..._at_1.25")."""
    walks, key = Walks(results), results[0].task.key
    figures = [UPRIGHT.figure(UPRIGHT.name, {"": [_upright(walk) for walk in results]})]
    figures += _pushes(pushes)
    if len(walks.speeds) >= FEWEST_SPEEDS:
        by_seed = [list(walks.by_policy(key, speed)[""].values()) for speed in walks.speeds]
        sets = list(zip(*by_seed, strict=False))
        figures += [m.figure(m.name, {"": [m.value(each) for each in sets]}) for m in OVER_SPEEDS]
    return figures + [
        walks.figure(measure, key, speed, name=at_speed(measure.name, speed))
        for measure in MEASURES
        for speed in walks.speeds
    ]


def _pushes(trials: Sequence[WalkResult]) -> list[Figure]:
    """Share of pushes without a fall, over all sides (judged) and from each side; nothing without trials."""
    if not trials:
        return []
    figures = [RECOVERED.figure(RECOVERED.name, {"": [_recovered(trial) for trial in trials]})]
    for origin, measure in RECOVERED_FROM.items():
        own = [_recovered(trial) for trial in trials if trial.task.pushed_from == origin]
        figures += [measure.figure(measure.name, {"": own})] if own else []
    return figures


def _over_speed(walks: Sequence[WalkResult], power: str) -> tuple[np.ndarray, np.ndarray]:
    """Speeds (m/s) and gross power (W/kg) of walks that begin with the slowest."""
    return np.array([walk.speed for walk in walks]), np.array([walk.scalar(power) for walk in walks])


def _cost_r(walks: Sequence[WalkResult], power: str) -> float:
    """Correlation of metabolic power over speed with people's."""
    speed, watts = _over_speed(walks, power)
    return float(np.corrcoef(watts, looney2019(speed))[0, 1]) if np.isfinite(watts).all() else math.nan


def _cheapest(walks: Sequence[WalkResult], power: str) -> float:
    speed, watts = _over_speed(walks, power)
    return cheapest_speed(speed, watts / speed) if np.isfinite(watts).all() else math.nan


def cheapest_speed(speed: np.ndarray, cost: np.ndarray) -> float:
    """Speed (m/s) of the lowest cost per distance: the vertex of the parabola through the lowest point and its
    neighbours, or the end of the range where the lowest point is there. Both arrays (n,), speed increasing."""
    i = int(np.argmin(cost))
    if i in (0, len(cost) - 1):
        return float(speed[i])
    a, b, _ = np.polyfit(speed[i - 1 : i + 2], cost[i - 1 : i + 2], 2)
    return float(-b / (2.0 * a))
