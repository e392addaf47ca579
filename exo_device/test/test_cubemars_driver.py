# SPDX-License-Identifier: Apache-2.0
"""Driver `cubemars_can`: settings, signs and units, plausibility, its thread, and the guardian."""

import math
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from exo_device.description import load_device
from exo_device.drivers import DriverError, make_driver, read_driver_config
from exo_device.drivers.can.bus import JointMap
from exo_device.drivers.can.port import MasterLock, PortError, PythonCanPort
from exo_device.drivers.cubemars_can import MotorFault
from exo_device.drivers.cubemars_can.config import PlausibilityLimits
from exo_device.drivers.cubemars_can.driver import PlausibilityCheck, RepetitionCheck
from exo_device.drivers.guardian import Guardian
from exo_device.emulator import EmulatedBus, Fault, Followed, SpringDamper
from exo_device.emulator.in_process import MadeClock, SteppedCubemarsDriver
from exo_device.emulator.motor import serve
from exo_device.signals import MotorTorque

CONFIG = Path(__file__).resolve().parents[1] / "exo_device" / "config"
EXAMPLE = CONFIG / "drivers" / "cubemars_example.yaml"
PATIENCE_S = 20.0
NONE = MotorFault(0)


def settings(**changes) -> dict:
    return {**read_driver_config(EXAMPLE, "cubemars_can"), **changes}


def changed_motor(joint: str, **changes) -> dict:
    motors = settings()["motors"]
    motors[joint] = {**motors[joint], **changes}
    return settings(motors=motors)


def wait_until(condition) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


# --- settings


def test_example_drives_every_joint_of_the_default_device():
    config = make_driver("cubemars_can", settings()).config
    assert set(config.motors) == set(load_device(CONFIG / "devices" / "hip_ankle.yaml").joint_names)
    assert config.cycles_per_sample == 4 and config.guarded_by == "own"


@pytest.mark.parametrize(
    "wrong, word",
    [
        (changed_motor("ankle_angle_r", id=1), "same id 1"),
        (changed_motor("ankle_angle_r", id=127), "motors.ankle_angle_r.id"),
        (changed_motor("ankle_angle_r", sign=0), "motors.ankle_angle_r.sign"),
        (changed_motor("ankle_angle_r", firmware="v3"), "pole_pairs, gear_ratio, torque_constant_nm_per_a"),
        (changed_motor("ankle_angle_r", torque_range_nm=-18.0), "torque_range_nm"),
        (changed_motor("ankle_angle_r", torque_scale=0.01), "motors.ankle_angle_r.torque_scale"),
        (changed_motor("ankle_angle_r", torque_range_nm=1e6), "motors.ankle_angle_r.torque_range_nm"),
        (changed_motor("ankle_angle_r", joint_offset_rad=30.0), "motors.ankle_angle_r.joint_offset_rad"),
        (changed_motor("ankle_angle_r", transmission_ratio=1000.0), "motors.ankle_angle_r.transmission_ratio"),
        (settings(bus_rate_hz=450.0), "whole multiple"),
        (settings(bus_rate_hz=1000.0), "overloads the bus: 4 motors at 1000000 bit/s allow 641"),
        (settings(bus_rate_hz=50.0), "whole multiple"),
        (settings(motors={}), "motors"),
        (settings(motor_ids=[1]), "motor_ids"),
    ],
)
def test_wrong_settings_are_named_in_one_line(wrong, word):
    with pytest.raises(DriverError) as caught:
        make_driver("cubemars_can", wrong)
    assert word in str(caught.value) and "\n" not in str(caught.value)


