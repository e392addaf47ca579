# SPDX-License-Identifier: Apache-2.0
"""Inputs that nearly pass every check: slow, small, or only now and then. Each gave torque without a word once."""

import math

import numpy as np
import pytest

from exo_core.time import to_ns
from exo_device.safety import Fault, Instant, Mode
from exo_device.safety.plausibility import ImuCheck
from exo_device.safety.wearer import UprightSensor
from exo_device.signals import ImuSample
from exo_device.torque_permit import is_permitted

G = 9.81
UP, ZERO = np.array([0.0, 0.0, 0.0, 1.0]), np.zeros(3)
HIPS = (0, 2)


def force(x=0.0, z=G, *, orientation=UP, claims=True) -> ImuSample:
    return ImuSample(np.array(orientation), ZERO, np.array([x, 0.0, z]), claims)


def until_stop(rig, steps, **changes_at):
    """Steps on until the device stops; what a key names is called with the step. Returns the step, or steps."""
    for k in range(steps):
        rig.step(10.0, **{name: value(k) for name, value in changes_at.items()})
        if rig.mode is not Mode.ACTIVE:
            return k
    return steps


# --- clocks


@pytest.mark.parametrize("rate", [0.01, 0.5, 0.8, 1.3, 3.0])
def test_ros_time_that_passes_at_another_rate_stops_real_motors(rig, state_of, rate):
    """Everything is fresh and in order, and a fall, the end of a stride and heat would be noticed that much later."""
    ros_ns, steady_ns = rig.now_ns, rig.now.steady_ns
    for k in range(300):
        steady_ns += to_ns(0.01)
        ros_ns += to_ns(0.01 * rate)
        now = Instant(ros_ns, steady_ns)
        state = state_of(rig.device, ros_ns, rig.sequence + k, torque=rig.supervisor.update(now).torque)
        rig.supervisor.on_state(state, now)
        rig.supervisor.on_command(rig.command(10.0, state_stamp_ns=ros_ns), now)
        rig.supervisor.update(now)
    assert rig.supervisor.mode is Mode.FAULT
    assert rig.supervisor.snapshot(now).faults & (Fault.CLOCK_JUMP | Fault.STALE_STATE)


@pytest.mark.parametrize("changes", [{"rate": 0.92}, {"rate": 1.08}, {"rate": 0.01, "ros_time_is_the_worlds": False}])
def test_a_clock_that_is_set_slowly_is_sound(rig_of, state_of, changes):
    """chrony slews by a twelfth; a simulator that moves emulated motors may be as slow as it likes."""
    rate = changes.pop("rate")
    rig = rig_of(fade_in_s=0.0, **changes).activate()
    ros_ns, steady_ns = rig.now_ns, rig.now.steady_ns
    for k in range(500):
        steady_ns += to_ns(0.01)
        ros_ns += to_ns(0.01 * rate)
        now = Instant(ros_ns, steady_ns)
        state = state_of(rig.device, ros_ns, rig.sequence + k, torque=rig.supervisor.update(now).torque)
        rig.supervisor.on_state(state, now)
        rig.supervisor.on_command(rig.command(0.0, state_stamp_ns=ros_ns), now)
        rig.supervisor.update(now)
        assert rig.supervisor.mode is Mode.ACTIVE, rig.supervisor.cause


# --- angles that contradict their speed


def swing(t, gain=1.0):
    """Angle (rad) and speed (rad/s) of a joint that swings at the hip's pace."""
    return 0.3 * math.sin(5.7 * t), gain * 0.3 * 5.7 * math.cos(5.7 * t)


@pytest.mark.parametrize("gain", [-1.0, 0.0, 0.3, 2.5])
def test_a_speed_that_is_another_one_than_the_angles_stops_the_device(rig, gain):
    """Power, speed limit and braking all go by the reported speed: it turns its sign, or dies, in the midst of it."""

    def position(k):
        return np.full(4, swing(0.01 * k)[0])

    def velocity(k):
        return np.full(4, swing(0.01 * k, gain if k > 200 else 1.0)[1])

    assert 200 < until_stop(rig, 400, position=position, velocity=velocity) < 300
    assert Fault.IMPLAUSIBLE_STATE in rig.faults and "its speed says" in rig.cause


def test_an_angle_that_trembles_beyond_what_its_speed_says_stops_the_device(rig):
    def position(k):
        return np.full(4, 0.14 * (k % 2) + (swing(0.01 * k)[0]))

    assert until_stop(rig, 200, position=position, velocity=lambda k: np.full(4, swing(0.01 * k)[1])) < 100
    assert Fault.IMPLAUSIBLE_STATE in rig.faults


