# SPDX-License-Identifier: Apache-2.0
"""The sign and zero check before the first torque: made-up wearers, and the tool on emulated motors."""

import math
import os
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from exo_core.time import to_ns
from exo_device.bench import main
from exo_device.bench_check import BEND, LIFT, SIDE_WORDS, STAND, judged, steps
from exo_device.description import load_device
from exo_device.drivers import make_driver, read_driver_config
from exo_device.drivers.can.port import PythonCanPort
from exo_device.emulator import EmulatedBus, Followed
from exo_device.emulator.motor import serve
from exo_device.memory import file_sha256, missing_check
from exo_device.signals import DeviceState, ImuSample

CONFIG = Path(__file__).resolve().parents[1] / "exo_device" / "config"
DEVICES = sorted((CONFIG / "devices").glob("*.yaml"))
PERIOD_S = 0.01
DURATION_S = 4.0
#: How far a sound wearer goes (rad).
FAR = {
    "hip_flexion": 1.2,
    "knee_angle": 1.3,
    "ankle_angle": 0.3,
    "hip_adduction": -0.4,
    "hip_rotation": 0.4,
    "subtalar_angle": 0.25,
    "mtp_angle": 0.4,
}
BEND_RAD = 0.8


def wave(t: float) -> tuple[float, float]:
    """From 0 to 1 and back, with its rate (1/s)."""
    phase = math.pi * min(max(t - 0.5, 0.0), 3.0) / 3.0
    return math.sin(phase) ** 2, math.sin(2.0 * phase) * math.pi / 3.0 if 0.5 < t < 3.5 else 0.0


def quaternion_of_pitch(pitch: float) -> np.ndarray:
    return np.array([0.0, math.sin(0.5 * pitch), 0.0, math.cos(0.5 * pitch)])


@dataclass(frozen=True)
class Wearer:
    """Does what is asked; changed describes what is wrong with the device."""

    names: tuple[str, ...]
    #: Sign and zero by joint, as wrong files make them.
    sign: tuple[tuple[str, float], ...] = ()
    zero: tuple[tuple[str, float], ...] = ()
    velocity_factor: float = 1.0
    sides_exchanged: bool = False
    #: From the IMU's right axes to those it has; rows are axes.
    imu: tuple[tuple[float, ...], ...] = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    quaternion_order: str = "xyzw"
    gyro_factor: float = 1.0
    force_factor: float = 1.0
    lazy: float = 1.0

    def states(self, instruction: str) -> list[DeviceState]:
        return [self._state(instruction, index * PERIOD_S, index) for index in range(round(DURATION_S / PERIOD_S))]

    def _angle(self, name: str, instruction: str) -> float:
        """How far this joint goes (rad)."""
        kind, side = name.rsplit("_", 1)
        if instruction == STAND:
            return 0.0
        if instruction == BEND:
            return BEND_RAD if kind == "hip_flexion" else 0.0
        if f"the {SIDE_WORDS[side]} " not in instruction and f"straight {SIDE_WORDS[side]} " not in instruction:
            return 0.0
        if instruction == LIFT.format(side=SIDE_WORDS[side]):
            return FAR[kind] if kind in ("hip_flexion", "knee_angle", "ankle_angle") else 0.0
        words = {"out to": "hip_adduction", "heel": "hip_rotation", "sole of": "subtalar_angle", "curl": "mtp_angle"}
        return FAR[kind] if next(joint for word, joint in words.items() if word in instruction) == kind else 0.0

    def _state(self, instruction: str, t: float, number: int) -> DeviceState:
        share, rate = wave(t)
        sign, zero = dict(self.sign), dict(self.zero)
        position, velocity = [], []
        for name in self.names:
            moved = f"{name[:-1]}{'l' if name[-1] == 'r' else 'r'}" if self.sides_exchanged else name
            far = self.lazy * self._angle(moved, instruction)
            position.append(sign.get(name, 1.0) * (0.03 + far * share) + zero.get(name, 0.0))
            velocity.append(self.velocity_factor * sign.get(name, 1.0) * far * rate)
        bend = self.lazy * BEND_RAD if instruction == BEND else 0.0
        axes = np.array(self.imu, dtype=float)
        pitch = bend * share
        force = axes @ np.array([-math.sin(pitch), 0.0, math.cos(pitch)]) * 9.81 * self.force_factor
        gyro = axes @ np.array([0.0, bend * rate, 0.0]) * self.gyro_factor
        x, y, z, w = quaternion_of_pitch(pitch)
        quaternion = np.array([x, y, z, w] if self.quaternion_order == "xyzw" else [w, x, y, z])
        count = len(self.names)
        return DeviceState(
            stamp_ns=to_ns(t),
            sequence=number,
            names=self.names,
            position=np.array(position),
            velocity=np.array(velocity),
            torque=np.zeros(count),
            temperature=np.full(count, 25.0),
            error=np.zeros(count, dtype=int),
            bus_voltage=48.0,
            imu=ImuSample(quaternion, gyro, force),
        )


