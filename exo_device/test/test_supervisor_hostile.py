# SPDX-License-Identifier: Apache-2.0
"""Torque that nothing took away: each of these went on with torque and without a word once.

Clocks that stand still, motors that do not obey, joints beyond their limits, people who fall or sit, sensors that
cannot be right.
"""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exo_core.time import to_ns
from exo_device.safety import Fault, Instant, Mode
from exo_device.safety.plausibility import ImuCheck
from exo_device.signals import ImuSample

G = 9.81
HIPS, ANKLES = (0, 2), (1, 3)


def imu(pitch_rad=0.0, force=None, has_orientation=True) -> ImuSample:
    """Pelvis that leans forward by an angle; the force is gravity's unless another is given."""
    half = 0.5 * pitch_rad
    down = G * np.array([math.sin(pitch_rad), 0.0, math.cos(pitch_rad)])
    return ImuSample(
        np.array([0.0, -math.sin(half), 0.0, math.cos(half)]),
        np.zeros(3),
        down if force is None else np.array(force, dtype=float),
        has_orientation,
    )


def walk(rig, seconds, asked=20.0, stride_s=1.1, mean_rad=0.0, start_s=0.0, swing_rad=0.3):
    """Hips that swing in turn, with the speed that belongs to it; returns where in time it ended (s)."""
    count = round(seconds / 0.01)
    for k in range(count):
        t = start_s + 0.01 * k
        position, velocity = np.zeros(4), np.zeros(4)
        for place, shift in zip(HIPS, (0.0, math.pi), strict=True):
            turn = 2.0 * math.pi * t / stride_s + shift
            grown = min(1.0, t / 0.5)  # from standing, without a leap
            position[place] = grown * (mean_rad + swing_rad * math.cos(turn))
            velocity[place] = -grown * swing_rad * 2.0 * math.pi / stride_s * math.sin(turn)
        shake = 1.5 * math.cos(4.0 * math.pi * t / stride_s)
        rig.step(asked, position=position, velocity=velocity, imu=imu(force=[0.0, 0.0, G + shake]))
    return start_s + seconds


# --- F1: a clock that stands still


def test_a_clock_that_stands_still_under_real_motors_ends_torque(rig, state_of):
    """ROS time and stamps freeze, the joint moves on, the policy is dead: the device stops as on any silence."""
    for _ in range(20):
        rig.step(20.0)
    frozen, steady_ns = rig.now_ns, rig.now.steady_ns
    for k in range(20):
        steady_ns += to_ns(0.01)
        now = Instant(frozen, steady_ns)
        rig.supervisor.on_state(state_of(rig.device, frozen, rig.sequence + k, torque=[20.0] * 4), now)
        output = rig.supervisor.update(now)
    assert rig.supervisor.mode is Mode.FAULT and not output.torque.any() and not output.enable
    assert Fault.BUS_LOST in rig.supervisor.snapshot(now).faults


# --- F5: a process that stood still


@pytest.mark.parametrize("pause_s", [0.2, 0.5, 3.0])
def test_after_a_pause_of_the_process_torque_begins_at_zero(rig, pause_s):
    for _ in range(20):
        rig.step(20.0)
    assert rig.output.torque.max() == pytest.approx(20.0)
    rig.now_ns += to_ns(pause_s)  # SIGSTOP, then SIGCONT: neither states nor outputs meanwhile
    torques = [np.abs(rig.supervisor.update(rig.now).torque).max()]
    for _ in range(20):
        torques.append(np.abs(rig.step(20.0).torque).max())
    assert max(torques) == 0.0 and rig.mode is Mode.FAULT


# --- F7: motors that do not do as they are told


@pytest.mark.parametrize(
    "asked, measured, fault",
    [
        (0.0, 18.0, Fault.TORQUE_MISMATCH),
        (0.0, 40.0, Fault.TORQUE_MISMATCH),
        (0.0, 200.0, Fault.TORQUE_MISMATCH),
        (20.0, 0.0, Fault.TORQUE_MISMATCH),
        (20.0, -5.0, Fault.TORQUE_MISMATCH),
        (20.0, 40.0, Fault.TORQUE_MISMATCH),
    ],
)
def test_a_motor_that_gives_another_torque_stops_the_device(rig, asked, measured, fault):
    for _ in range(30):
        rig.step(asked)
    steps = 0
    while rig.mode is Mode.ACTIVE and steps < 100:
        torque = rig.output.torque.copy()
        torque[0] = measured
        rig.step(asked, torque=torque)
        steps += 1
    assert steps <= 20 and fault in rig.faults and "hip_flexion_r" in rig.cause


