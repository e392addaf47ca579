# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from exo_device.safety import Instant, SafetyConfig
from exo_device.safety.limits import TorqueLimits
from exo_device.safety.ramp import StoppingRamp
from exo_device.safety.slew import SlewLimiter
from exo_device.state import to_ns

HIP, ANKLE = 0, 1


@pytest.fixture
def limits(device):
    return TorqueLimits(device, 75.0, velocity_taper_share=0.8)


def shaped(limits, joint, torque, position=0.0, velocity=0.0):
    arrays = [np.zeros(4) for _ in range(3)]
    for array, value in zip(arrays, (torque, position, velocity)):
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


def test_slew_is_shared_by_outputs_at_the_same_time():
    slew = SlewLimiter(np.array([100.0]), period_s=0.01)
    assert slew.towards(np.array([50.0])) == pytest.approx(1.0)
    assert slew.towards(np.array([50.0])) == pytest.approx(1.0)  # no time has passed
    slew.refill(0.004)
    assert slew.towards(np.array([50.0])) == pytest.approx(1.4)
    slew.refill(10.0)  # a long wait saves up one period and no more
    assert slew.towards(np.array([-50.0])) == pytest.approx(0.4)


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
