# SPDX-License-Identifier: Apache-2.0
"""Every figure of a report, computed again from the raw samples by other means: crossings, sums and a table of t.

A walk with known truth: constant speed, uneven steps and stances, metabolic power that sways within the stride and
differs by walk and condition, and a hip torque in the shape of the validated profile, late by 2 % of the stride.
"""

import math

import numpy as np
import pytest

from exo_lab.conditions import LEARNED, NO_DEVICE, UNPOWERED
from exo_lab.evaluate.exo import overview
from exo_lab.evaluate.exo_measures import exo_figures
from exo_lab.evaluate.figures import at, cost_of_transport
from exo_lab.evaluate.patient_measures import asymmetry
from exo_lab.report.page import figure_value
from exo_policy.profiles import HIP
from exo_sim.body.subject import Subject
from exo_sim.gait.reference import GRAVITY_M_S2
from exo_sim.gait.sample import GaitSample
from exo_sim.gait.strides import StrideRecorder
from exo_sim.world.walk import WalkResult, WalkTask

MASS, SPEED, STRIDE_S, RATE_HZ, RESTING = 70.0, 1.25, 1.12, 100.0, 1.4
LEFT_LANDS, STANCE, LATE = 0.46, {"r": 0.58, "l": 0.64}, 0.02
#: Mean gross metabolic power of each condition (W/kg), and how much more each of five walks spends.
POWER, MORE = {NO_DEVICE: 4.2, UNPOWERED: 4.6, LEARNED: 3.9}, (0.0, 0.1, -0.05, 0.02, 0.2)
#: Student's t, two-sided 95 %, for n - 1 = 1 to 4.
T_975 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776}


def raw(condition: str, walk: int, seconds: float = 20.0) -> dict[str, np.ndarray]:
    """Raw signals over time, 100 Hz."""
    t = np.arange(0.35, seconds, 1.0 / RATE_HZ)
    signals = {"t": t}
    for side, shift in (("r", 0.0), ("l", LEFT_LANDS)):
        strides = t / STRIDE_S - shift
        phase = strides % 1.0
        share = np.clip(np.minimum(phase, STANCE[side] - phase) / 0.02, 0.0, 1.0)
        signals[f"force_{side}"] = MASS * GRAVITY_M_S2 * share
        swing = np.clip((phase - STANCE[side]) / (0.96 - STANCE[side]), 0.0, 1.0)  # at rest when it lands
        signals[f"foot_{side}"] = (np.floor(strides) + shift + swing) * SPEED * STRIDE_S
        signals[f"hip_{side}"] = MASS * 0.2 * HIP((phase - LATE) % 1.0)
    sway = 0.3 * np.sin(2.0 * np.pi * t / STRIDE_S) + 0.2 * np.cos(4.0 * np.pi * t / STRIDE_S + 1.0)
    signals["power"] = MASS * (POWER[condition] + MORE[walk] * (2.0 if condition == LEARNED else 1.0) + sway)
    return signals


def walked(condition: str, walk: int, seconds: float = 20.0, policy: str = "") -> WalkResult:
    """The same signals through the project's own measurement."""
    signals, recorder = raw(condition, walk, seconds), StrideRecorder(MASS)
    recorder.begin(condition, SPEED)
    for i, t in enumerate(signals["t"]):
        feet = {side: (signals[f"foot_{side}"][i], 0.1 if side == "l" else -0.1, 0.0) for side in "rl"}
        torque = {f"hip_flexion_{side}": signals[f"hip_{side}"][i] for side in "rl"}
        force = {side: (0.0, 0.0, signals[f"force_{side}"][i]) for side in "rl"}
        recorder.feed(
            GaitSample(
                t,
                force,
                feet,
                exo_torque=torque if condition == LEARNED else {},
                metabolic_power=signals["power"][i],
                metabolic_power_umberger=1.1 * signals["power"][i],
            )
        )
    task = WalkTask(condition, Subject(), SPEED, 100 + walk, seconds, policy=policy)
    return WalkResult(task, seconds, seconds < 20.0, "", recorder, 0.9, resting_w_kg=RESTING)


