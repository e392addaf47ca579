# SPDX-License-Identifier: Apache-2.0
"""How much torque each joint may get: caps, tapers, power, slew, the stopping ramp and the i2t budget."""

import numpy as np
import pytest

from exo_core.time import to_ns
from exo_device.safety import Fault, Instant, Mode, SafetyConfig, SafetySupervisor
from exo_device.safety.limits import (
    FAULT_HEAT,
    LIMITS,
    TAPER_FROM,
    CommandLimiter,
    SlewLimiter,
    StoppingRamp,
    ThermalBudget,
    TorqueLimits,
)

HIP, ANKLE = 0, 1


@pytest.fixture
def limits(device):
    return TorqueLimits(device, 75.0, velocity_taper_share=0.8)


def shaped(limits, joint, torque, position=0.0, velocity=0.0):
    arrays = [np.zeros(4) for _ in range(3)]
    for array, value in zip(arrays, (torque, position, velocity), strict=True):
        array[joint] = value
    return limits.shape(*arrays)[joint]


@pytest.mark.parametrize("torque, expected", [(10.0, 10.0), (1e9, 22.5), (-1e9, -22.5)])
def test_cap(limits, torque, expected):
    assert shaped(limits, HIP, torque) == pytest.approx(expected)


def test_torque_towards_the_end_of_range_fades_and_back_stays(limits):
    low, taper = limits.low[ANKLE], 0.0873
    assert shaped(limits, ANKLE, -20.0, low + 2 * taper) == pytest.approx(-20.0)
    assert shaped(limits, ANKLE, -20.0, low + 0.5 * taper) == pytest.approx(-10.0)
    assert shaped(limits, ANKLE, -20.0, low) == 0.0
    assert shaped(limits, ANKLE, -20.0, low - 1.0) == 0.0
    assert shaped(limits, ANKLE, 20.0, low - 1.0) == pytest.approx(20.0)
    high = limits.high[HIP]
    assert shaped(limits, HIP, 10.0, high) == 0.0
    assert shaped(limits, HIP, -10.0, high) == pytest.approx(-10.0)


def test_torque_along_the_motion_fades_at_the_velocity_limit_and_braking_stays(limits):
    top = limits.velocity[HIP]
    assert shaped(limits, HIP, 5.0, velocity=0.8 * top) == pytest.approx(5.0)
    assert shaped(limits, HIP, 5.0, velocity=0.9 * top) == pytest.approx(2.5)
    assert shaped(limits, HIP, 5.0, velocity=1.5 * top) == 0.0
    assert shaped(limits, HIP, -5.0, velocity=1.5 * top) == pytest.approx(-5.0)


def test_power_is_limited_in_both_directions(limits):
    assert shaped(limits, HIP, 22.5, velocity=-7.5) == pytest.approx(150.0 / 7.5)
    assert shaped(limits, HIP, -22.5, velocity=7.5) == pytest.approx(-150.0 / 7.5)
    assert shaped(limits, HIP, 22.5, velocity=1.0) == pytest.approx(22.5)


FREE = np.array([1e3])


def test_slew_is_shared_by_outputs_at_the_same_time():
    slew = SlewLimiter(np.array([100.0]), period_s=0.01)
    assert slew.towards(np.array([50.0]), -FREE, FREE) == pytest.approx(1.0)
    assert slew.towards(np.array([50.0]), -FREE, FREE) == pytest.approx(1.0)  # no time has passed
    slew.refill(0.004)
    assert slew.towards(np.array([50.0]), -FREE, FREE) == pytest.approx(1.4)
    slew.refill(10.0)  # a long wait saves up one period and no more
    assert slew.towards(np.array([-50.0]), -FREE, FREE) == pytest.approx(0.4)


def at(ros_s, steady_s):
    return Instant(to_ns(ros_s), to_ns(steady_s))


@pytest.mark.parametrize("ros_speed, steady_speed", [(1.0, 1.0), (0.0, 1.0), (2.0, 1.0), (0.2, 1.0)])
def test_ramp_is_over_early_enough_on_the_faster_clock(ros_speed, steady_speed):
    ramp = StoppingRamp(SafetyConfig(ramp_down_s=0.1, period_s=0.01), np.array([9.0]), at(0.0, 0.0))
    torques = [ramp.torque(at(0.0, 0.0))[0]]
    for step in range(1, 9):
        time_s = 0.01 * step / max(ros_speed, steady_speed)
        torques.append(ramp.torque(at(ros_speed * time_s, steady_speed * time_s))[0])
    assert torques == pytest.approx([8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0, 0.0])
    assert torques[-1] == 0.0


