# SPDX-License-Identifier: Apache-2.0
"""`exo trial`, made small: rounds are kept, figures judged, processes killed. No time is asserted."""

import json
import os
import signal

import numpy as np
import pytest

from exo_bringup.cli import main
from exo_bringup.trials.conduct import conduct
from exo_bringup.trials.torque_series import PERIOD_S, TorqueSeries, WalkRecord, agreement
from exo_bringup.trials.trial import Trial
from exo_core.errors import UserError
from exo_sim.measurement import Figure

NOWHERE_NEAR_A_TARGET = 100.0


class CountingTrial(Trial):
    """Three rounds; the second one is interrupted the first time."""

    name, unit = "counting", "rounds"

    def __init__(self, folder, seed=0, interrupt=False):
        super().__init__(folder)
        self.seed, self.interrupt, self.ran = seed, interrupt, []

    def configuration(self):
        return {"seed": self.seed}

    def rounds(self):
        return ["a", "b", "c"]

    def run(self, round_name):
        if round_name == "b" and self.interrupt:
            raise KeyboardInterrupt
        self.ran.append(round_name)
        return {"value": float(len(round_name))}

    def figures(self, measured):
        return [Figure.against("rounds", len(measured), "1", at_least=3)]


def summary(folder):
    return json.loads((folder / "summary.json").read_text())


def test_an_interrupted_trial_loses_nothing_and_goes_on(tmp_path):
    assert conduct(CountingTrial(tmp_path, interrupt=True), seed=0, strict=True) == 130
    assert summary(tmp_path)["complete"] is False and summary(tmp_path)["rounds"] == 1
    second = CountingTrial(tmp_path)
    assert conduct(second, seed=0, strict=True) == 0
    assert second.ran == ["b", "c"]
    assert summary(tmp_path)["complete"] is True and summary(tmp_path)["figures"][0]["met"] is True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_comes_twice_does_not_disturb_the_end(tmp_path, number):
    """`timeout` sends its signal to the process and to its group; somebody presses Ctrl-C again."""

    class Signalled(CountingTrial):
        is_over = False

        def run(self, round_name):
            if round_name == "b":
                signal.raise_signal(number)
            return super().run(round_name)

        def __exit__(self, *_):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
            self.is_over = True

    before = [signal.getsignal(known) for known in (signal.SIGINT, signal.SIGTERM)]
    trial = Signalled(tmp_path)
    assert conduct(trial, seed=0, strict=True) == 130
    assert trial.is_over and trial.ran == ["a"] and summary(tmp_path)["rounds"] == 1
    assert [signal.getsignal(known) for known in (signal.SIGINT, signal.SIGTERM)] == before


def test_half_a_line_at_the_end_is_no_round(tmp_path):
    conduct(CountingTrial(tmp_path, interrupt=True), seed=0, strict=False)
    with (tmp_path / "rounds.jsonl").open("a") as file:
        file.write('{"round": "b", "meas')
    again = CountingTrial(tmp_path)
    conduct(again, seed=0, strict=False)
    assert again.ran == ["b", "c"]
    assert summary(tmp_path)["rounds"] == 3


def test_a_trial_is_not_resumed_with_other_options(tmp_path):
    conduct(CountingTrial(tmp_path, interrupt=True), seed=0, strict=False)
    with pytest.raises(UserError, match="another configuration"):
        conduct(CountingTrial(tmp_path, seed=1), seed=1, strict=False)


def test_a_missed_target_is_told_by_the_exit_code_when_strict(tmp_path):
    class Missing(CountingTrial):
        def figures(self, measured):
            return [Figure.against("rounds", len(measured), "1", at_least=4)]

    assert conduct(Missing(tmp_path), seed=0, strict=True) == 1
    assert conduct(Missing(tmp_path), seed=0, strict=False) == 0