def heel_strikes(signals, side: str) -> np.ndarray:
    """Times at which the force rises through 4 % of body weight, between samples."""
    t, force, level = signals["t"], signals[f"force_{side}"], 0.04 * MASS * GRAVITY_M_S2
    up = np.flatnonzero((force[:-1] <= level) & (force[1:] > level))
    return t[up] + (t[up + 1] - t[up]) * (level - force[up]) / (force[up + 1] - force[up])


def again(signals) -> dict[str, float]:
    """Means over the whole strides of each leg, then over both legs, from the raw signals alone."""
    sums: dict[str, list[float]] = {}
    for side in "rl":
        other, strikes = "l" if side == "r" else "r", heel_strikes(signals, side)
        strikes = strikes[strikes < heel_strikes(signals, other)[-1]]  # the last ones are certain half a stride later
        durations = np.diff(strikes)
        fine = np.arange(strikes[0], strikes[-1], 1e-4)
        power = np.interp(fine, signals["t"], signals["power"]).mean() / MASS  # over whole strides
        place = {s: np.interp(strikes[1:], signals["t"], signals[f"foot_{s}"]) for s in "rl"}
        lengths = np.diff(np.interp(strikes, signals["t"], signals[f"foot_{side}"]))
        down = signals["t"][:-1][np.diff((signals[f"force_{side}"] > 0.02 * MASS * GRAVITY_M_S2).astype(int)) < 0]
        stances = [down[down > begin][0] - begin for begin in strikes[:-1]]
        values = {
            "duration": durations.mean(),
            "power": power,
            "speed": lengths.mean() / durations.mean(),
            "step": (place[side] - place[other]).mean(),
            "stance": np.mean(stances),
        }
        for name, value in values.items():
            sums.setdefault(name, []).append(float(value))
    both = {name: float(np.mean(pair)) for name, pair in sums.items()}
    for name in ("step", "stance"):
        right, left = sums[name]
        both[f"asymmetry_{name}"] = 200.0 * abs(right - left) / (right + left)
    return both


def interval(values) -> tuple[float, float, float]:
    """Mean and 95 % interval with t out of a table."""
    values = np.array(values)
    half = T_975[len(values) - 1] * math.sqrt(((values - values.mean()) ** 2).sum() / (len(values) - 1) / len(values))
    return values.mean(), values.mean() - half, values.mean() + half


def test_strides_cost_and_symmetry_of_a_walk():
    result, expected = walked(NO_DEVICE, 1), again(raw(NO_DEVICE, 1))
    assert (
        result.scalar("duration") == pytest.approx(expected["duration"], abs=2e-3) == pytest.approx(STRIDE_S, abs=2e-3)
    )
    assert result.scalar("step_length") == pytest.approx(expected["step"], rel=0.01)
    assert result.scalar("stance_time") == pytest.approx(expected["stance"], abs=0.012)  # crossings between samples
    assert result.scalar("metabolic_power_per_mass") == pytest.approx(expected["power"], rel=2e-3)
    assert result.speed == pytest.approx(expected["speed"], rel=2e-3) == pytest.approx(SPEED, rel=2e-3)
    assert cost_of_transport(result) == pytest.approx(expected["power"] / expected["speed"], rel=4e-3)
    assert asymmetry(result, "step_length") == pytest.approx(expected["asymmetry_step"], abs=0.5)
    assert asymmetry(result, "stance_time") == pytest.approx(expected["asymmetry_stance"], abs=1.0)
    # and the truth that was put in: steps of 46 and 54 %, stances of 58 and 64 % of the stride
    assert asymmetry(result, "step_length") == pytest.approx(200 * 0.08 / 1.0, abs=1.0)
    assert asymmetry(result, "stance_time") == pytest.approx(200 * 0.06 / 1.22, abs=2.0)  # 10 ms are 1.4 %


