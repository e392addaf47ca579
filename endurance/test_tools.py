# SPDX-License-Identifier: Apache-2.0
"""The tools of the trials, made small. What they look for is planted, to see that it is found."""

import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from endurance import fuzz
from endurance.bus import BusTap
from endurance.soak import Soak, WatchedSupervisor, memory_slope_mib_per_h
from endurance.torque_series import PERIOD_S, TorqueSeries, WalkRecord, agreement
from exo_device.description import load_device
from exo_device.drivers import DriverError, make_driver, read_driver_config
from exo_device.drivers.can.port import PythonCanPort
from exo_device.drivers.cubemars_can.codec import ClassicCodec, MitCommand
from exo_device.safety import Instant, SafetyConfig, SafetySupervisor
from exo_device.signals import MotorTorque

CONFIG = Path(__file__).resolve().parents[1] / "exo_device" / "exo_device" / "config"
FRAMES = 2000
#: A busy machine must not stop the device before the short soak has seen anything.
PATIENT_BUS = {
    "reply_timeout_s": 1.0,
    "host_timeout_s": 5.0,
    "plausibility": {"jump_rad": 10.0, "frozen_rad": 10.0, "following_nm": 100.0},
    "guardian": "none",
    "unguarded": True,
}
PATIENT = {
    "stride_gate": False,
    "fade_in_s": 0.0,
    "command_timeout_s": 5.0,
    "state_timeout_s": 5.0,
    "state_silence_s": 10.0,
    "max_clock_step_s": 10.0,
}


@pytest.fixture
def settings():
    return read_driver_config(CONFIG / "drivers" / "cubemars_example.yaml", "cubemars_can")


@pytest.fixture
def bus(settings):
    """On a bus between processes of this machine, where there is one."""
    chosen = {
        **settings,
        "interface": "udp_multicast",
        "channel": "239.74.163.91",
        "bus_options": {"port": 20000 + os.getpid() % 20000},
        **PATIENT_BUS,
    }
    try:
        PythonCanPort(chosen["interface"], chosen["channel"], 1_000_000, chosen["bus_options"]).close()
    except DriverError as error:
        pytest.skip(str(error))
    return chosen


@pytest.mark.parametrize("firmware", fuzz.FIRMWARES)
def test_random_frames_do_no_harm(settings, firmware):
    tally = fuzz.fuzz_block(fuzz.fuzz_config(settings, firmware), firmware, 0, 0, FRAMES)
    assert tally["example"] == ""
    assert tally["crashes"] == tally["wrong_motor"] == tally["not_finite"] == tally["wrong_torque"] == 0
    assert tally["frames"] == FRAMES and tally["set_points"] > 0
    assert tally["replies"] > 30 and tally["orders"] > 100  # the frames do get through


def test_the_same_seed_gives_the_same_frames(settings):
    config = fuzz.fuzz_config(settings, "v2")
    first, again, other = (fuzz.fuzz_block(config, "v2", 0, block, 500) for block in (1, 1, 2))
    assert first == again != other


def test_a_codec_that_takes_another_motors_reply_is_found(settings, monkeypatch):
    right = ClassicCodec.decode_reply

    def deaf_to_ids(self, frame):
        if frame.data:
            frame = replace(frame, data=bytes([self.motor_id]) + frame.data[1:])
        return right(self, frame)

    monkeypatch.setattr(ClassicCodec, "decode_reply", deaf_to_ids)
    tally = fuzz.fuzz_block(fuzz.fuzz_config(settings, "v2"), "v2", 0, 0, 200)
    assert tally["wrong_motor"] > 0 and "is for" in tally["example"]


