# SPDX-License-Identifier: Apache-2.0
import math
from dataclasses import replace

import numpy as np
import pytest

from exo_core.time import to_ns
from exo_device.description import DeviceError
from exo_device.safety import Fault, Instant, Mode, SafetyConfig, SafetyError, SafetySupervisor
from exo_device.signals import ImuSample

HIP, ANKLE = 0, 1


# --- arming


def test_never_arms_by_itself(rig_of):
    rig = rig_of()
    for _ in range(300):
        output = rig.step()
        assert not output.enable and not output.torque.any()
    assert rig.mode is Mode.DISARMED


def test_what_a_policy_asks_for_before_active_counts_as_zero(rig_of):
    """A policy that answers every state with its torque can be armed, and starts from zero."""
    rig = rig_of(fade_in_s=0.0, fade_delay_s=0.0)
    assert not rig.step(10.0).torque.any()
    rig.supervisor.arm(rig.now)
    output = rig.supervisor.update(rig.now)
    assert rig.mode is Mode.ACTIVE and output.enable and not output.torque.any()
    output = rig.step(10.0, has_command=False)
    assert rig.mode is Mode.ACTIVE and not output.torque.any()  # the old command is not taken up again
    assert rig.step(10.0).torque[HIP] > 0.0


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"state_stamp_ns": to_ns(1e6)}, ["no command that answers a state", "exo/joint_states"]),
        ({"state_stamp_ns": 0}, ["no command that answers a state", "state_stamp is 0"]),
        ({"sequence": 0}, ["sequence of the commands stands still at 0", "counts up by one"]),
    ],
)
def test_a_refusal_to_arm_names_the_rule_that_was_broken(rig_of, changes, words):
    rig = rig_of(arming_timeout_s=0.5)

    def step():
        rig.step(command=rig.command(0.0, **{"state_stamp_ns": rig.now_ns + to_ns(0.01), **changes}))

    for _ in range(5):
        step()
    rig.supervisor.arm(rig.now)
    while rig.mode is Mode.ARMING:
        step()
    assert rig.mode is Mode.DISARMED
    warnings = [event for event in rig.supervisor.pop_events() if event.is_warning]
    for word in ["not armed within 0.5 s", *words]:
        assert word in rig.cause and word in warnings[0].text
    assert not warnings[0].is_error


def test_while_arming_the_cause_says_what_is_missing(rig_of):
    rig = rig_of()
    rig.supervisor.arm(rig.now)
    rig.step(has_command=False)
    assert rig.mode is Mode.ARMING and rig.cause == "no command yet"


def test_a_sequence_that_stands_still_while_active_is_named(rig):
    sequence = rig.command_sequence
    while rig.mode is Mode.ACTIVE:
        rig.step(command=rig.command(0.0, sequence=sequence, state_stamp_ns=rig.now_ns + to_ns(0.01)))
    assert f"stands still at {sequence}" in rig.cause


def test_a_command_that_leaves_a_joint_out_names_the_rule(rig):
    rig.step(command=rig.command(0.0, names=("hip_flexion_r",), torque=np.zeros(1)))
    assert rig.faults == Fault.UNKNOWN_JOINT and "leaves out joint" in rig.cause and "all joints or none" in rig.cause


def test_deactivating_ramps_down_and_is_no_fault(rig_of):
    rig = rig_of(fade_in_s=0.0).activate()
    for _ in range(20):
        rig.step(20.0)
    rig.supervisor.deactivate(rig.now)
    assert rig.mode is Mode.STOPPING
    while rig.mode is Mode.STOPPING:
        rig.step(20.0)
    assert rig.mode is Mode.DISARMED and not rig.faults and "deactivated" in rig.cause


def test_deactivating_clears_no_latched_fault(rig_of):
    rig = rig_of()
    rig.supervisor.stop(rig.now)
    rig.supervisor.deactivate(rig.now)
    assert rig.mode is Mode.FAULT and rig.faults == Fault.USER_STOP


def test_latch_and_heat_are_taken_over_from_before(rig_of):
    rig = rig_of()
    rig.supervisor.restore(Fault.USER_STOP, "stopped by exo/stop", {"hip_flexion_r": 0.9})
    rig.step()
    assert rig.mode is Mode.FAULT and rig.faults == Fault.USER_STOP and rig.cause == "stopped by exo/stop"
    assert not rig.supervisor.arm(rig.now).success
    assert rig.supervisor.snapshot(rig.now).heat == pytest.approx([0.9, 0.0, 0.0, 0.0], abs=0.01)
    assert rig.supervisor.disarm(rig.now).success and rig.supervisor.arm(rig.now).success