@pytest.mark.parametrize("rate_deg_s", [-2.0, 2.0, 10.0])
def test_an_angle_that_creeps_away_stops_the_device(rig, rate_deg_s):
    """Two degrees a second are far below every leap, and no end of range stops them for half a minute."""

    def position(k):
        return np.array([swing(0.01 * k)[0] + math.radians(rate_deg_s) * 0.01 * k, 0.0, 1e-3 * (k % 2), 0.0])

    stopped = until_stop(rig, 2000, position=position, velocity=lambda k: np.array([swing(0.01 * k)[1], 0.0, 0.0, 0.0]))
    assert 0.01 * stopped * abs(rate_deg_s) < 30.0
    assert Fault.IMPLAUSIBLE_STATE in rig.faults and "drifts" in rig.cause


def test_speeds_as_coarse_late_and_noisy_as_a_motors_are_sound(rig):
    """Cut off to 12 bits of +-50 rad/s, filtered with 15 ms, and 3 % too large: two minutes of walking at 2 m/s."""
    random = np.random.default_rng(1)

    def position(k):
        t = 0.01 * k
        return np.full(4, 0.5 * math.sin(7.4 * t) + 0.001 * random.standard_normal())

    def velocity(k):
        exact = 1.03 * 0.5 * 7.4 * math.cos(7.4 * (0.01 * k - 0.015)) + 0.03 * random.standard_normal()
        return np.full(4, math.floor(exact * 4095 / 100) * 100 / 4095)

    steps = until_stop(rig, 12000, position=position, velocity=velocity)
    assert steps == 12000, rig.cause


@pytest.mark.parametrize("places", [(0, 2), (1, 3)], ids=["hips", "ankles"])
def test_an_encoder_that_has_died_stops_the_device(rig, places):
    """Angle and speed stand still together: no end of range would ever be seen there."""
    dead, alive = places

    def of(part):
        def values(k):
            result = np.zeros(4)
            result[alive] = swing(0.01 * k)[part]
            result[dead] = swing(0.01 * min(k, 100))[part] * (part == 0 or k < 100)
            return result

        return values

    stopped = until_stop(rig, 600, position=of(0), velocity=of(1))
    assert 100 < stopped < 350 and "dead" in rig.cause and Fault.IMPLAUSIBLE_STATE in rig.faults


# --- torque