def test_a_motor_that_stands_twice_is_named_with_its_line(tmp_path):
    text = EXAMPLE.read_text()
    path = tmp_path / "driver.yaml"
    path.write_text(text.replace("  ankle_angle_l: {<<: *ankle", "  ankle_angle_r: {<<: *ankle"))
    with pytest.raises(DriverError, match=r"driver.yaml:\d+: the key 'ankle_angle_r' stands twice"):
        read_driver_config(path, "cubemars_can")
    path.write_text(text.replace("    id: 1", "    id: 011"))
    with pytest.raises(DriverError, match="011 is an octal number, which makes 9"):
        read_driver_config(path, "cubemars_can")


@pytest.mark.parametrize(
    "changes, word",
    [
        ({"plausibility": {"jump_rad": 1000.0}}, "plausibility.jump_rad is 1000, and at most 0.5"),
        ({"plausibility": {"following_nm": 100.0}}, "plausibility.following_nm"),
        ({"plausibility": {"standstill_s": None}}, "plausibility.standstill_s is off"),
        ({"reply_timeout_s": 5.0}, "reply_timeout_s is 5"),
        ({"host_timeout_s": 5.0}, "host_timeout_s is 5"),
    ],
)
def test_what_switches_protection_off_is_for_emulated_motors(changes, word):
    make_driver("cubemars_can", settings()).require_wearable()
    with pytest.raises(DriverError) as caught:
        make_driver("cubemars_can", settings(**changes)).require_wearable()
    assert word in str(caught.value) and "use_mock_hardware" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "interface, channel, is_emulated",
    [
        ("socketcan", "can0", False),
        ("socketcan", "vcan0", True),
        ("slcan", "/dev/ttyACM0", False),
        ("virtual", "a", True),
    ],
)
def test_a_bus_of_the_computer_itself_has_no_real_motors(interface, channel, is_emulated):
    driver = make_driver("cubemars_can", settings(interface=interface, channel=channel))
    assert driver.has_real_motors and driver.is_emulated is is_emulated


@pytest.mark.parametrize(
    "text, word",
    [
        ("driver: replay\n", "settings of driver 'replay'"),
        ("a: 1\n", "driver: cubemars_can"),
        ("a: [\n", "driver.yaml:2: "),
        ("- 1\n", "got a list"),
    ],
)
def test_wrong_settings_file_is_answered_in_one_line(tmp_path, text, word):
    path = tmp_path / "driver.yaml"
    path.write_text(text)
    with pytest.raises(DriverError, match=word) as caught:
        read_driver_config(path, "cubemars_can")
    assert "\n" not in str(caught.value) and "driver.yaml" in str(caught.value)
    with pytest.raises(DriverError, match="No such file"):
        read_driver_config(tmp_path / "absent.yaml", "cubemars_can")


@pytest.mark.parametrize(
    "change, word",
    [
        ({"interface": "pigeon"}, "pigeon"),
        ({"interface": "socketcan", "channel": "can97"}, "ip link set can97 up"),
        ({"interface": "slcan", "channel": "/dev/nowhere"}, "/dev/nowhere"),
    ],
)
def test_a_bus_that_cannot_be_opened_is_answered_with_what_to_do(change, word):
    with pytest.raises(DriverError) as caught:
        make_driver("cubemars_can", settings(**change)).connect()
    assert word in str(caught.value) and "\n" not in str(caught.value)


def test_a_joint_without_a_motor_is_named():
    driver = make_driver("cubemars_can", settings(interface="virtual", guardian=False))
    with driver, pytest.raises(DriverError, match="knee_angle_r"):
        driver.configure(("knee_angle_r",))


# --- signs and units


def stepped(**motor_changes):
    motors = {joint: {**motor, **motor_changes} for joint, motor in settings()["motors"].items()}
    config = make_driver("cubemars_can", settings(motors=motors, host_timeout_s=5.0)).config
    bus = EmulatedBus(config, lambda joint: Followed())
    return SteppedCubemarsDriver(config, bus, MadeClock(10.0)), bus


def run(driver, samples: int):
    """Lets the bus go on for as many samples; the last one."""
    return [driver.read(0.1) for _ in range(samples)][-1]


