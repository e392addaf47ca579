# SPDX-License-Identifier: Apache-2.0
"""What is refused before a motor is switched on, and what a device remembers. Real motors are on a bus of their own."""

import os
from pathlib import Path

import pytest
import yaml

pytest.importorskip("rclpy")

from exo_device import assembly
from exo_device.assembly import CONFIGURATION_ERRORS, assemble
from exo_device.drivers import DriverError, make_driver, read_driver_config
from exo_device.memory import Kept, LatchFile, file_sha256, latch_path, state_folder, write_check
from exo_device.parameters import DECLARATIONS, DeviceParameters, ParameterGuard
from exo_device.safety import Fault, Instant, Mode

CONFIG = Path(__file__).resolve().parents[1] / "exo_device" / "config"
NOW_S = 1_700_000_000.0
NOTHING = Kept()


class Workshop:
    """Files of a device with real motors, and the device made of them again and again."""

    def __init__(self, folder: Path, monkeypatch) -> None:
        self.folder, self.now_s = folder, NOW_S
        monkeypatch.setattr(assembly.time, "time", lambda: self.now_s)
        self.device_file, self.driver_file = folder / "device.yaml", folder / "driver.yaml"
        self.device_file.write_text((CONFIG / "devices" / "hip_ankle.yaml").read_text())
        self.settings = read_driver_config(CONFIG / "drivers" / "cubemars_example.yaml", "cubemars_can")
        self.settings.update(interface="virtual", channel=f"shop-{os.getpid()}-{folder.name}", guardian="none")
        self.settings.update(unguarded=True)
        self.write()
        self.errors: list[str] = []

    def write(self, **changes) -> None:
        self.driver_file.write_text(yaml.safe_dump({"driver": "cubemars_can", **self.settings, **changes}))

    def make(self, kept: Kept = NOTHING, *, use_sim_time: bool = False, **changes) -> assembly.Assembly:
        values = {name: default for name, (default, _, _) in DECLARATIONS.items()}
        values.update(
            device_config=str(self.device_file),
            driver="cubemars_can",
            driver_config=str(self.driver_file),
            wearer_mass_kg=62.0,
            state_folder=str(self.folder / "state"),
        )
        values.update(changes)
        return assemble(
            DeviceParameters(**values),
            kept,
            ros_ns=lambda: round(1e9 * self.now_s),
            use_sim_time=use_sim_time,
            on_error=self.errors.append,
        )

    def check(self) -> None:
        """As if bench check had been passed."""
        state = self.folder / "state"
        state.mkdir(exist_ok=True)
        joints = dict.fromkeys(self.settings["motors"], {})
        write_check(state, file_sha256(self.device_file), file_sha256(self.driver_file), joints, NOW_S)

    @property
    def latch(self) -> Path:
        return latch_path(self.folder / "state", f"virtual-{self.settings['channel']}")


@pytest.fixture
def shop(tmp_path, monkeypatch):
    return Workshop(tmp_path, monkeypatch)