@pytest.mark.parametrize("extra", [lambda k: 7.0, lambda k: -7.0, lambda k: 9.0 * (-1.0) ** (k // 15)])
def test_torque_that_is_a_little_wrong_for_ever_stops_the_device(rig, extra):
    """Each of these stays below what the quick comparison allows."""
    before = np.zeros(4)

    def torque(k):
        nonlocal before
        before = rig.output.torque.copy()
        before[0] += extra(k)
        return before

    assert until_stop(rig, 1000, torque=torque) < 300
    assert Fault.TORQUE_MISMATCH in rig.faults


@pytest.mark.parametrize(
    "asked",
    [
        lambda k: 37.5 * (k // 10 % 2),
        lambda k: 9.0 * (-1.0) ** (k // 3),
        lambda k: 20.0 + 17.0 * math.sin(2.0 * math.pi * 0.01 * k * 5.0),
        lambda k: 37.5 * (-1.0) ** (k // 25),
    ],
    ids=["on and off", "little and fast", "on one side", "slowly, with all there is"],
)
def test_torque_does_not_shake_without_turning_its_sign_or_with_little_either(rig, asked):
    for k in range(500):
        rig.step(asked(k))
        if rig.mode is not Mode.ACTIVE:
            break
    assert Fault.OSCILLATION in rig.faults, "never"


# --- a stop that nobody can see


def test_a_stop_that_no_motor_answers_is_not_confirmed_and_takes_the_power_away(rig):
    """The bus has died with torque on: whether a motor holds its last torque cannot be seen any more."""
    for _ in range(20):
        rig.step(20.0)
    for _ in range(80):
        rig.step(has_state=False, has_command=False)
    snapshot = rig.supervisor.snapshot(rig.now)
    assert Fault.STOP_NOT_CONFIRMED in snapshot.faults and not is_permitted(snapshot)


def test_a_node_that_was_deactivated_for_long_has_confirmed_its_stop(rig):
    for _ in range(20):
        rig.step(20.0)
    rig.supervisor.deactivate(rig.now)
    for _ in range(12):
        rig.step()
    rig.now_ns += to_ns(60.0)
    for _ in range(5):
        rig.step(has_state=False, has_command=False)
    for _ in range(50):
        rig.step()
    assert rig.mode is Mode.DISARMED and not rig.faults


# --- IMU


def disagrees(check, samples):
    """Seconds until an IMU's samples are a fault, at 100 Hz; None when they never are."""
    for k, sample in enumerate(samples):
        if check.see(0.01 * k, sample):
            return 0.01 * k
    return None


@pytest.mark.parametrize("length", [1.0, 1.3 * G, 2.0 * G, 0.5 * G])
def test_a_specific_force_that_is_no_gravity_is_a_fault(length):
    """In g, or scaled: with it no orientation was ever compared."""
    turned = np.array([1.0, 0.0, 0.0, 0.0])
    assert disagrees(ImuCheck(), [force(z=length, orientation=turned) for _ in range(400)]) < 3.0
    assert disagrees(ImuCheck(), [force(z=length, claims=False) for _ in range(400)]) < 3.0


@pytest.mark.parametrize("period", [2, 7, 40])
def test_an_orientation_that_comes_and_goes_is_compared_all_the_same(period):
    wrong = np.array([0.0, -0.342, 0.0, 0.940])  # 40 degrees of pitch that nobody told
    samples = [force(orientation=wrong, claims=k // period % 2 == 0) for k in range(600)]
    assert disagrees(ImuCheck(), samples) is not None


def test_an_orientation_that_stands_still_hides_no_fall(rig_of):
    """The fusion hangs at upright, and the accelerometer says that the wearer lies."""
    rig = rig_of(fade_in_s=0.0).activate()
    for _ in range(100):
        rig.step(20.0)
    for _ in range(30):
        rig.step(20.0, imu=force(x=G, z=0.0))
    assert not rig.output.torque.any()


def test_walking_as_hard_as_people_do_is_no_fall_by_the_force(rig):
    for k in range(1000):
        t = 0.01 * k
        x, z = 3.5 * math.sin(23.0 * t), G + 4.0 * math.cos(23.0 * t)
        rig.step(5.0, imu=force(x=x, z=z))
        assert not rig.supervisor._assistance.upright.fallen


def test_one_wild_sample_at_the_beginning_is_no_fall():
    """A simulation that has just put a body down accelerates it in any direction, and so does a bump on the belt."""
    upright = UprightSensor()
    assert not upright.see(0.0, force(x=40.0, z=-30.0))
    for k in range(1, 100):
        assert not upright.see(0.01 * k, force())


# --- posture


def test_every_kind_of_joint_is_looked_at_before_arming():
    from exo_device.description import DRIVABLE_JOINTS
    from exo_device.safety.wearer import STANCE_RAD

    assert set(STANCE_RAD) == set(DRIVABLE_JOINTS)


# --- a zero that was lost


def test_an_angle_that_leapt_leaves_its_zero_in_doubt_with_every_driver(rig):
    """An ODrive that was reset by 0.2 rad was armed again by disarm and arm, 11 degrees beside itself."""
    for _ in range(20):
        rig.step(10.0)
    rig.step(10.0, position=[0.2, 0.0, 0.0, 0.0])
    assert rig.supervisor.pop_lost_zeros() == {"hip_flexion_r": "its angle leapt"}
    assert rig.supervisor.pop_lost_zeros() == {}


# --- gate and drivers


def test_the_gate_closes_when_one_hip_drifts_away_from_the_other_at_whatever_speed(rig_of):
    """The speed drifts along, as of an encoder whose magnet slips: no comparison with it shows anything."""
    rig = rig_of(stride_gate=True)
    rig.step()
    rig.supervisor.arm(rig.now)
    rate, had_torque = math.radians(2.0), False
    for k in range(2500):
        t = 0.01 * k
        position, velocity = np.zeros(4), np.zeros(4)
        for place, way in zip(HIPS, (1.0, -1.0), strict=True):
            angle, speed = swing(t)
            position[place], velocity[place] = way * angle, way * speed
        drifted_s = max(0.0, t - 8.0)
        position[0], velocity[0] = position[0] + rate * drifted_s, velocity[0] + rate * (drifted_s > 0.0)
        rig.step(10.0, position=position, velocity=velocity, imu=force(z=G + 1.5 * math.cos(11.4 * t)))
        had_torque = had_torque or bool(rig.output.torque.any())
    assert had_torque and not rig.output.torque.any()
    assert rig.mode is Mode.ACTIVE and "drifted" in rig.cause


def test_an_odrive_that_stays_in_closed_loop_has_not_stopped():
    """It takes no orders any more, and sends no torque: only its heartbeats tell."""
    from exo_device.drivers.can.port import Frame
    from exo_device.drivers.odrive_can import Axis, AxisConfig, Command

    axis = Axis("hip_flexion_r", AxisConfig(node_id=1, sign=1, gear_ratio=9.0), 0.0)
    told = []
    for k in range(300):
        t = 0.01 * k
        axis.take(Frame(1 << 5 | Command.HEARTBEAT, bytes([0, 0, 0, 0, 8, 0, 0, 0])), t, 0)
        axis.frames(12.0, k < 150, t)
        told.append(axis.torque)
    assert told[149] == 12.0 and told[160] == 0.0 and told[-1] == 12.0
    assert "is told to be off" in axis.obstacle(3.0)
    axis.take(Frame(1 << 5 | Command.HEARTBEAT, bytes([0, 0, 0, 0, 1, 0, 0, 0])), 3.0, 0)
    axis.frames(0.0, False, 3.01)
    assert axis.torque == 0.0 and axis.obstacle(3.01) == ""