@pytest.mark.parametrize(
    "has_state, has_command, word",
    [
        (False, False, "state"),
        (True, False, "command"),
        (False, True, "state"),
    ],
)
def test_arming_waits_for_fresh_states_and_commands(rig_of, has_state, has_command, word):
    rig = rig_of(arming_timeout_s=0.5)
    rig.supervisor.arm(rig.now)
    for _ in range(51):
        rig.step(has_state=has_state, has_command=has_command, command=rig.command(0.0, state_stamp_ns=0))
    assert rig.mode is Mode.DISARMED and word in rig.cause


def test_torque_fades_in_after_arming(rig_of):
    rig = rig_of(fade_in_s=1.0, fade_delay_s=0.05)
    rig.step()
    rig.supervisor.arm(rig.now)
    rig.step()
    assert not any(rig.step(20.0).torque.any() for _ in range(5))  # everyone hears of it first
    torques = [rig.step(20.0).torque[HIP] for _ in range(120)]
    assert torques[0] == pytest.approx(0.2)
    assert torques[49] == pytest.approx(10.0)
    assert torques[-1] == pytest.approx(20.0)
    assert max(np.diff(torques)) < 0.2 + 1e-6


# --- following


def ahead(rig, **changes):
    """A command that answers the state of the next step."""
    return rig.command(0.0, **{"state_stamp_ns": rig.now_ns + to_ns(0.01), **changes})


def test_joints_are_matched_by_name(rig):
    names = tuple(reversed(rig.device.joint_names))
    for _ in range(20):
        output = rig.step(command=ahead(rig, torque=np.array([1.0, 2.0, 3.0, 4.0]), names=names))
    assert dict(zip(output.names, output.torque, strict=True)) == pytest.approx(
        dict(zip(names, [1.0, 2.0, 3.0, 4.0], strict=True))
    )


def test_no_names_ask_for_no_torque(rig):
    for _ in range(20):
        rig.step(5.0)
    for _ in range(20):
        output = rig.step(command=ahead(rig, names=(), torque=np.array([])))
    assert rig.mode is Mode.ACTIVE and not output.torque.any()


def test_caps_and_slew(rig):
    torques = np.array([rig.step(1e6).torque for _ in range(50)])
    assert torques[-1] == pytest.approx(rig.supervisor.limits.cap)
    assert (np.abs(np.diff(torques, axis=0)) <= rig.supervisor.limits.slew * 0.01 + 1e-9).all()


def test_several_outputs_on_one_state_share_the_slew(rig):
    rig.step(0.0)
    first = rig.supervisor.update(rig.now).torque
    for torque in (100.0, -100.0, 100.0):
        rig.supervisor.on_command(rig.command(torque), rig.now)
        output = rig.supervisor.update(rig.now).torque
        assert (np.abs(output - first) <= rig.supervisor.limits.slew * 0.01 + 1e-9).all()


# --- stopping


def run_down(rig, **step):
    """Steps until motors are off; returns the time it took (s) and the torques on the way."""
    start_ns = rig.now_ns
    torques = []
    for _ in range(100):
        torques.append(rig.step(10.0, **step).torque.copy())
        if not rig.output.enable:
            return (rig.now_ns - start_ns) * 1e-9, np.array(torques)
    raise AssertionError("motors never went off")


def with_torque(rig):
    for _ in range(30):
        rig.step(10.0)
    assert (rig.output.torque > 9.0).all()
    return rig


def assert_latched(rig, fault):
    assert rig.mode is Mode.FAULT
    assert fault in rig.faults
    assert rig.cause
    for _ in range(20):
        output = rig.step(10.0)
        assert not output.enable and not output.torque.any()
    assert not rig.supervisor.arm(rig.now).success


def test_a_silent_policy_is_stopped_within_150_ms(rig):
    time_s, torques = run_down(with_torque(rig), has_command=False)
    assert time_s <= 0.15
    assert (np.diff(torques[:, HIP]) <= 1e-9).all()  # monotone: no jump on the way down
    assert (np.abs(np.diff(torques, axis=0)) <= rig.supervisor.limits.slew * 0.01 + 1e-9).all()
    assert_latched(rig, Fault.STALE_COMMAND)