def test_a_leap_of_ros_time_does_not_cut_the_ramp():
    ramp = StoppingRamp(SafetyConfig(ramp_down_s=0.1, period_s=0.01), np.array([9.0]), at(0.0, 0.0))
    assert ramp.torque(at(1000.0, 0.01))[0] == pytest.approx(6.0)
    assert ramp.torque(at(-1000.0, 0.02))[0] == pytest.approx(5.0)


def test_ramp_in_lockstep_counts_stamps_until_the_simulator_is_gone():
    config = SafetyConfig(lockstep=True, state_silence_s=5.0)
    ramp = StoppingRamp(config, np.array([9.0]), at(0.0, 0.0))
    assert ramp.torque(at(0.0, 4.9))[0] == pytest.approx(8.0)
    assert ramp.torque(at(0.01, 4.9))[0] == pytest.approx(7.0)
    assert ramp.torque(at(0.01, 5.0))[0] == 0.0  # gone: wall time counts from here on


def test_many_devices_at_once_get_what_each_gets_alone(device):
    """Random requests, gains, states and torques of three wearers, one of whom changes under way."""
    warm = device.model_copy(
        update={
            "joints": {
                name: joint.model_copy(update={"continuous_torque_nm": 6.0, "thermal_time_constant_s": 1.0})
                for name, joint in device.joints.items()
            }
        }
    )
    random, config = np.random.default_rng(3), SafetyConfig()
    masses = np.array([52.0, 75.0, 110.0])
    crowd = CommandLimiter(warm, masses, config)
    alone = [CommandLimiter(warm, mass, config) for mass in masses]
    seen = dict.fromkeys(LIMITS, False)
    request = np.zeros((3, 4))
    for step in range(1500):
        if step == 700:
            crowd.restart(1, 60.0, heat=0.5)
            alone[1] = CommandLimiter(warm, 60.0, config)
            alone[1].thermal.heat[:] = 0.5
        if step % 20 == 0:
            request = random.uniform(-60.0, 60.0, (3, 4))
        gain = random.choice([0.3, 1.0, 1.0], (3, 1))
        position, velocity = random.uniform(-1.2, 1.2, (3, 4)), random.uniform(-14.0, 14.0, (3, 4))
        measured = random.uniform(-12.0, 12.0, (3, 4))
        for limiter in (crowd, *alone):
            limiter.slew.refill(0.01)
        crowd.thermal.advance(0.01, measured, crowd.slew.torque)
        torque = crowd.follow(request, gain, position, velocity)
        for i, limiter in enumerate(alone):
            limiter.thermal.advance(0.01, measured[i], limiter.slew.torque)
            assert np.array_equal(limiter.follow(request[i], gain[i], position[i], velocity[i]), torque[i])
            assert np.array_equal(limiter.thermal.heat, crowd.thermal.heat[i])
            for limit, bites in limiter.bites.items():
                assert np.array_equal(bites, crowd.bites[limit][i]), limit
        assert (np.abs(torque) <= crowd.limits.cap).all()
        seen = {limit: seen[limit] or bool(crowd.bites[limit].any()) for limit in LIMITS}
    assert all(seen.values()), seen


@pytest.mark.parametrize(
    "limit, change",
    [
        ("assistance", {"gain": 0.5}),
        ("cap", {"request": 30.0}),
        ("range", {"position": 1e9}),
        ("velocity", {"velocity": 0.9}),
        ("power", {"velocity": -1.0}),
        ("slew", {"request": 20.0}),
    ],
)
def test_the_limit_that_takes_torque_is_named(device, limit, change):
    """`velocity` is a share of the joint's limit, `position` beyond its range; a command that all let through is 10."""
    limiter = CommandLimiter(device, 75.0, SafetyConfig())
    joint = np.eye(4)[HIP]
    request = change.get("request", 20.0 if limit == "power" else 10.0)
    velocity = change.get("velocity", 0.0) * limiter.limits.velocity
    for _ in range(1 if limit == "slew" else 40):
        limiter.slew.refill(0.01)
        limiter.follow(request * joint, change.get("gain", 1.0), change.get("position", 0.0) * joint, velocity * joint)
    assert [name for name, bites in limiter.bites.items() if bites.any()] == [limit]
    assert limiter.bites[limit].tolist() == [True, False, False, False]


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