def refusal(make, *arguments, **changes) -> str:
    with pytest.raises(CONFIGURATION_ERRORS) as caught:
        make(*arguments, **changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- what is refused


def test_real_motors_have_no_default_wearer(shop):
    assert "wearer_mass_kg is not set" in refusal(shop.make, wearer_mass_kg=0.0)
    assert "subject" in refusal(shop.make, wearer_mass_kg=0.0)  # which argument of launch and exo to give
    assert "20 to 200 kg" in refusal(shop.make, wearer_mass_kg=7.0)
    emulated = shop.make(wearer_mass_kg=0.0, use_mock_hardware=True)
    assert emulated.loop.supervisor.wearer_mass_kg == 75.0
    emulated.close()


def test_simulated_time_is_refused_with_real_motors(shop):
    assert "use_sim_time must be false" in refusal(shop.make, use_sim_time=True)
    shop.make(use_sim_time=True, use_mock_hardware=True).close()


@pytest.mark.parametrize(
    "changes, word",
    [
        ({"command_timeout_s": 60.0}, "command_timeout_s must be 0.01 to 0.2"),
        ({"state_timeout_s": 60.0}, "state_timeout_s"),
        ({"state_silence_s": 600.0}, "state_silence_s"),
        ({"command_silence_s": 600.0}, "command_silence_s"),
        ({"ros_silence_s": 0.0}, "ros_silence_s must be 0.05 to 2"),
        ({"ramp_down_s": 1.0}, "ramp_down_s"),
        ({"stride_shortest_s": 0.1}, "stride_shortest_s"),
        ({"stride_longest_s": 10.0}, "stride_longest_s"),
        ({"stride_least_swing_rad": 0.02}, "stride_least_swing_rad"),
        ({"fade_in_strides": 0.0}, "fade_in_strides"),
        ({"stride_gate": False, "fade_in_s": 0.0}, "fade_in_s"),
        ({"second_publisher": "ignore"}, "second_publisher must be fault"),
        ({"lockstep": True}, "lockstep is for simulation"),
    ],
)
def test_ranges_of_a_simulation_are_refused_with_real_motors(shop, changes, word):
    assert word in refusal(shop.make, **changes)
    shop.make(use_mock_hardware=True, **changes).close()


def test_what_switches_a_drivers_protection_off_is_refused_with_real_motors(shop):
    shop.write(plausibility={"following_nm": 1000.0})
    assert "plausibility.following_nm" in refusal(shop.make)
    shop.make(use_mock_hardware=True).close()
    shop.write(imu={"source": "none", "max_age_s": 1.0})
    assert "imu.max_age_s is 1, and at most 0.1" in refusal(shop.make)
    shop.make(use_mock_hardware=True).close()


@pytest.mark.parametrize("settings, word", [({"host_timeout_s": 5.0}, "host_timeout_s"),
                                            ({"imu": {"max_age_s": 1.0}}, "imu.max_age_s")])  # fmt: skip
def test_a_controller_has_the_bounds_of_a_bus_where_somebody_wears_it(settings, word):
    make_driver("ros2_control").require_wearable()
    with pytest.raises(DriverError, match=word):
        make_driver("ros2_control", settings).require_wearable()


def test_a_device_without_an_imu_is_told_what_it_does_not_see(shop):
    setup = shop.make()
    assert any("a fall is not noticed" in line for line in setup.warnings)
    setup.close()


def test_joints_without_a_heat_budget_are_named(shop):
    description = shop.device_file.read_text().replace("    continuous_torque_nm: 22.0", "    # none:")
    shop.device_file.write_text(description)
    setup = shop.make()
    assert any("ankle_angle_r, ankle_angle_l have no continuous" in line for line in setup.warnings)
    setup.close()


def test_a_cap_beyond_what_a_motor_can_be_told_is_refused(shop):
    """torque_range_nm 5 on a motor whose field is 65: every torque 13 times as large."""
    motors = {name: dict(motor) for name, motor in shop.settings["motors"].items()}
    motors["hip_flexion_r"]["torque_range_nm"] = 5.0
    shop.write(motors=motors)
    said = refusal(shop.make)
    assert "30 Nm on hip_flexion_r" in said and "5 Nm" in said
    shop.write()
    shop.make().close()


def test_a_real_bus_is_not_called_emulated(shop):
    shop.write(interface="socketcan", channel="can7")
    assert "use_mock_hardware is set, but" in refusal(shop.make, use_mock_hardware=True)


def test_motors_without_settings_name_the_argument(shop):
    said = refusal(shop.make, driver_config="")
    assert "driver_config" in said and "--driver-config FILE" in said and "driver_config:=FILE" in said


def test_a_state_folder_that_cannot_be_written_is_refused(shop):
    (shop.folder / "state").write_text("in the way")
    said = refusal(shop.make)
    assert str(shop.folder / "state") in said and "state_folder" in said


def test_switches_that_leave_protection_out_are_warned_of(shop):
    setup = shop.make(stride_gate=False, require_bench_check=False)
    assert ["stride_gate" in setup.warnings[0], "require_bench_check" in setup.warnings[1]] == [True, True]
    setup.close()


# --- bench check


def test_real_motors_are_armed_only_with_a_check_of_these_very_files(shop):
    setup = shop.make()
    setup.loop.prepare()
    answer = setup.arm()
    assert not answer.success and "bench check" in answer.message and str(shop.device_file) in answer.message
    setup.close()
    shop.check()
    setup = shop.make()
    setup.loop.prepare()
    assert setup.unchecked == "" and setup.arm().success
    assert (setup.device_sha256, setup.driver_sha256) == (file_sha256(shop.device_file), file_sha256(shop.driver_file))
    setup.close()
    for file in (shop.driver_file, shop.device_file):
        file.write_text(file.read_text() + "# one byte more\n")
        setup = shop.make()
        assert "no result of a check" in setup.unchecked
        setup.close()
        shop.check()


def test_who_answers_for_it_arms_without_a_check(shop):
    for changes in ({"require_bench_check": False}, {"use_mock_hardware": True}):
        setup = shop.make(**changes)
        assert setup.unchecked == ""
        setup.close()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"device_sha256": 1}', "\x00"])