def test_a_policy_that_repeats_old_answers_is_stopped(rig):
    stamp_ns = with_torque(rig).now_ns
    for _ in range(20):
        rig.step(command=rig.command(10.0, state_stamp_ns=stamp_ns))
    assert_latched(rig, Fault.STALE_COMMAND)


def test_a_silent_bus_is_stopped(rig):
    time_s, _ = run_down(with_torque(rig), has_state=False, has_command=False)
    assert time_s <= 0.15
    assert_latched(rig, Fault.BUS_LOST)


@pytest.mark.parametrize("simulated, fault", [(True, Fault.STALE_STATE), (False, Fault.BUS_LOST)])
def test_states_with_old_stamps_are_stopped(rig_of, simulated, fault):
    """The bus lives and repeats itself, while ROS time goes on. Of real motors that is no sign of life."""
    rig = rig_of(fade_in_s=0.0, simulated=simulated).activate()
    stamp_ns = with_torque(rig).now_ns
    for _ in range(15):
        rig.step(has_command=False, stamp_ns=stamp_ns)
    assert_latched(rig, fault)


@pytest.mark.parametrize(
    "torque, changes, fault",
    [
        ([1.0, math.nan, 0.0, 0.0], {}, Fault.NOT_FINITE),
        ([1.0, math.inf, 0.0, 0.0], {}, Fault.NOT_FINITE),
        ([1.0], {"names": ("elbow_r",)}, Fault.UNKNOWN_JOINT),
        ([1.0, 1.0], {"names": ("hip_flexion_r", "hip_flexion_r")}, Fault.UNKNOWN_JOINT),
        ([1.0], {"names": ("hip_flexion_r",)}, Fault.UNKNOWN_JOINT),
        ([1.0, 1.0], {}, Fault.UNKNOWN_JOINT),
        ([1.0] * 4, {"state_stamp_ns": to_ns(99.0)}, Fault.CLOCK_JUMP),
    ],
)
def test_impossible_commands_stop(rig, torque, changes, fault):
    with_torque(rig)
    before = rig.output.torque
    output = rig.step(command=ahead(rig, torque=np.array(torque), **changes))
    assert rig.mode is Mode.STOPPING
    assert (np.abs(output.torque) < np.abs(before)).all()
    run_down(rig)
    assert_latched(rig, fault)


def by_joint(joint, value):
    values = [0.0] * 4
    values[joint] = value
    return values


@pytest.mark.parametrize(
    "state, fault, word",
    [
        ({"position": by_joint(HIP, math.nan)}, Fault.NOT_FINITE, "hip_flexion_r"),
        ({"velocity": by_joint(ANKLE, math.inf)}, Fault.NOT_FINITE, "ankle_angle_r"),
        ({"velocity": by_joint(ANKLE, -13.0)}, Fault.VELOCITY_LIMIT, "ankle_angle_r"),
        ({"temperature": [81.0, 30.0, 30.0, 30.0]}, Fault.OVER_TEMPERATURE, "hip_flexion_r"),
        ({"error": [0, 7, 0, 0]}, Fault.MOTOR_ERROR, "error 7"),
        ({"position": by_joint(ANKLE, 1.0)}, Fault.RANGE_OF_MOTION, "ankle_angle_r"),
        ({"torque": by_joint(HIP, 30.0), "velocity": by_joint(HIP, 8.0)}, Fault.POWER_LIMIT, "240 W"),
    ],
)
def test_states_that_must_stop(rig, state, fault, word):
    with_torque(rig)
    run_down(rig, **state)
    assert word in rig.cause
    assert_latched(rig, fault)


def test_one_fast_state_may_be_noise(rig):
    for _ in range(5):
        rig.step(velocity=by_joint(HIP, 11.0))
        rig.step()
    assert rig.mode is Mode.ACTIVE


def test_a_motor_without_temperature_sensor_is_not_hot(rig):
    for _ in range(5):
        rig.step(temperature=[math.nan] * 4)
    assert rig.mode is Mode.ACTIVE


def test_a_bad_imu_stops(rig):
    with_torque(rig)
    rig.step(imu=ImuSample(np.array([0.0, 0.0, 0.0, math.nan]), np.zeros(3), np.zeros(3)))
    assert Fault.NOT_FINITE in rig.faults