def test_torque_that_follows_with_bandwidth_and_delay_is_sound(rig):
    joint = next(iter(rig.device.joints.values()))
    real, queue = np.zeros(4), [np.zeros(4)] * max(1, round(joint.delay_s / 0.01))
    for k in range(600):
        queue.append(rig.output.torque)
        real = real - math.expm1(-2.0 * math.pi * joint.bandwidth_hz * 0.01) * (queue.pop(0) - real)
        rig.step(20.0 * math.sin(2.0 * math.pi * k / 90.0), torque=real + 0.3)
        assert rig.mode is Mode.ACTIVE, rig.cause


@pytest.mark.parametrize("end", ["stop", "disarm"])
def test_a_stop_that_does_not_come_about_is_a_fault_and_nothing_arms(rig, end):
    for _ in range(30):
        rig.step(20.0)
    getattr(rig.supervisor, end)(rig.now)
    for _ in range(60):
        rig.step(0.0, torque=[20.0, 0.0, 0.0, 0.0])
    snapshot = rig.supervisor.snapshot(rig.now)
    assert Fault.STOP_NOT_CONFIRMED in snapshot.faults
    rig.supervisor.disarm(rig.now)
    rig.supervisor.arm(rig.now)
    for _ in range(60):
        rig.step(0.0, torque=[20.0, 0.0, 0.0, 0.0])
        assert rig.mode is not Mode.ACTIVE
    assert Fault.STOP_NOT_CONFIRMED in rig.faults


def test_a_stop_that_comes_about_is_confirmed(rig):
    for _ in range(30):
        rig.step(20.0)
    rig.supervisor.disarm(rig.now)
    for _ in range(100):
        rig.step(0.0)
    assert rig.mode is Mode.DISARMED and not rig.faults


# --- F10: range, speed and power


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    motion=st.lists(
        st.tuples(st.floats(-0.1, 0.1), st.floats(-13.0, 13.0), st.floats(-60.0, 60.0), st.booleans()),
        min_size=5,
        max_size=60,
    ),
    stop_at=st.integers(0, 60),
)
def test_no_motion_gets_torque_beyond_range_speed_and_power(device, rig_of, motion, stop_at):
    """Whatever the joints do, and while a stop ramps down as well: no output is beyond what the state allows."""
    rig = rig_of(fade_in_s=0.0, simulated=True).activate()  # simulated: leaps are no faults there, torque goes on
    position, way = np.zeros(4), 1.0
    for k, (step, speed, asked, turns) in enumerate(motion):
        if k == stop_at:
            rig.supervisor.stop(rig.now)
        way = -way if turns else way
        position = position + step
        velocity = np.full(4, speed)
        rig.step(way * abs(asked), position=position, velocity=velocity)
        low, high = rig.supervisor.limits.bounds(position, velocity)
        assert (rig.output.torque >= low - 1e-9).all() and (rig.output.torque <= high + 1e-9).all()
        power = np.abs(rig.output.torque * velocity)
        assert (power <= rig.supervisor.limits.power + 1e-6).all()


def test_at_the_end_of_the_range_torque_is_gone_at_once(rig):
    for _ in range(30):
        rig.step(40.0, position=np.full(4, 0.4))
    position = 0.4
    for _ in range(12):
        position += 0.03
        rig.step(40.0, position=np.full(4, position), velocity=np.full(4, 3.0))
        allowed = rig.supervisor.limits.shape(np.full(4, 40.0), np.full(4, position), np.full(4, 3.0))
        assert (rig.output.torque <= allowed + 1e-9).all()


# --- F11: a fall


@pytest.mark.parametrize(
    "down",
    [
        imu(math.radians(85.0)),
        imu(math.radians(-80.0)),
        imu(math.radians(85.0), has_orientation=False),
        imu(force=[0.3, 0.0, 0.5]),  # free fall
    ],
    ids=["on the face", "on the back", "without orientation", "free fall"],
)
@pytest.mark.parametrize("gate", [True, False])
def test_a_fall_ends_torque_within_300_ms(rig_of, down, gate):
    rig = rig_of(stride_gate=gate, fade_in_s=0.0)
    place = np.array([0.3, 0.0, -0.3, 0.0])
    rig.step()
    rig.supervisor.arm(rig.now)
    walk(rig, 8.0)
    assert rig.output.torque[0] == pytest.approx(20.0)
    assert rig.mode is Mode.ACTIVE
    for k in range(30):
        rig.step(20.0, position=place * (1.0 + 1e-4 * (k % 2)), imu=down)
    assert not rig.output.torque.any()
    for k in range(400):  # and stays away while somebody lies there
        rig.step(20.0, position=place * (1.0 + 1e-4 * (k % 2)), imu=down)
        assert not rig.output.torque.any()