def test_fuzz_from_the_command_line(tmp_path):
    assert main(["trial", "fuzz", "--frames", "600", "--output", str(tmp_path), "--strict"]) == 0
    folder = next(tmp_path.iterdir())
    figures = {figure["name"]: figure for figure in summary(folder)["figures"]}
    for firmware in ("v1", "v2", "v3"):
        assert figures[f"{firmware}_frames"]["value"] == 600
        assert figures[f"{firmware}_crashes"]["met"] and figures[f"{firmware}_wrong_motor"]["met"]
    assert main(["trial", "fuzz", "--frames", "600", "--resume", str(folder)]) == 0  # nothing is left to do


@pytest.mark.parametrize(
    "words",
    [
        ["kill", "--processes", "cat"],
        ["faults", "--kinds", "rain"],
        ["jitter", "--rates", "fast"],
        ["fuzz", "--resume", "nowhere"],
    ],
)
def test_bad_options_are_one_line(words, tmp_path, capsys):
    pytest.importorskip("rclpy", reason="needs ROS 2")
    rest = [] if "--resume" in words else ["--output", str(tmp_path)]
    assert main(["trial", *words, *rest]) == 1
    said = capsys.readouterr().err
    assert words[-1] in said and "Traceback" not in said


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


# --- the graph on emulated motors


@pytest.fixture
def graph_machine(monkeypatch):
    """A ROS domain of its own, and a bus between processes."""
    pytest.importorskip("rclpy", reason="needs ROS 2")
    from exo_bringup.trials.bus import bus_settings
    from exo_device.drivers import DriverError
    from exo_device.drivers.can.port import PythonCanPort

    settings = bus_settings()
    try:
        PythonCanPort(settings["interface"], settings["channel"], 1_000_000, settings["bus_options"]).close()
    except DriverError as error:
        pytest.skip(str(error))
    monkeypatch.setenv("ROS_DOMAIN_ID", str(61 + os.getpid() % 40))


@pytest.mark.timeout(600)
def test_killed_processes_leave_no_torque(graph_machine, tmp_path):
    words = ["--processes", "policy,guardian,device", "--times", "1", "--patient"]
    assert main(["trial", "kill", *words, "--output", str(tmp_path)]) == 0
    folder = next(tmp_path.iterdir())
    rounds = [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]
    assert [entry["round"] for entry in rounds] == ["policy 0", "guardian 0", "device 0"]
    # that torque ends is what run() waits for; when it does is for a machine that is not busy
    assert all(0.0 <= entry["measured"]["zero_s"] < NOWHERE_NEAR_A_TARGET for entry in rounds)
    figures = {figure["name"] for figure in summary(folder)["figures"]}
    assert {"policy_zero_torque_max", "guardian_zero_torque_max", "device_too_late"} <= figures


@pytest.mark.timeout(600)
def test_faults_stop_the_device_and_are_named(graph_machine, tmp_path):
    words = ["--kinds", "nan_command,error_code,stop_service,sigterm", "--times", "1", "--patient"]
    assert main(["trial", "faults", *words, "--output", str(tmp_path)]) == 0
    written = summary(next(tmp_path.iterdir()))
    latched = written["faults_latched"]
    assert "NOT_FINITE" in latched["nan_command"] and "MOTOR_ERROR" in latched["error_code"]
    assert "USER_STOP" in latched["stop_service"]
    figures = {figure["name"]: figure["value"] for figure in written["figures"]}
    assert figures["sigterm_not_stopped"] == figures["nan_command_not_stopped"] == 0


@pytest.mark.timeout(600)
def test_jitter_is_measured_at_the_rate_that_was_asked_for(graph_machine, tmp_path):
    assert main(["trial", "jitter", "--rates", "100", "--seconds", "2", "--output", str(tmp_path)]) == 0
    figures = {figure["name"]: figure["value"] for figure in summary(next(tmp_path.iterdir()))["figures"]}
    assert 0.0 < figures["bus_100Hz_rate"] < 110.0
    median, p99, longest = (figures[f"bus_100Hz_period_{which}"] for which in ("median", "p99", "max"))
    assert median <= p99 <= longest