def complaints(device, wearer: Wearer, *, has_imu: bool = True) -> list[str]:
    found = []
    for step in steps(device, has_imu=has_imu):
        found += judged(step, wearer.states(step.instruction), {})
    return found


@pytest.fixture(scope="module")
def device():
    return load_device(CONFIG / "devices" / "hip_ankle.yaml")


@pytest.mark.parametrize("path", DEVICES, ids=lambda path: path.stem)
def test_a_device_put_on_right_passes(path):
    device = load_device(path)
    assert complaints(device, Wearer(device.joint_names)) == []
    assert complaints(device, Wearer(device.joint_names, lazy=0.8)) == []


def test_every_joint_that_a_device_may_drive_is_asked_for(device):
    spec = device.joints["hip_flexion_r"]
    joints = {f"{kind}_{side}": spec.model_copy(update={"range_rad": (-0.5, 0.7)}) for kind in FAR for side in "rl"}
    whole = device.model_copy(update={"joints": joints})
    assert len(steps(whole, has_imu=True)) == 1 + 2 + 8 + 1
    assert complaints(whole, Wearer(whole.joint_names)) == []
    for kind in FAR:
        name = f"{kind}_l"
        found = complaints(whole, Wearer(whole.joint_names, sign=((name, -1.0),)))
        assert any(line.startswith(f"{name} went the wrong way") for line in found), kind


JOINTS = ("hip_flexion_r", "ankle_angle_r", "hip_flexion_l", "ankle_angle_l")


@pytest.mark.parametrize(
    "wrong, words",
    [
        ({"sign": tuple((name, -1.0) for name in JOINTS)}, [f"{name} went the wrong way" for name in JOINTS]),
        ({"sign": (("ankle_angle_l", -1.0),)}, ["ankle_angle_l went the wrong way"]),
        ({"zero": (("hip_flexion_r", 0.5), ("hip_flexion_l", 0.5))}, ["hip_flexion_r is at 30 deg", "zero is wrong"]),
        ({"zero": (("ankle_angle_r", -0.24),)}, ["ankle_angle_r is at -12 deg and ankle_angle_l at 2 deg"]),
        ({"velocity_factor": -1.0}, ["its speed adds up to"]),
        ({"velocity_factor": 57.3}, ["its speed adds up to"]),
        ({"sides_exchanged": True}, ["are the sides exchanged", "hip_flexion_r moved by 0 deg only"]),
        ({"lazy": 0.2}, ["were wanted: move further"]),
        ({"imu": ((0, 1, 0), (-1, 0, 0), (0, 0, 1))}, ["bent to the side", "x axis must point forward"]),
        ({"imu": ((-1, 0, 0), (0, -1, 0), (0, 0, 1))}, ["bent backward"]),
        ({"imu": ((0.7071, 0.7071, 0), (-0.7071, 0.7071, 0), (0, 0, 1))}, ["turned about the vertical"]),
        ({"imu": ((1, 0, 0), (0, -1, 0), (0, 0, -1))}, ["tilted by 180 deg", "z must point up"]),
        ({"imu": ((0, 0, 1), (0, 1, 0), (-1, 0, 0))}, ["tilted by 90 deg"]),
        ({"quaternion_order": "wxyz"}, ["disagree by 180 deg", "x, y, z, w"]),
        ({"gyro_factor": 57.3}, ["turning rate about y adds up to", "rad/s"]),
        ({"gyro_factor": -1.0}, ["turning rate about y"]),
        ({"force_factor": 1.0 / 9.81}, ["specific force is 1.00 m/s^2"]),
    ],
    ids=lambda value: str(value)[:50] if isinstance(value, dict) else "",
)
def test_what_is_wrong_is_found_and_named(device, wrong, words):
    found = complaints(device, replace(Wearer(JOINTS), **wrong))
    assert found and all("\n" not in line for line in found)
    for word in words:
        assert any(word in line for line in found), found


def test_an_imu_without_orientation_passes(device):
    wearer = Wearer(JOINTS)
    for step in steps(device, has_imu=True):
        states = [
            replace(state, imu=replace(state.imu, orientation_xyzw=np.zeros(4)))
            for state in wearer.states(step.instruction)
        ]
        assert judged(step, states, {}) == []