def test_who_stops_walking_loses_torque_after_one_and_a_half_strides(rig_of):
    rig = rig_of(stride_gate=True)
    rig.step()
    rig.supervisor.arm(rig.now)
    walk(rig, 8.0)
    steps = 0
    while rig.output.torque.any():
        rig.step(20.0)
        steps += 1
        assert steps < 100 * (1.5 * 1.1 + 0.6)


# --- F12: somebody seated


@pytest.mark.parametrize("swing_rad", [0.063, 0.2])
def test_the_gate_stays_closed_for_somebody_seated(rig_of, swing_rad):
    rig = rig_of(stride_gate=True)
    rig.step()
    rig.supervisor.arm(rig.now)
    walk(rig, 12.0, mean_rad=math.radians(80.0), swing_rad=swing_rad)
    assert rig.supervisor.assistance_gain(rig.now) == 0.0
    assert "sitting" in rig.cause or "moved by" in rig.cause


# --- plausibility of states, case 4


def test_an_angle_that_leaps_stops_every_driver(rig):
    for _ in range(20):
        rig.step(20.0)
    rig.step(20.0, position=[0.5, 0.0, 0.0, 0.0])
    assert Fault.IMPLAUSIBLE_STATE in rig.faults and "hip_flexion_r leapt by +0.50" in rig.cause


def test_an_angle_that_stands_still_while_its_speed_goes_on_stops_the_device(rig):
    steps = 0
    while rig.mode is Mode.ACTIVE and steps < 60:
        rig.step(5.0, velocity=[2.0, 0.0, 0.0, 0.0])
        steps += 1
    assert Fault.IMPLAUSIBLE_STATE in rig.faults and steps <= 40


def test_a_state_that_is_sent_again_and_again_stops_the_device(rig):
    still = imu()
    for _ in range(200):
        rig.step(20.0, imu=still)
        if rig.mode is not Mode.ACTIVE:
            break
    assert Fault.IMPLAUSIBLE_STATE in rig.faults and "sent again" in rig.cause


def test_a_simulator_may_put_its_person_somewhere_else(rig_of):
    rig = rig_of(fade_in_s=0.0, simulated=True).activate()
    for _ in range(20):
        rig.step(5.0)
    rig.step(5.0, position=[0.5, 0.0, 0.0, 0.0])
    assert rig.mode is Mode.ACTIVE


# --- IMU, cases 1 and 2


@pytest.mark.parametrize(
    "wrong",
    [
        ImuSample(np.array([1.0, 0.0, 0.0, 0.0]), np.zeros(3), np.array([0.0, 0.0, G])),  # w first
        ImuSample(np.array([0.0, 0.0, 0.0, 1.0]), np.zeros(3), np.array([0.0, 0.0, -G])),  # z down
        ImuSample(np.array([0.0, -0.342, 0.0, 0.940]), np.zeros(3), np.array([0.0, 0.0, G])),  # 40 degrees
        ImuSample(np.zeros(4), np.zeros(3), np.array([0.0, 0.0, G])),
        ImuSample(np.array([0.0, 0.0, 0.0, 1.0]), np.full(3, 1e6), np.array([0.0, 0.0, G])),
        ImuSample(np.array([0.0, 0.0, 0.0, 1.0]), np.zeros(3), np.array([0.0, 0.0, 100.0 * G])),
    ],
    ids=["w first", "z down", "turned by 40 degrees", "zero quaternion", "1e6 rad/s", "100 g"],
)
def test_an_imu_that_contradicts_itself_stops_the_device_and_does_not_arm(rig_of, wrong):
    rig = rig_of(fade_in_s=0.0).activate()
    for k in range(200):
        rig.step(5.0, imu=wrong, position=np.full(4, 1e-4 * (k % 2)))
    assert rig.mode is Mode.FAULT and Fault.IMU_FAULT in rig.faults
    rig.supervisor.disarm(rig.now)
    rig.supervisor.arm(rig.now)
    for _ in range(200):
        rig.step(0.0, imu=wrong)
        assert rig.mode is not Mode.ACTIVE
    assert "IMU" in rig.cause


