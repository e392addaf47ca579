# SPDX-License-Identifier: Apache-2.0
"""The i2t budget: a motor may give its peak for a while and its rated torque for ever."""

import numpy as np
import pytest

from exo_core.time import to_ns
from exo_device.safety import Fault, Mode, SafetyConfig, SafetySupervisor
from exo_device.safety.limits import FAULT_HEAT, TAPER_FROM, ThermalBudget

HIP = 0
CONTINUOUS_NM, TIME_CONSTANT_S = 10.0, 4.0


@pytest.fixture
def small(device):
    """Hips with a small motor; the ankles have no budget."""
    budget = {"continuous_torque_nm": CONTINUOUS_NM, "thermal_time_constant_s": TIME_CONSTANT_S}
    free = {"continuous_torque_nm": None}
    joints = {
        name: joint.model_copy(update=budget if name.startswith("hip") else free)
        for name, joint in device.joints.items()
    }
    return device.model_copy(update={"joints": joints})


@pytest.fixture
def budget(small):
    return ThermalBudget(small, np.full(4, 20.0))


def give(budget, small, state_of, torque, seconds, measured=0.0, start_s=0.0):
    """Asks for torque in all motors for this long; returns the problem that comes up, if any."""
    problem = None
    for count in range(round(seconds / 0.01) + 1):
        state = state_of(small, to_ns(start_s + 0.01 * count), count, torque=np.full(4, measured))
        problem = budget.see(state, np.full(4, torque)) or problem
    return problem


def test_heat_follows_the_square_of_the_torque_with_its_time_constant(budget, small, state_of):
    give(budget, small, state_of, 5.0, TIME_CONSTANT_S)
    assert budget.heat[HIP] == pytest.approx(0.25 * (1.0 - np.exp(-1.0)), rel=1e-3)
    give(budget, small, state_of, 0.0, TIME_CONSTANT_S, start_s=TIME_CONSTANT_S)
    assert budget.heat[HIP] == pytest.approx(0.25 * (1.0 - np.exp(-1.0)) * np.exp(-1.0), rel=1e-2)
    assert budget.heat[1] == 0.0  # no budget, no heat


def test_measured_torque_counts_where_it_is_larger(budget, small, state_of):
    give(budget, small, state_of, 1.0, 40.0, measured=-8.0)
    assert budget.heat[HIP] == pytest.approx(0.64, rel=1e-3)


@pytest.mark.parametrize(
    "heat, expected",
    [
        (0.0, 20.0),
        (TAPER_FROM, 20.0),
        (0.5 * (1.0 + TAPER_FROM), 15.0),
        (1.0, 10.0),
        (0.5 * (1.0 + FAULT_HEAT), 5.0),
        (FAULT_HEAT, 0.0),
        (9.0, 0.0),
    ],
)
def test_allowed_torque_falls_with_the_heat(budget, heat, expected):
    budget.heat = np.full(4, heat)
    assert budget.allowed()[HIP] == pytest.approx(expected)


def test_a_motor_that_gives_torque_of_its_own_accord_is_a_fault(budget, small, state_of):
    problem = give(budget, small, state_of, 0.0, 10.0, measured=12.0)
    assert problem.fault is Fault.OVER_TEMPERATURE
    assert "i2t" in problem.cause and "hip_flexion_r" in problem.cause


@pytest.mark.parametrize("torque", [np.nan, np.inf, 1e308])
def test_absurd_readings_leave_finite_heat(budget, small, state_of, torque):
    give(budget, small, state_of, 0.0, 0.1, measured=torque)
    assert np.isfinite(budget.heat).all() and np.isfinite(budget.allowed()).all()


def test_time_that_leaps_heats_no_more_than_the_longest_step(budget, small, state_of):
    budget.see(state_of(small, 0, 0), np.full(4, 5.0))
    budget.see(state_of(small, to_ns(1e6), 1), np.full(4, 5.0))
    budget.see(state_of(small, 0, 2), np.full(4, 5.0))
    assert 0.0 < budget.heat[HIP] < 0.05


@pytest.mark.parametrize("seed", range(5))
def test_no_command_overheats_a_motor(rig_of, small, seed):
    """Whatever is asked for, the budget holds, and the rated torque is left in the end."""
    rig = rig_of(fade_in_s=0.0)
    rig.device = small
    rig.supervisor = SafetySupervisor(small, 75.0, SafetyConfig(fade_in_s=0.0, stride_gate=False))
    rig.activate()
    random = np.random.default_rng(seed)
    asked, torques, hottest = 60.0, [], 0.0
    for count in range(3000):
        if seed and count % 25 == 0:
            asked = float(random.uniform(-60.0, 60.0)) if random.random() < 0.5 else 60.0
        torques.append(rig.step(asked, torque=rig.output.torque).torque.copy())
        hottest = max(hottest, float(rig.supervisor.snapshot(rig.now).heat.max()))
    assert rig.mode is Mode.ACTIVE
    assert hottest <= 1.0 + 1e-6
    torques = np.abs(np.array(torques))
    assert torques[:150, HIP].max() == pytest.approx(22.5)  # the cap while cool
    if seed == 0:
        assert torques[-1, HIP] == pytest.approx(CONTINUOUS_NM, rel=0.05)
        assert torques[-1, 1] == pytest.approx(37.5)  # without a budget, the cap