@pytest.mark.parametrize(
    "jump_s, fault",
    [
        (-5.0, Fault.CLOCK_JUMP),
        (5.0, Fault.CLOCK_JUMP),
        (0.06, Fault.SEQUENCE_GAP),
    ],
)
def test_jumps_of_the_clock_and_gaps_stop(rig, jump_s, fault):
    with_torque(rig)
    rig.step(10.0, stamp_ns=rig.now_ns + to_ns(jump_s), dt_s=max(jump_s, 0.01))
    run_down(rig)
    assert fault in rig.faults


def test_a_lost_state_or_command_is_counted_and_forgiven(rig):
    with_torque(rig)
    rig.sequence += 2
    rig.command_sequence += 3
    rig.step(10.0, dt_s=0.03)
    assert rig.mode is Mode.ACTIVE
    snapshot = rig.supervisor.snapshot(rig.now)
    assert (snapshot.dropped_states, snapshot.dropped_commands) == (2, 3)


def test_sequence_numbers_may_wrap(rig_of):
    rig = rig_of(fade_in_s=0.0)
    rig.sequence = rig.command_sequence = 2**32 - 40
    rig.activate()
    for _ in range(80):
        rig.sequence %= 2**32
        rig.step(command=ahead(rig, sequence=rig.command_sequence % 2**32))
    assert rig.mode is Mode.ACTIVE and rig.supervisor.snapshot(rig.now).dropped_states == 0


def test_a_second_publisher_is_ignored_and_then_stopped(rig):
    """Its numbers are its own: commands that do not advance are never followed, and add up."""
    with_torque(rig)
    for count in range(40):
        rig.step(10.0)
        rig.supervisor.on_command(rig.command(-20.0, sequence=count), rig.now)
        assert (rig.supervisor.update(rig.now).torque > -1e-9).all()
        if rig.mode is not Mode.ACTIVE:
            break
    assert Fault.SEQUENCE_GAP in rig.faults


def test_a_command_known_to_be_foreign_stops_at_once_or_is_counted(rig_of):
    for choice in ("fault", "ignore"):
        rig = with_torque(rig_of(fade_in_s=0.0, second_publisher=choice).activate())
        for _ in range(3):
            rig.supervisor.on_foreign_command("two nodes publish exo/command: /a, /b", rig.now)
        assert rig.supervisor.snapshot(rig.now).foreign_commands == 3
        lines = [event.text for event in rig.supervisor.pop_events() if "/b" in event.text]
        if choice == "fault":
            run_down(rig)
            assert "/a, /b" in rig.cause
            assert_latched(rig, Fault.SEQUENCE_GAP)
        else:
            assert len(lines) == 1 and rig.step(10.0).torque[HIP] == pytest.approx(10.0)
            assert rig.mode is Mode.ACTIVE and not rig.faults
            rig.supervisor.on_foreign_command("who is who?", rig.now, must_stop=True)
            assert rig.mode is Mode.STOPPING


@pytest.mark.parametrize("choice", ["fault", "ignore"])
def test_beside_a_second_publisher_nothing_is_armed(rig_of, choice):
    """Which of the two is the policy, only a person knows."""
    rig = rig_of(second_publisher=choice, arming_timeout_s=0.5)
    rig.step()
    rig.supervisor.arm(rig.now)
    for _ in range(60):
        rig.supervisor.on_foreign_command("two nodes publish", rig.now)
        assert not rig.step().torque.any()
    assert rig.mode is Mode.DISARMED and "two nodes publish" in rig.cause
    for _ in range(101):
        rig.step()
    rig.supervisor.arm(rig.now)
    rig.step()
    assert rig.mode is Mode.ACTIVE


def test_user_stop_latches_in_every_mode(rig_of):
    disarmed = rig_of()
    disarmed.supervisor.stop(disarmed.now)
    assert_latched(disarmed, Fault.USER_STOP)
    running = with_torque(rig_of(fade_in_s=0.0).activate())
    running.supervisor.stop(running.now)
    time_s, _ = run_down(running)
    assert time_s <= 0.1
    assert_latched(running, Fault.USER_STOP)
    assert running.supervisor.disarm(running.now).success
    assert running.supervisor.arm(running.now).success


def test_disarm_ramps_and_does_not_latch(rig):
    with_torque(rig)
    rig.supervisor.disarm(rig.now)
    time_s, torques = run_down(rig)
    assert 0.05 < time_s <= 0.1 and len(torques) > 5
    assert rig.mode is Mode.DISARMED and not rig.faults