def test_no_orientation_is_no_contradiction(rig):
    nothing = ImuSample(np.full(4, math.nan), np.zeros(3), np.array([0.0, 0.0, G]), has_orientation=False)
    for k in range(200):
        sample = ImuSample(nothing.orientation_xyzw, np.full(3, 1e-3 * (k % 2)), nothing.linear_acceleration, False)
        rig.step(5.0, imu=sample)
    assert rig.mode is Mode.ACTIVE, rig.cause


def test_walking_stays_far_from_a_contradiction():
    check, most = ImuCheck(), 0.0
    for k in range(1000):
        t = 0.01 * k
        pitch = math.radians(6.0) * math.sin(2.0 * math.pi * t / 1.1)
        force = G * np.array([math.sin(pitch), 0.0, math.cos(pitch)]) + np.array(
            [2.0 * math.sin(11.4 * t), 1.0 * math.sin(5.7 * t), 3.0 * math.cos(11.4 * t)]
        )
        assert check.see(t, imu(pitch, force)) is None
        most = max(most, check.disagreement if k > 200 else 0.0)
    assert most < math.radians(10.0)


# --- posture at arming, supply, clocks, shaking


@pytest.mark.parametrize(
    "changes, word",
    [
        ({"position": [0.43, 0.0, 0.0, 0.0]}, "differ"),  # a zero lost by 25 degrees
        ({"position": [1.4, 0.0, 1.4, 0.0]}, "upright"),  # seated
        ({"position": [0.0, -0.6, 0.0, -0.6]}, "ankle"),
        ({"imu": imu(math.radians(40.0))}, "leans"),
    ],
)
def test_a_worn_device_arms_in_upright_standing_alone(rig_of, changes, word):
    rig = rig_of(posture_check=True, arming_timeout_s=1.0)
    rig.step(**changes)
    rig.supervisor.arm(rig.now)
    for _ in range(150):
        rig.step(**changes)
        assert rig.mode is not Mode.ACTIVE
    assert word in rig.cause


@pytest.mark.parametrize("volts, is_sound", [(48.0, True), (math.nan, True), (54.6, True), (39.0, True),
                                             (0.0, False), (200.0, False), (24.0, False)])  # fmt: skip
def test_the_supply_is_compared_with_the_device_file(rig, volts, is_sound):
    for _ in range(30):
        rig.step(5.0, bus_voltage=volts)
    assert (rig.mode is Mode.ACTIVE) is is_sound
    assert is_sound or Fault.SUPPLY in rig.faults


@pytest.mark.parametrize("ahead_s, is_sound", [(0.01, True), (0.1, False), (0.45, False)])
def test_the_clock_of_another_host_may_be_ahead_by_20_ms(rig_of, ahead_s, is_sound):
    rig = rig_of(fade_in_s=0.0, arming_timeout_s=1.0)
    rig.step(stamp_ns=rig.now_ns + to_ns(0.01 + ahead_s))
    rig.supervisor.arm(rig.now)
    for _ in range(150):
        stamp_ns = rig.now_ns + to_ns(0.01 + ahead_s)
        rig.step(command=rig.command(0.0, state_stamp_ns=stamp_ns), stamp_ns=stamp_ns)
    assert (rig.mode is Mode.ACTIVE) is is_sound
    assert is_sound or "chrony" in rig.cause


@pytest.mark.parametrize("frequency_hz", [2.0, 3.7, 6.0])
def test_torque_does_not_shake_a_person(rig, frequency_hz):
    for k in range(400):
        rig.step(25.0 * math.copysign(1.0, math.sin(2.0 * math.pi * frequency_hz * 0.01 * k)))
        if rig.mode is not Mode.ACTIVE:
            break
    assert Fault.OSCILLATION in rig.faults and k < 300


def test_torque_as_in_the_fastest_walk_is_no_shaking(rig):
    for k in range(1000):
        rig.step(20.0 * math.sin(2.0 * math.pi * 0.01 * k / 0.85))
    assert rig.mode is Mode.ACTIVE, rig.cause


# --- a stop


def test_torque_that_a_limit_took_during_a_stop_does_not_come_back(rig):
    """A joint beyond its speed for one state gives nothing more, while the others go on down to zero."""
    for _ in range(20):
        rig.step(10.0)
    rig.supervisor.disarm(rig.now)
    fast = np.zeros(4)
    fast[list(HIPS)] = rig.supervisor.limits.velocity[list(HIPS)]
    before = rig.step(0.0).torque
    assert rig.mode is Mode.STOPPING and (before > 5.0).all()
    assert not rig.step(0.0, velocity=fast).torque[list(HIPS)].any()
    after = rig.step(0.0).torque
    assert not after[list(HIPS)].any() and (after[list(ANKLES)] > 0.0).all()