def test_cost_saving_and_profile_of_an_evaluation_with_their_intervals():
    results = [walked(condition, i) for condition in POWER for i in range(5)]
    figures = {figure.name: figure for figure in exo_figures(results)}
    spent = {c: [again(raw(c, i))["power"] for i in range(5)] for c in POWER}
    speed = again(raw(NO_DEVICE, 0))["speed"]

    def check(name, values, **tolerance):
        figure, (mean, low, high) = figures[name], interval(values)
        assert (figure.value, figure.low, figure.high) == pytest.approx((mean, low, high), **tolerance), name
        assert figure.left_out == 0

    check(at("gross_bhargava", LEARNED, SPEED), spent[LEARNED], rel=3e-3)
    check(at("net_bhargava", LEARNED, SPEED), [p - RESTING for p in spent[LEARNED]], rel=5e-3)
    check(at("cost_bhargava", LEARNED, SPEED), [p / speed for p in spent[LEARNED]], rel=5e-3)
    for baseline in (NO_DEVICE, UNPOWERED):
        pairs = list(zip(spent[LEARNED], spent[baseline], strict=True))
        gross = [100.0 * (ours - theirs) / theirs for ours, theirs in pairs]
        net = [100.0 * (ours - theirs) / (theirs - RESTING) for ours, theirs in pairs]
        check(at(f"gross_change_bhargava_from_{baseline}", LEARNED, SPEED), gross, abs=0.15)
        check(at(f"net_change_bhargava_from_{baseline}", LEARNED, SPEED), net, abs=0.2)
    phase = np.arange(100) / 100.0
    r = np.corrcoef(HIP((phase - LATE) % 1.0), HIP(phase))[0, 1]
    assert figures[at("hip_profile_r", LEARNED, SPEED)].value == pytest.approx(r, abs=3e-3)
    assert figures[at("hip_profile_positive_peak_error", LEARNED, SPEED)].value == pytest.approx(100 * LATE, abs=0.4)
    assert figures[at("hip_profile_best_lag", LEARNED, SPEED)].value == pytest.approx(100 * LATE, abs=0.3)


def test_trainings_are_the_unit_of_the_interval_from_three_on():
    results = [walked(NO_DEVICE, i) for i in range(2)]
    results += [walked(LEARNED, i, policy=name) for i, name in ((0, "a"), (1, "a"), (2, "b"), (3, "c"))]
    spent = {i: again(raw(LEARNED, i))["power"] for i in range(4)}
    figure = {f.name: f for f in exo_figures(results)}[at("gross_bhargava", LEARNED, SPEED)]
    mean, low, high = interval([(spent[0] + spent[1]) / 2.0, spent[2], spent[3]])
    assert (figure.value, figure.low, figure.high) == pytest.approx((mean, low, high), rel=3e-3)


def test_a_walk_that_fell_before_its_first_stride_is_in_no_mean_and_everybody_is_told():
    results = [walked(NO_DEVICE, i) for i in range(5)] + [walked(LEARNED, i, 1.0 if i == 3 else 20.0) for i in range(5)]
    figures = exo_figures(results)
    by_name = {figure.name: figure for figure in figures}
    name = at("gross_change_bhargava_from_no_device", LEARNED, SPEED)
    spent = {c: [again(raw(c, i))["power"] for i in (0, 1, 2, 4)] for c in (LEARNED, NO_DEVICE)}
    mean, low, high = interval([100.0 * (a / b - 1.0) for a, b in zip(spent[LEARNED], spent[NO_DEVICE], strict=True)])
    assert (by_name[name].value, by_name[name].low, by_name[name].high) == pytest.approx((mean, low, high), abs=0.15)
    assert by_name[name].left_out == 1 and by_name[at("falls", LEARNED, SPEED)].value == 1
    assert by_name[at("gross_bhargava", NO_DEVICE, SPEED)].left_out == 0
    assert figure_value(by_name[name]).endswith("(1 left out)")
    cells = [cell for table in overview(figures) for column in table.columns for cell in column.cells]
    assert any("(1 left out)" in str(cell) for cell in cells)
