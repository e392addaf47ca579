# SPDX-License-Identifier: Apache-2.0
"""Telemetry, its live table and its plain lines."""

import io
import math

from rich.console import Console

from exo_bringup.live_table import Display, render
from exo_bringup.run_options import RunOptions
from exo_bringup.telemetry import FAULT_MODE, Telemetry


def walking():
    telemetry = Telemetry()
    telemetry.human_state(12.5, False, 1.24, 0.98, 0)
    telemetry.device_status(2, "", (), 100.0, 0.004)
    telemetry.condition = "unassisted"
    telemetry.stride(1.2, 1.10, 6.0, {"hip_flexion_r": 0.0, "ankle_angle_r": 0.0})
    telemetry.stride(1.3, 1.12, 6.2, {"hip_flexion_l": 0.0, "ankle_angle_l": 0.0})
    telemetry.condition = "assisted"
    telemetry.stride(1.25, 1.11, 5.0, {"hip_flexion_r": 0.3, "ankle_angle_r": 0.48})
    return telemetry


def text_of(renderable):
    console = Console(file=io.StringIO(), width=100, force_terminal=False)
    console.print(renderable)
    return console.file.getvalue()


def test_strides_are_averaged_within_their_condition():
    means = walking().conditions
    assert means["unassisted"].count == 2 and math.isclose(means["unassisted"].speed_mps, 1.25)
    assert math.isclose(means["unassisted"].metabolic_w_per_kg, 6.1)
    assert means["assisted"].peak_torque == {"hip_flexion": 0.3, "ankle_angle": 0.48}


def test_the_table_shows_what_the_issue_asks_for():
    text = text_of(render(walking(), RunOptions()))
    for word in (
        "walking speed",
        "1.24",
        "stride time",
        "1.11",
        "W/kg",
        "5.00",
        "Nm/kg",
        "0.48",
        "ACTIVE",
        "100 Hz",
        "4.0 ms",
        "x0.98",
        "12 of 40 s",
        "assisted",
    ):
        assert word in text, word


def test_what_somebody_changes_under_way_is_told_once_with_its_time():
    telemetry = Telemetry()
    telemetry.device_status(0, "", (), 100.0, 0.004)  # off, as before every walk
    telemetry.subject(1.7, 75.0, (), "{}")
    telemetry.subject(1.7, 75.0, (), "{}")
    telemetry.condition = "unassisted"
    for t, commanded in ((1.0, 1.25), (12.0, 1.25), (12.5, 1.24), (13.0, 1.1)):
        telemetry.human_state(t, False, 1.2, 1.0, 0, commanded)
    telemetry.subject(1.7, 75.0, (("plantarflexors_r", 0.5),), "{strengths: {plantarflexors_r: 0.5}}")
    telemetry.condition, telemetry.is_assisted = "assisted", True
    telemetry.device_status(2, "", (), 100.0, 0.004)
    telemetry.human_state(31.0, False, 1.2, 1.0, 0, 1.1)
    for _ in range(2):
        telemetry.device_status(0, "disarmed", (), 100.0, 0.004)
    speed, wearer, device = telemetry.changes
    assert speed.startswith("At 12.5 s (unassisted) the walking speed was changed: figures from then on are not of")
    assert wearer.startswith("At 13.0 s (unassisted) the wearer was changed")
    assert device.startswith("At 31.0 s (assisted) the device gave no torque")


def test_a_mode_that_there_is_not_ends_no_run():
    telemetry = walking()
    telemetry.device_status(200, "", (), 100.0, 0.004)
    assert telemetry.mode_name == "mode 200" and "mode 200" in telemetry.line(40.0)
    assert "mode 200" in text_of(render(telemetry, RunOptions()))


def test_a_walk_that_nobody_touches_has_no_changes():
    assert walking().changes == []


def test_the_table_can_be_drawn_before_anything_arrived():
    assert "starting" in text_of(render(Telemetry(), RunOptions()))


def test_a_fault_shows_its_cause():
    telemetry = walking()
    telemetry.device_status(FAULT_MODE, "command too old", ("STALE_COMMAND",), 100.0, 0.2)
    assert "FAULT (command too old)" in text_of(render(telemetry, RunOptions()))


def test_a_fault_that_was_cleared_is_not_forgotten():
    telemetry = walking()
    for names in (("STALE_COMMAND",), (), ("BUS_LOST", "STALE_COMMAND")):
        telemetry.device_status(FAULT_MODE if names else 0, "", names, 100.0, 0.0)
    assert telemetry.fault_names == ("STALE_COMMAND", "BUS_LOST")


def test_without_a_terminal_there_is_a_line_now_and_then(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("exo_bringup.live_table.time.monotonic", lambda: clock[0])
    out = io.StringIO()
    display = Display(RunOptions(), Console(file=out, force_terminal=False, width=200, soft_wrap=True))
    for _ in range(3):
        display.update(walking())
    assert out.getvalue().count("\n") == 1 and "device ACTIVE" in out.getvalue()
    clock[0] += 6.0
    display.update(walking())
    assert out.getvalue().count("\n") == 2


def test_quiet_says_nothing_but_problems():
    out = io.StringIO()
    display = Display(RunOptions(quiet=True), Console(file=out, force_terminal=False))
    display.update(walking())
    display.say("news")
    assert out.getvalue() == ""
    display.complain("trouble")
    assert "trouble" in out.getvalue()