def test_without_an_imu_it_is_not_asked(device):
    assert complaints(device, Wearer(JOINTS, imu=((0, 0, 0),) * 3), has_imu=False) == []


def test_who_does_not_stand_still_is_asked_to(device):
    stand = steps(device, has_imu=True)[0]
    moving = Wearer(JOINTS).states(LIFT.format(side="right"))
    assert any("stand still" in line for line in judged(stand, moving, {}))
    assert "samples" in judged(stand, moving[:10], {})[0]


# --- the tool


class Volunteer:
    """Emulated motors whose joints a made-up wearer turns."""

    def __init__(self, folder: Path, monkeypatch, **wrong) -> None:
        self.device = folder / "device.yaml"
        self.device.write_text((CONFIG / "devices" / "hip_ankle.yaml").read_text())
        settings = read_driver_config(CONFIG / "drivers" / "cubemars_example.yaml", "cubemars_can")
        channel = f"volunteer-{os.getpid()}-{folder.name}"
        settings.update(interface="virtual", channel=channel, reply_timeout_s=1.0, host_timeout_s=5.0, guardian=False)
        self.config = folder / "driver.yaml"
        self.config.write_text(yaml.safe_dump({"driver": "cubemars_can", **settings}))
        self.legs = {joint: Followed() for joint in JOINTS}
        self.bus = EmulatedBus(make_driver("cubemars_can", settings).config, self.legs.__getitem__)
        self.wearer = Wearer(JOINTS, **wrong)
        self.port = PythonCanPort("virtual", channel, 1_000_000)
        self.stop = threading.Event()
        self.began_s, self.asked = time.monotonic(), STAND
        threading.Thread(target=serve, args=(self.bus, self.port, self.stop), daemon=True).start()
        self.mover = threading.Thread(target=self._move, daemon=True)
        self.mover.start()
        monkeypatch.setattr("builtins.input", self.hear)

    def hear(self, prompt: str) -> str:
        self.asked = prompt.strip().removeprefix("Please ").removesuffix(". Enter, then go:")
        self.began_s = time.monotonic()
        return ""

    def _move(self) -> None:
        while not self.stop.wait(0.002):
            # four times as fast as a person, so that the test is short
            state = self.wearer._state(self.asked, 4.0 * (time.monotonic() - self.began_s), 0)
            for joint, position, velocity in zip(JOINTS, state.position, state.velocity, strict=True):
                self.legs[joint].position, self.legs[joint].velocity = float(position), 4.0 * float(velocity)

    def run(self) -> int:
        arguments = ["--device", str(self.device), "--config", str(self.config), "--seconds", "1"]
        return main(["check", *arguments, "--state-folder", str(self.device.parent / "state")])

    def missing(self) -> str:
        hashes = file_sha256(self.device), file_sha256(self.config)
        return missing_check(self.device.parent / "state", *hashes, JOINTS)

    def close(self) -> None:
        self.stop.set()
        self.mover.join(5.0)
        self.port.close()


@pytest.fixture
def volunteer(tmp_path, monkeypatch):
    started = []

    def start(**wrong) -> Volunteer:
        started.append(Volunteer(tmp_path, monkeypatch, **wrong))
        return started[-1]

    yield start
    for one in started:
        assert not any(motor.is_on for motor in one.bus.motors.values())
        one.close()


def test_the_tool_stores_the_result_for_these_two_files(volunteer, capsys):
    one = volunteer()
    assert "no result" in one.missing()
    assert one.run() == 0, capsys.readouterr().out
    said = capsys.readouterr().out
    assert said.count("  right\n") == 4 and "There is no IMU" in said and "Passed." in said
    assert one.missing() == ""
    one.config.write_text(one.config.read_text().replace("sign: -1", "sign: 1"))
    assert "no result" in one.missing()


def test_the_tool_stores_nothing_for_a_wrong_sign(volunteer, capsys):
    one = volunteer(sign=(("hip_flexion_l", -1.0),))
    assert one.run() == 1
    said = capsys.readouterr().out
    assert "hip_flexion_l went the wrong way" in said and "Not passed" in said
    assert "no result" in one.missing()


@pytest.mark.parametrize(
    "arguments, word",
    [
        (["--device", "steam"], "device 'steam' is neither"),
        (["--device", "hip_ankle"], "give --config FILE"),
        (["--device", "hip_ankle", "--config", "/nowhere.yaml"], "/nowhere.yaml"),
        (["--device", "hip_ankle", "--driver", "steam"], "unknown driver"),
    ],
)
def test_bad_input_is_one_line(tmp_path, capsys, arguments, word):
    assert main(["check", *arguments, "--state-folder", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert word in said and said.count("\n") == 1