def test_signs_offset_and_transmission_by_hand():
    """Motor mounted backwards behind a belt of 2:1, zero at 0.5 rad, which gives 10 % less than it says."""
    mapping = JointMap(sign=-1, offset=0.5, ratio=2.0, torque_scale=0.9)
    assert mapping.joint_position(1.0) == pytest.approx(0.0)
    assert mapping.joint_velocity(3.0) == pytest.approx(-1.5)
    assert mapping.joint_torque(5.0) == pytest.approx(-9.0)
    for value in (-1.3, 0.0, 2.0):
        assert mapping.motor_position(mapping.joint_position(value)) == pytest.approx(value)
        assert mapping.motor_velocity(mapping.joint_velocity(value)) == pytest.approx(value)
        assert mapping.frame_torque(mapping.joint_torque(value)) == pytest.approx(value)


def test_torque_in_the_frame_has_the_motors_sign(device):
    driver, bus = stepped()
    sent = []
    driver.connect()
    driver.port.send = lambda frame: (sent.append(frame), bus.on_frame(frame, 10.0))
    driver.configure(device.joint_names)
    driver.write(MotorTorque(0, 0, True, device.joint_names, np.full(4, 13.0)))
    run(driver, 4)
    # 13 Nm of a range of 65 is 0.6 of 4095 = 2457 = 0x999, and -13 Nm 0.4 of it = 1638 = 0x666
    last = {frame.can_id: frame.data.hex() for frame in sent}
    forward, backward = "7fff7ff000000999", "7fff7ff000000666"
    assert last == {1: forward, 2: backward, 3: backward, 4: forward}


def test_what_is_written_and_what_is_read_is_on_the_joints_side(device):
    driver, bus = stepped(joint_offset_rad=0.2, transmission_ratio=1.5, torque_scale=0.8)
    driver.connect()
    driver.configure(device.joint_names)
    for motor, position in zip(bus.motors.values(), (0.1, -0.2, 0.3, -0.4), strict=True):
        motor.mechanics.position, motor.mechanics.velocity = position, 2.0 * position
        motor.temperature = 41.0
    state = driver.read(0.1)
    assert state.position == pytest.approx([0.1, -0.2, 0.3, -0.4], abs=1e-3)
    assert state.velocity == pytest.approx([0.2, -0.4, 0.6, -0.8], abs=0.02)
    assert state.temperature == pytest.approx(np.full(4, 41.0))
    asked = MotorTorque(0, 0, True, device.joint_names, np.array([4.0, -8.0, 0.0, 1000.0]))
    applied = driver.write(asked).torque
    state = run(driver, 5)
    assert applied[:3] == pytest.approx([4.0, -8.0, 0.0], abs=0.04)
    assert applied[3] == pytest.approx(65 * 1.5 * 0.8)  # all that the motor's field can carry
    assert [motor.torque for motor in bus.motors.values()] == pytest.approx(applied.tolist())
    assert state.torque == pytest.approx(applied, abs=0.04)


def test_a_torque_that_is_no_number_switches_the_motors_off(device):
    driver, bus = stepped()
    driver.connect()
    driver.configure(device.joint_names)
    driver.write(MotorTorque(0, 0, True, device.joint_names, np.full(4, 5.0)))
    run(driver, 4)
    assert all(motor.torque for motor in bus.motors.values())
    with pytest.raises(DriverError, match="no number"):
        driver.write(MotorTorque(0, 0, True, device.joint_names, np.array([1.0, math.nan, 1.0, 1.0])))
    run(driver, 2)
    assert not any(motor.torque or motor.is_on for motor in bus.motors.values())


def test_six_byte_replies_have_no_temperature(device):
    config = make_driver("cubemars_can", settings()).config
    bus = EmulatedBus(config, lambda joint: Followed(), reply_bytes=6, reply_can_id=1)
    driver = SteppedCubemarsDriver(config, bus, MadeClock())
    driver.connect()
    driver.configure(device.joint_names)
    state = driver.read(0.1)
    assert np.isnan(state.temperature).all() and not state.error.any() and np.isfinite(state.position).all()