def test_lost_bus_and_shutdown_latch(rig_of):
    for command, fault in (("bus_lost", Fault.BUS_LOST), ("command_lost", Fault.STALE_COMMAND)):
        rig = with_torque(rig_of(fade_in_s=0.0).activate())
        getattr(rig.supervisor, command)("cable out", rig.now)
        run_down(rig)
        assert rig.cause == "cable out"
        assert_latched(rig, fault)
    rig = with_torque(rig_of(fade_in_s=0.0).activate())
    rig.supervisor.shutdown(rig.now)
    run_down(rig)
    assert_latched(rig, Fault.SHUTDOWN)


# --- clocks


def test_a_paused_simulator_is_harmless(rig_of):
    """Frozen stamps keep coming in wall time: the bus lives, and the policy owes no answer."""
    rig = with_torque(rig_of(fade_in_s=0.0, simulated=True).activate())
    steady_ns = rig.now.steady_ns
    frozen_ns = rig.now_ns
    for _ in range(500):
        steady_ns += to_ns(0.01)
        now = Instant(frozen_ns, steady_ns)
        assert rig.supervisor.on_state(state_at(rig, frozen_ns), now) is False
        rig.supervisor.update(now)
    assert rig.mode is Mode.ACTIVE


def state_at(rig, stamp_ns):
    rig.sequence += 1
    return replace(rig.supervisor.snapshot(rig.now).state, stamp_ns=stamp_ns, sequence=rig.sequence)


def test_a_policy_that_dies_while_ros_time_crawls_is_found_by_wall_time(rig):
    """A simulator a hundred times slower than real time: ages in ROS time stay small."""
    with_torque(rig)
    steady_ns, ros_ns = rig.now.steady_ns, rig.now_ns
    outputs = 0
    for _ in range(40):
        steady_ns += to_ns(0.01)
        ros_ns += to_ns(0.0001)
        now = Instant(ros_ns, steady_ns)
        rig.supervisor.on_state(state_at(rig, ros_ns), now)
        output = rig.supervisor.update(now)
        if not output.enable:
            break
        outputs += 1
    assert outputs <= 15
    assert Fault.STALE_COMMAND in rig.faults


def test_a_clock_that_lags_a_stamp_makes_no_negative_age(rig):
    now = Instant(rig.now_ns - to_ns(0.01), rig.now.steady_ns)
    snapshot = rig.supervisor.snapshot(now)
    assert snapshot.state_age_s == 0.0 and snapshot.command_age_s == 0.0


def test_missing_clock_is_explained(rig_of, state_of):
    rig = rig_of(arming_timeout_s=0.1, simulated=True)
    rig.supervisor.arm(rig.now)
    for step in range(30):
        now = Instant(0, rig.now.steady_ns + to_ns(0.01 * step))
        rig.supervisor.on_state(state_of(rig.device, to_ns(100.0 + 0.01 * step), step), now)
        rig.supervisor.update(now)
    assert "/clock" in rig.cause


def test_after_a_simulator_reset_old_commands_are_forgotten(rig_of):
    """Stamps start anew while disarmed: a command of the earlier time line must not count as fresh."""
    rig = rig_of(arming_timeout_s=0.1)
    for _ in range(10):
        rig.step()
    rig.now_ns = to_ns(0.1)
    rig.step(has_command=False)
    rig.supervisor.arm(rig.now)
    for _ in range(3):
        rig.step(has_command=False)
    assert rig.mode is Mode.ARMING
    rig.command_sequence = 0  # the policy, too, may start anew
    rig.step()
    assert rig.mode is Mode.ACTIVE


# --- settings


@pytest.mark.parametrize(
    "settings, word",
    [
        ({"command_timeout_s": -1.0}, "command_timeout_s"),
        ({"ramp_down_s": math.nan}, "ramp_down_s"),
        ({"ramp_down_s": 0.02}, "four periods"),
        ({"state_timeout_s": 0.0}, "state_timeout_s"),
        ({"velocity_taper_share": 1.5}, "velocity_taper_share"),
        ({"second_publisher": "both"}, "fault or ignore"),
    ],
)
def test_settings_are_checked(settings, word):
    with pytest.raises(SafetyError, match=word):
        SafetyConfig(**settings)


def test_a_ramp_steeper_than_the_slew_limit_is_refused(device):
    with pytest.raises(SafetyError, match="slew_limit_nm_per_s"):
        SafetySupervisor(device, 75.0, SafetyConfig(ramp_down_s=0.04))


def test_a_wearer_out_of_range_is_refused(device):
    with pytest.raises(DeviceError, match="wearer mass"):
        SafetySupervisor(device, 750.0, SafetyConfig())
