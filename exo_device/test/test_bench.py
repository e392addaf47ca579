# SPDX-License-Identifier: Apache-2.0
"""The bench tool, on emulated motors."""

import os
import threading
import time
from pathlib import Path

import pytest
import yaml

from exo_device.bench import main
from exo_device.drivers import DriverError, make_driver, read_driver_config
from exo_device.drivers.can.port import PythonCanPort
from exo_device.emulator import EmulatedBus, Fault, SpringDamper
from exo_device.emulator.motor import serve

EXAMPLE = Path(__file__).resolve().parents[1] / "exo_device" / "config" / "drivers" / "cubemars_example.yaml"
JOINT = "ankle_angle_l"
PATIENCE_S = 20.0


class Table:
    """Motors on a table: joints on soft springs."""

    def __init__(self, folder: Path) -> None:
        settings = read_driver_config(EXAMPLE, "cubemars_can")
        channel = f"table-{os.getpid()}-{folder.name}"
        settings.update(interface="virtual", channel=channel, reply_timeout_s=1.0, host_timeout_s=5.0, guardian=False)
        self.path = folder / "driver.yaml"
        self.path.write_text(yaml.safe_dump({"driver": "cubemars_can", **settings}))
        config = make_driver("cubemars_can", settings).config
        self.bus = EmulatedBus(config, lambda joint: SpringDamper(stiffness_nm_per_rad=5.0))
        self.motors = self.bus.motors
        self.port = PythonCanPort("virtual", settings["channel"], 1_000_000)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=serve, args=(self.bus, self.port, self.stop), daemon=True)
        self.thread.start()

    def run(self, *arguments: str) -> int:
        command, *rest = arguments
        return main([command, "--config", str(self.path), *rest])

    def close(self) -> None:
        self.stop.set()
        self.thread.join(PATIENCE_S)
        self.port.close()


@pytest.fixture
def table(tmp_path):
    table = Table(tmp_path)
    yield table
    end = time.monotonic() + PATIENCE_S
    while any(motor.is_on or motor.torque for motor in table.motors.values()):
        assert time.monotonic() < end, "a motor was left on"
        time.sleep(0.01)
    table.close()


def test_scan_asks_about_two_motors_of_one_id(table, capsys):
    """All motors leave the factory with the same one; both answer to it, and both obey."""
    table.bus.plan.add(Fault("duplicated", JOINT))
    assert table.run("scan", "--highest", "4") == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "motors?" in line]
    twin = table.motors[JOINT]._codec.motor_id
    assert len(lines) == 1 and f"two replies to id {twin}: two motors?" in lines[0]


def test_scan_names_motors_and_who_is_silent(table, capsys):
    table.bus.plan.add(Fault("dropped", JOINT))
    assert table.run("scan", "--highest", "6") == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in said[:3]] == ["1", "2", "3"]
    assert "firmware v1 or v2" in said[0] and "hip_flexion_r" in said[0]
    assert said[-1] == f"3 answered; silent: {JOINT} (4)"


def test_watch_shows_every_joint_with_the_motors_off(table, capsys):
    table.motors[JOINT].mechanics.position = 0.5
    assert table.run("watch", "--seconds", "0.5") == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert all(joint in first for joint in table.motors) and "25 degC error 0" in first
    assert not any(motor.is_on for motor in table.motors.values())


def test_pulse_tells_whether_torque_and_angle_agree(table, capsys):
    assert table.run("pulse", JOINT, "--nm", "1.5", "--yes") == 0
    assert "same sign" in capsys.readouterr().out
    assert table.run("pulse", JOINT, "--nm", "-1.5", "--yes") == 0
    assert "same sign" in capsys.readouterr().out


def test_pulse_ends_early_when_the_joint_runs_away(table, capsys):
    spring = table.motors[JOINT].mechanics
    spring.stiffness_nm_per_rad, spring.inertia_kgm2, spring.damping_nms_per_rad = 0.0, 0.02, 0.0
    assert table.run("pulse", JOINT, "--nm", "3", "--seconds", "3", "--yes") == 0
    assert "ended" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, word",
    [
        (("pulse", JOINT, "--nm", "30", "--yes"), "at most 3 Nm"),
        (("pulse", "knee", "--yes"), "no motor for 'knee'"),
        (("zero", "knee", "--yes"), "no motor for 'knee'"),
    ],
)
def test_what_must_not_be_is_refused(table, capsys, arguments, word):
    assert table.run(*arguments) == 2
    said = capsys.readouterr().err
    assert word in said and said.count("\n") == 1


def test_nothing_is_done_without_a_yes(table, capsys, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda text: "no")
    assert table.run("pulse", JOINT) == 2
    assert "nothing was done" in capsys.readouterr().err
    assert all(motor.commands == 0 for motor in table.motors.values())


def test_zero_makes_the_present_angle_zero(table, capsys):
    spring = table.motors[JOINT].mechanics
    spring.stiffness_nm_per_rad, spring.position = 0.0, 0.4
    assert table.run("zero", JOINT, "--yes") == 0
    said = capsys.readouterr().out
    assert "+22.9 deg before" in said and "0.0 deg now" in said


def test_a_motor_with_an_error_gets_no_torque(table, capsys):
    table.bus.plan.add(Fault("error", JOINT, 4.0))
    assert table.run("pulse", JOINT, "--yes") == 2
    assert "error 4" in capsys.readouterr().err
    assert table.motors[JOINT].commanded_torque == 0.0


def test_pulse_switches_off_when_the_bus_is_lost(table):
    from exo_device.bench import pulse

    driver = make_driver("cubemars_can", read_driver_config(table.path, "cubemars_can"))
    with driver:
        threading.Timer(0.3, lambda: table.bus.plan.add(Fault("dropped", JOINT))).start()
        with pytest.raises(DriverError):
            pulse(driver, JOINT, 1.0, 10.0)