def test_zeroing_leaves_the_motor_alone_while_it_is_silent(device):
    driver, bus = stepped()
    driver.connect()
    driver.configure(device.joint_names)
    for motor in bus.motors.values():
        motor.mechanics.position = 0.3
    assert driver.read(0.1).position == pytest.approx(np.full(4, 0.3), abs=1e-3)
    driver.request_zero("hip_flexion_r")
    states = [driver.read(0.1) for _ in range(30)]  # no DriverError, although the motor says nothing for 1 s
    after = [state for state in states if state is not None][-1]
    assert after.position == pytest.approx([0.0, 0.3, 0.3, 0.3], abs=1e-3) and not after.error.any()
    driver.write(MotorTorque(0, 0, True, device.joint_names, np.zeros(4)))
    run(driver, 2)
    with pytest.raises(DriverError, match="off"):
        driver.request_zero("hip_flexion_r")


# --- plausibility


def walk(check, seconds, position, velocity, torque=0.0, asked=None, start=0.0, period=0.0025):
    found = NONE
    for t in np.arange(start, start + seconds, period):
        found |= check.see(t, position(t), velocity(t), torque, asked)
    return found


@pytest.mark.parametrize("amplitude, hz", [(0.5, 1.0), (0.9, 1.5), (0.0, 1.0)])
def test_walking_is_plausible(amplitude, hz):
    omega = 2 * math.pi * hz
    noise = np.random.default_rng(5)

    def position(t):
        return amplitude * math.sin(omega * t) + noise.normal(0.0, 0.001)

    def velocity(t):
        return amplitude * omega * math.cos(omega * t) + noise.normal(0.0, 0.05)

    assert walk(PlausibilityCheck(), 3.0, position, velocity) is NONE
    assert walk(PlausibilityCheck(), 3.0, position, velocity, period=0.02) is NONE  # most replies lost


def test_a_leap_is_noticed_and_a_fast_joint_is_no_leap():
    check = PlausibilityCheck()
    assert walk(check, 0.1, lambda t: 9.0 * t, lambda t: 9.0) is NONE
    assert check.see(0.1, 0.9 + 0.2, 9.0, 0.0, None) == MotorFault.POSITION_JUMP


def test_a_reply_that_waited_for_a_busy_host_is_no_leap():
    check = PlausibilityCheck()
    check.see(0.06, 0.0, 3.0, 0.0, None, asked_at=0.0)  # read 60 ms after it was asked for
    assert check.see(0.065, 0.195, 3.0, 0.0, None, asked_at=0.064) is NONE
    assert check.see(0.070, 0.400, 3.0, 0.0, None, asked_at=0.069) == MotorFault.POSITION_JUMP


def test_answers_that_stand_still_while_they_say_they_move_are_noticed():
    assert walk(PlausibilityCheck(), 0.2, lambda t: 0.4, lambda t: 2.0) == MotorFault.FROZEN
    assert walk(PlausibilityCheck(), 0.2, lambda t: 0.4, lambda t: 0.0) is NONE  # a joint at rest


def test_a_motor_that_follows_a_falling_torque_35_ms_late_is_sound():
    """At the end of push-off the torque of a heavy wearer falls by a fifth every 10 ms."""
    check = PlausibilityCheck()
    for k in range(400):
        t = 0.0025 * k
        asked, applied = (-46.0 * math.exp(-max(at - 0.2, 0.0) / 0.04) for at in (t, t - 0.035))
        assert not check.see(t, 0.0, 0.0, applied, asked)