def test_a_result_that_cannot_be_read_is_none(shop, content):
    shop.check()
    next((shop.folder / "state").glob("check-*.json")).write_text(content)
    setup = shop.make()
    assert "check" in setup.unchecked and "\n" not in setup.unchecked
    setup.close()


# --- memory


def stop(setup: assembly.Assembly) -> None:
    setup.loop.hooks.on_status = lambda snapshot, _: setup.keep(snapshot)
    assert setup.loop.emergency_stop().success


def mode(setup: assembly.Assembly) -> Mode:
    return setup.loop.supervisor.mode


def test_a_persons_stop_outlives_cleanup_and_a_restart_and_ends_with_disarm(shop):
    setup = shop.make(require_bench_check=False)
    stop(setup)
    setup.close()
    for kept in (setup.kept, Kept()):  # cleanup and configure; a new process
        setup = shop.make(kept, require_bench_check=False)
        setup.loop.prepare()
        assert mode(setup) is Mode.FAULT and setup.loop.supervisor.cause == "stopped by exo/stop"
        answer = setup.arm()
        assert not answer.success and "exo/disarm" in answer.message
        setup.close()
    setup = shop.make()
    setup.loop.hooks.on_status = lambda snapshot, _: setup.keep(snapshot)
    assert setup.loop.disarm().success
    setup.close()
    setup = shop.make()
    assert mode(setup) is Mode.DISARMED
    setup.close()


def test_a_zero_in_doubt_outlives_cleanup_and_a_restart_and_ends_with_confirm_zeros(shop):
    """A motor that was silent may have been reset; no new configuration and no new process puts its zero right."""
    setup = shop.make(require_bench_check=False)
    setup.driver.master.zeros.doubt("ankle_angle_r", "its motor (id 2) did not answer for 0.30 s")
    stop(setup)
    setup.loop.disarm()
    setup.close()
    for kept in (setup.kept, Kept()):  # cleanup and configure; a new process
        setup = shop.make(kept, require_bench_check=False)
        setup.loop.hooks.on_status = lambda snapshot, _, setup=setup: setup.keep(snapshot)
        setup.loop.prepare()
        setup.loop.disarm()
        answer = setup.arm()
        assert not answer.success and "did not answer for 0.30 s" in answer.message, answer
        setup.loop.tell()
        setup.close()
    setup = shop.make(require_bench_check=False)
    setup.loop.hooks.on_status = lambda snapshot, _: setup.keep(snapshot)
    answer = setup.confirm_zeros()
    assert answer.success and answer.message == "the zero of ankle_angle_r is trusted again"
    setup.loop.tell()
    setup.close()
    setup = shop.make(require_bench_check=False)
    assert setup.driver.doubted_zeros() == {} and setup.confirm_zeros().message == "no zero was in doubt"
    setup.close()


def test_nobody_has_to_look_at_the_zeros_of_emulated_motors(shop):
    setup = shop.make(use_mock_hardware=True)
    setup.driver.master.zeros.doubt("ankle_angle_r", "its motor (id 2) did not answer for 0.30 s")
    setup.loop.prepare()
    assert setup.arm().success
    setup.close()


def test_the_driver_clamps_at_the_supervisors_caps(shop):
    setup = shop.make(require_bench_check=False)
    assert setup.driver.master.limits == setup.loop.supervisor.limits.cap.tolist()
    assert "no guardian" in " ".join(setup.warnings)
    setup.close()


def test_a_killed_process_has_kept_the_stop(shop):
    setup = shop.make()
    stop(setup)
    setup.driver.disconnect()  # and never close(): the thread had the time of a write
    setup._file.close()
    assert Fault.USER_STOP in LatchFile.read(shop.latch, setup.device, NOW_S).faults