def test_a_crash_is_counted_and_does_not_end_the_trial(settings, monkeypatch):
    monkeypatch.setattr(ClassicCodec, "decode_reply", lambda self, frame: 1 // 0)
    tally = fuzz.fuzz_block(fuzz.fuzz_config(settings, "v2"), "v2", 0, 0, 200)
    assert tally["crashes"] > 100 and "ZeroDivisionError" in tally["example"] and tally["frames"] == 200


def test_slope_of_memory():
    rows = [[float(t), 100.0 + 2.0 * t / 3600.0, 50.0] for t in range(600)]
    assert memory_slope_mib_per_h(rows, 1, settle_s=60.0) == pytest.approx(2.0)
    assert memory_slope_mib_per_h(rows, 2, settle_s=60.0) == pytest.approx(0.0, abs=1e-9)
    assert math.isnan(memory_slope_mib_per_h(rows[:20], 1, settle_s=0.0))


def test_a_short_soak_reaches_the_limits_and_stays_within_them(bus, tmp_path):
    device = load_device(CONFIG / "devices" / "hip_ankle.yaml")
    soak = Soak(device, 75.0, bus, tmp_path, rate_hz=100.0, loss=0.05, seed=1, safety=PATIENT)
    caps = dict(zip(device.joint_names, device.torque_limits(75.0), strict=True))
    try:
        soak.start()
        for _ in range(15):  # seconds, on a machine that is not busy two
            part = soak.watch(2.0)
            if all(part["largest_nm"][joint] > 0.9 * cap for joint, cap in caps.items()):
                break
    finally:
        soak.close()
    assert all(part["largest_nm"][joint] > 0.9 * cap for joint, cap in caps.items()), part
    assert all(part["largest_nm"][joint] < cap + 0.04 for joint, cap in caps.items())  # a step of the motors
    counts = soak.supervisor.counts
    assert counts["outputs"] > 50
    assert not any(counts[what] for what in ("over_cap", "over_slew", "not_finite", "torque_while_off"))


def test_outputs_beyond_the_limits_are_counted(monkeypatch):
    device = load_device(CONFIG / "devices" / "hip_ankle.yaml")
    planted = []
    monkeypatch.setattr(SafetySupervisor, "update", lambda self, now: planted[-1])
    supervisor = WatchedSupervisor(device, 75.0, SafetyConfig())
    cap, names = supervisor.limits.cap, device.joint_names
    for second, (torque, enable) in enumerate(
        [(0.5 * cap, True), (1.01 * cap, True), (0.1 * cap, False), (np.full(len(cap), np.nan), True)]
    ):
        planted.append(MotorTorque(1, 1, enable, names, torque))
        supervisor.update(Instant(second * 10**9, second * 10**9))
    planted.append(MotorTorque(1, 1, True, names, 0.0 * cap))
    supervisor.update(Instant(10**10, 10**10))
    planted.append(MotorTorque(1, 1, True, names, cap))
    supervisor.update(Instant(10**10 + 10**7, 10**10 + 10**7))  # full torque within 10 ms
    assert supervisor.counts == {"outputs": 6, "over_cap": 1, "torque_while_off": 1, "not_finite": 1, "over_slew": 1}


def test_a_tap_hears_torque_on_the_bus(bus):
    motor = make_driver("cubemars_can", bus).config.motors["hip_flexion_r"]
    port = PythonCanPort(bus["interface"], bus["channel"], 1_000_000, bus["bus_options"])
    with BusTap(bus) as tap:
        for _ in range(200):
            port.send(motor.codec().command(MitCommand(torque=0.0)))
        assert tap.asked_until_s == 0.0
        for _ in range(2000):
            port.send(motor.codec().command(MitCommand(torque=5.0)))
            if tap.asked_until_s:
                break
        assert tap.asked_until_s > 0.0
    port.close()


# --- torque of two walks


def walk(lag_s=0.0, step_nm=0.0, gain=1.0):
    t = np.arange(0.0, 20.0, PERIOD_S)
    torque = np.stack([30.0 * np.sin(2.0 * np.pi * (t - lag_s)), 20.0 * np.cos(3.0 * (t - lag_s))], axis=1)
    if step_nm:
        torque = step_nm * np.floor(torque / step_nm)
    return TorqueSeries.of(t, gain * torque, 2.0, 18.0)


def test_delay_and_quantisation_are_told_apart():
    found = agreement(walk(), walk(lag_s=0.03, step_nm=0.5))
    assert found.lag_ms == pytest.approx(30.0)
    assert found.rms_nm == pytest.approx(0.5 / np.sqrt(3.0), rel=0.1)  # a step that is cut off
    assert agreement(walk(lag_s=0.03), walk()).lag_ms == pytest.approx(-30.0)
    between = agreement(walk(), walk(lag_s=0.014))
    assert between.lag_ms == pytest.approx(14.0) and between.rms_nm < 0.05


def test_what_delay_does_not_explain_remains():
    found = agreement(walk(), walk(lag_s=0.02, gain=1.2))
    expected = 0.2 * np.array([30.0, 20.0]) / np.sqrt(2.0)
    np.testing.assert_allclose(found.by_joint_nm, expected, rtol=0.05)
    assert found.rms_nm == pytest.approx(np.sqrt(np.mean(expected**2)), rel=0.05)


def test_a_walk_is_recorded_by_joint_and_time(tmp_path):
    record = WalkRecord(("a", "b"))
    for index in range(10):
        record.add_torque("motor", PERIOD_S * index, ["b", "a"], [2.0 * index, 1.0 * index])
        record.add_torque("command", PERIOD_S * index, ["a"], [1.0])
        record.add_power(PERIOD_S * index, 5.0 + index)
    record.save(tmp_path / "walk.npz")
    motor = TorqueSeries.load(tmp_path / "walk.npz", "motor", 0.02, 0.05)
    np.testing.assert_array_equal(motor.torque, [[2.0, 4.0], [3.0, 6.0], [4.0, 8.0]])
    command = TorqueSeries.load(tmp_path / "walk.npz", "command", 0.08, 0.12)
    np.testing.assert_array_equal(command.torque[:2], [[1.0, 0.0], [1.0, 0.0]])
    assert np.isnan(command.torque[2:]).all()
    assert record.power(0.0, 0.035) == pytest.approx(6.5)