def test_a_motor_without_the_torque_it_was_asked_for_is_noticed_after_a_while():
    still = (lambda t: 0.0, lambda t: 0.0)
    assert walk(PlausibilityCheck(), 0.09, *still, torque=0.0, asked=8.0) is NONE
    assert walk(PlausibilityCheck(), 0.2, *still, torque=0.0, asked=8.0) == MotorFault.NOT_FOLLOWING
    assert walk(PlausibilityCheck(), 0.2, *still, torque=6.0, asked=8.0) is NONE
    assert walk(PlausibilityCheck(), 0.2, *still, torque=5.0, asked=None) is NONE


# --- replies that repeat themselves

LIMITS = PlausibilityLimits()
SAME, OTHER = b"same", b"other"


def repeat(check, seconds, asked, data=SAME, start=0.0, period=0.0025) -> float | None:
    """Time (s) after which it was noticed."""
    for t in np.arange(start, start + seconds, period):
        if check.see(t, data if isinstance(data, bytes) else data(t), asked(t)):
            return t - start
    return None


@pytest.fixture
def repetition():
    return RepetitionCheck(LIMITS.repeated_nm, LIMITS.repeated_s, LIMITS.standstill_s)


@pytest.mark.parametrize("asked", [lambda t: None, lambda t: 0.0, lambda t: 0.2 * math.sin(6.0 * t)])
def test_a_joint_at_rest_without_torque_may_answer_the_same_for_ever(repetition, asked):
    assert repeat(repetition, 20.0, asked) is None


def test_a_torque_that_changes_must_show(repetition):
    assert repeat(repetition, 0.2, lambda t: 4.0) is None
    noticed_s = repeat(repetition, 0.2, lambda t: 4.6, start=0.2)
    assert noticed_s == pytest.approx(LIMITS.repeated_s, abs=0.003)
    repetition.see(0.5, OTHER, 4.6)
    assert repeat(repetition, 0.04, lambda t: 6.0, start=0.6) is None  # the answer is on its way


def test_no_joint_stands_still_under_torque_for_long(repetition):
    noticed_s = repeat(repetition, 2.0, lambda t: 4.0)
    assert noticed_s == pytest.approx(LIMITS.standstill_s, abs=0.006)
    patient = RepetitionCheck(LIMITS.repeated_nm, LIMITS.repeated_s, None)
    assert repeat(patient, 20.0, lambda t: 4.0) is None


@pytest.mark.parametrize("amplitude, hz", [(0.35, 1.0), (0.02, 0.5), (0.005, 0.3)])
def test_a_joint_that_hardly_moves_is_no_repetition(repetition, amplitude, hz):
    """Walking, standing, standing very still: without any noise, quantised as the frames are."""
    codec = next(iter(make_driver("cubemars_can", settings()).config.motors.values())).codec()
    omega = 2.0 * math.pi * hz

    def data(t: float) -> bytes:
        return codec.reply(
            position=amplitude * math.sin(omega * t),
            velocity=amplitude * omega * math.cos(omega * t),
            torque=5.0,
            temperature=30.0,
            error=0,
        ).data

    assert repeat(repetition, 20.0, lambda t: 5.0, data) is None


# --- the thread, on python-can's virtual interface and real time


class VirtualBench:
    def __init__(self, device, **changes) -> None:
        made = settings(
            interface="virtual",
            channel=f"driver-{os.getpid()}-{id(self)}",
            reply_timeout_s=1.0,
            host_timeout_s=5.0,
            **changes,
        )
        self.driver = make_driver("cubemars_can", made)
        self.bus = EmulatedBus(self.driver.config, lambda joint: SpringDamper(swing_rad=0.2))
        self.port = PythonCanPort("virtual", made["channel"], 1_000_000)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=serve, args=(self.bus, self.port, self.stop), daemon=True)
        self.thread.start()
        self.driver.connect()
        self.driver.configure(device.joint_names)
        self.names = device.joint_names

    def write(self, torque: float, enable: bool = True) -> None:
        self.driver.write(MotorTorque(0, 0, enable, self.names, np.full(4, torque)))

    def close(self) -> None:
        self.driver.disconnect()
        self.stop.set()
        self.thread.join(PATIENCE_S)
        self.port.close()