def test_emulated_motors_leave_nothing_behind(shop):
    setup = shop.make(use_mock_hardware=True)
    stop(setup)
    setup.close()
    assert not (shop.folder / "state").exists()
    setup = shop.make(setup.kept, use_mock_hardware=True)
    assert mode(setup) is Mode.FAULT  # within the process all the same
    setup.close()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "null",
        "[" * 100_000,
        '{"version": 2, "faults": [], "cause": "", "heat": {}, "time_s": 0}',
        '{"version": 1, "faults": ["STEAM"], "cause": "", "heat": {}, "time_s": 0}',
        '{"version": 1, "faults": [], "cause": "", "heat": {"hip_flexion_r": NaN}, "time_s": 0}',
        '{"version": 1, "faults": [], "cause": "", "heat": [], "time_s": 0}',
        b"\xff\xfe",
    ],
)
def test_a_memory_that_cannot_be_read_counts_as_a_stop_and_hot_motors(shop, content):
    shop.latch.parent.mkdir()
    shop.latch.write_bytes(content if isinstance(content, bytes) else content.encode())
    setup = shop.make()
    assert mode(setup) is Mode.FAULT
    cause = setup.loop.supervisor.cause
    assert str(shop.latch) in cause and "exo/disarm" in cause and "\n" not in cause
    assert setup.loop.supervisor.snapshot(Instant(0, 0)).heat == pytest.approx([1.0] * 4)
    setup.close()


def test_motors_are_as_hot_after_a_restart_as_the_time_allows(shop):
    setup = shop.make()
    setup.loop.supervisor.restore(Fault(0), "", {"hip_flexion_r": 0.9})
    setup.keep(setup.loop.supervisor.snapshot(Instant(0, 0)))
    setup.close()
    for passed_s, heat in ((0.0, 0.9), (30.0, 0.9 * 0.36788), (-3600.0, 0.9)):  # the time constant is 30 s
        shop.now_s = NOW_S + passed_s
        setup = shop.make()
        assert setup.loop.supervisor.snapshot(Instant(0, 0)).heat[0] == pytest.approx(heat, abs=1e-3)
        setup._file.close()
        setup.driver.disconnect()


def test_a_disk_that_is_full_is_told_once_and_the_old_memory_stays(shop, monkeypatch):
    setup = shop.make()
    stop(setup)
    setup.close()
    before = shop.latch.read_bytes()
    setup = shop.make()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("exo_device.memory.os.fsync", full)
    setup.keep_now(Kept())
    setup.keep_now(Kept())
    assert len(shop.errors) == 1 and "No space left" in shop.errors[0]
    assert shop.latch.read_bytes() == before and [path.name for path in shop.latch.parent.iterdir()] == [
        shop.latch.name
    ]
    setup.driver.disconnect()


def test_only_news_is_written(shop, monkeypatch):
    written = []
    monkeypatch.setattr("exo_device.memory._write", lambda path, content: written.append(content))
    file = LatchFile(shop.folder / "latch.json", shop.errors.append)
    for heat in (0.0, 0.01, 0.04, 0.2, 0.21):
        file.keep(Kept(heat={"hip_flexion_r": heat}))
    file.close()
    assert len(written) <= 2 and written[-1]["heat"]["hip_flexion_r"] == 0.2


def test_the_state_folder_is_the_users(monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/somewhere")
    assert state_folder() == Path("/somewhere/exo_gait")
    monkeypatch.delenv("XDG_STATE_HOME")
    assert state_folder() == Path.home() / ".local/state/exo_gait"
    assert state_folder("/there") == Path("/there")


# --- parameters


def test_parameters_that_would_do_nothing_or_harm_are_refused_with_the_reason():
    guard = ParameterGuard()
    assert guard.refusal("wearer_mass_kg") == "" == guard.refusal("use_sim_time")
    guard.is_configured = True
    assert "deactivate and clean up first" in guard.refusal("wearer_mass_kg")
    assert guard.refusal("qos_overrides./clock") == ""
    guard.is_real = True
    guard.is_configured = False  # cleaned up: what loosens a limit is fixed all the same
    assert "start device_node again" in guard.refusal("wearer_mass_kg")
    assert "world's time" in guard.refusal("use_sim_time")