@pytest.fixture
def bench(device):
    bench = VirtualBench(device)
    yield bench
    bench.close()


def test_thread_hands_out_new_samples_in_order_and_gives_torque(bench):
    states = [state for state in (bench.driver.read(1.0) for _ in range(30)) if state is not None]
    assert len(states) >= 25
    assert all(before.stamp_ns < after.stamp_ns for before, after in pairwise(states))
    assert all(before.sequence < after.sequence for before, after in pairwise(states))
    assert abs(states[-1].stamp_ns - time.time_ns()) < 5e9
    bench.write(4.0)
    motors = bench.bus.motors.values()
    wait_until(lambda: all(motor.torque == pytest.approx(4.0, abs=0.04) for motor in motors))
    bench.write(4.0, enable=False)
    wait_until(lambda: not any(motor.is_on for motor in bench.bus.motors.values()))


def test_disconnect_leaves_every_motor_off_even_when_the_thread_was_broken(bench):
    bench.write(4.0)
    wait_until(lambda: all(motor.torque for motor in bench.bus.motors.values()))

    def broken(until_s):
        raise ZeroDivisionError("bug")

    bench.driver.master.cycle = broken
    wait_until(lambda: not any(motor.torque or motor.is_on for motor in bench.bus.motors.values()))
    with pytest.raises(DriverError, match="ZeroDivisionError: bug"):
        bench.driver.read(0.0)
    with pytest.raises(DriverError, match="thread ended"):
        bench.write(4.0)


def test_a_thread_that_hangs_does_not_keep_the_motors_on(bench):
    bench.write(4.0)
    wait_until(lambda: all(motor.torque for motor in bench.bus.motors.values()))
    release = threading.Event()
    bench.driver.master.cycle = lambda until_s: release.wait(PATIENCE_S)
    time.sleep(0.05)
    driver_thread = bench.driver._thread
    bench.driver.disconnect()
    wait_until(lambda: not any(motor.torque or motor.is_on for motor in bench.bus.motors.values()))
    release.set()
    driver_thread._thread.join(PATIENCE_S)


def test_a_lost_bus_is_reported_without_spinning(bench, monkeypatch):
    def lost(*_):
        raise PortError("bus-off")

    monkeypatch.setattr(bench.driver._port, "send", lost)
    monkeypatch.setattr(bench.driver._port, "receive", lost)
    wait_until(lambda: bench.driver.master.problem)
    before, start = bench.driver._thread.cycles, time.monotonic()
    time.sleep(0.2)
    with pytest.raises(DriverError, match="bus-off"):
        bench.driver.read(0.0)
    assert bench.driver._thread.cycles - before <= 400.0 * (time.monotonic() - start) + 2
    monkeypatch.undo()
    bench.write(4.0)
    wait_until(lambda: all(motor.torque for motor in bench.bus.motors.values()))


# --- one master on a channel


def test_a_channel_has_one_master(tmp_path):
    umask = os.umask(0o077)  # as programs set it
    lock = MasterLock("socketcan", "can0", tmp_path)
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / "exo_gait-socketcan-can0.lock").stat().st_mode) == 0o644, (
        "for other users' programs"
    )
    with pytest.raises(
        DriverError, match="another program already commands the motors on socketcan can0 .* end it first"
    ):
        MasterLock("socketcan", "can0", tmp_path)
    MasterLock("socketcan", "can1", tmp_path).release()
    lock.release()
    lock.release()
    MasterLock("socketcan", "can0", tmp_path).release()


def test_an_adapter_by_another_name_has_one_master_all_the_same(tmp_path):
    adapter, link = tmp_path / "ttyACM0", tmp_path / "by-id"
    adapter.touch()
    link.symlink_to(adapter)
    lock = MasterLock("slcan", str(adapter), tmp_path)
    for name in (link, f"{adapter}@1000000", f"{link}@2000000"):
        with pytest.raises(DriverError, match="another program already commands"):
            MasterLock("slcan", str(name), tmp_path)
    lock.release()


def test_a_lock_follows_no_link_and_takes_plain_files_only(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "exo_gait-a-b.lock").symlink_to(victim)
    os.mkfifo(tmp_path / "exo_gait-c-d.lock")
    for name in (("a", "b"), ("c", "d")):
        with pytest.raises(DriverError, match="cannot be locked"):
            MasterLock(*name, tmp_path)
    assert victim.read_text() == "mine"


def test_a_second_driver_of_the_same_motors_does_not_connect():
    changes = {"interface": "udp_multicast", "channel": "239.74.163.75", "guardian": "none"}
    first, other_port = make_driver("cubemars_can", settings(**changes)), {"bus_options": {"port": 43117}}
    try:
        first.connect()
    except DriverError as error:
        pytest.skip(str(error))
    try:
        with pytest.raises(DriverError, match="another program already commands"):
            make_driver("cubemars_can", settings(**changes)).connect()
        with make_driver("cubemars_can", settings(**changes, **other_port)):
            pass
    finally:
        first.disconnect()
    with make_driver("cubemars_can", settings(**changes)):
        pass


def test_a_guardian_that_is_lost_under_torque_is_a_problem(bench):
    here, there = socket.socketpair()
    bench.driver._guardian = Guardian(here)
    there.close()
    with pytest.raises(DriverError, match="the guardian has ended"):
        for _ in range(100):
            bench.driver.read(0.1)
    here.close()


# --- the guardian: two processes and a multicast bus

HOST = """
import sys, time, numpy as np
from exo_device.signals import MotorTorque
from exo_device.drivers import make_driver
from exo_device.drivers import read_driver_config
settings = read_driver_config(sys.argv[1], "cubemars_can")
settings.update(interface="udp_multicast", channel="239.74.163.74", bus_options={"port": int(sys.argv[2])},
                bus_rate_hz=100.0, reply_timeout_s=1.0, host_timeout_s=5.0)
driver = make_driver("cubemars_can", settings)
driver.connect()
driver.configure(tuple(settings["motors"]))
print(driver._guardian.pid, flush=True)
while True:
    driver.write(MotorTorque(0, 0, True, tuple(settings["motors"]), np.full(4, 5.0)))
    time.sleep(0.01)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_guardian_switches_the_motors_off_when_the_host_is_killed_or_hangs(number):
    """Firmware that holds its torque, and a host that can no longer say anything."""
    port_number = int(os.environ["EXO_TEST_PORT"]) + (1 if number == signal.SIGKILL else 2)
    config = make_driver("cubemars_can", settings()).config
    bus = EmulatedBus(config, lambda joint: Followed())
    bus.plan.add(Fault("hold"))
    try:
        port = PythonCanPort("udp_multicast", "239.74.163.74", 1_000_000, {"port": port_number})
    except DriverError as error:
        pytest.skip(str(error))
    stop = threading.Event()
    server = threading.Thread(target=serve, args=(bus, port, stop), daemon=True)
    server.start()
    host = subprocess.Popen(
        [sys.executable, "-c", HOST, str(EXAMPLE), str(port_number)], stdout=subprocess.PIPE, text=True
    )
    guardian = int(host.stdout.readline())
    try:
        wait_until(lambda: all(motor.torque for motor in bus.motors.values()))
        host.send_signal(number)
        wait_until(lambda: not any(motor.torque or motor.is_on for motor in bus.motors.values()))
        assert host.poll() in (None, -number)
    finally:
        host.kill()
        host.wait()
        wait_until(lambda: not Path(f"/proc/{guardian}").exists() or _is_zombie(guardian))
        stop.set()
        server.join(PATIENCE_S)
        port.close()


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
