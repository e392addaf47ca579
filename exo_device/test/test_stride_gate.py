# SPDX-License-Identifier: Apache-2.0
"""Torque only for somebody who walks: what a stride looks like to a device, and what is none."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from exo_core.time import to_ns
from exo_device.description import load_device
from exo_device.safety import Mode, SafetyConfig, SafetyError, SafetySupervisor
from exo_device.safety.wearer import StrideLimits, StrideSensor
from exo_device.signals import ImuSample

DEVICES = Path(__file__).resolve().parents[1] / "exo_device" / "config" / "devices"
G = 9.81
STEP_S = 0.01
HIPS = ("hip_flexion_r", "hip_flexion_l")
ANKLES = ("ankle_angle_r", "ankle_angle_l")


def hip(phase: float) -> float:
    """Hip flexion over the stride, -1 to 1: one swing to and fro."""
    return math.cos(2.0 * math.pi * phase)


def ankle(phase: float) -> float:
    """Ankle over the stride, -1 to 1: a small plantarflexion after heel strike, the large one at push-off."""
    knots = [0.0, 0.08, 0.45, 0.63, 0.85, 1.0]
    return float(np.interp(phase % 1.0, knots, [0.25, -0.2, 1.0, -1.0, 0.3, 0.25]))


@dataclass
class Wearer:
    """Angles of both legs and the IMU of somebody who moves."""

    stride_s: float = 1.1
    #: Amplitude of the joint (rad), of the right leg and of the left one.
    right_rad: float = 0.35
    left_rad: float = 0.35
    #: Where in the right leg's stride the left one turns.
    opposite: float = 0.5
    #: Amplitude of the pelvis's upward acceleration (m/s^2), twice a stride.
    shake: float = 1.5
    lean_rad: float = 0.0
    shape: object = hip
    noise: float = 0.0

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(3)

    def angles(self, t: float) -> tuple[float, float]:
        phase = t / self.stride_s
        noise = self.noise * self._random.standard_normal(2)
        return (
            self.right_rad * self.shape(phase) + noise[0],
            self.left_rad * self.shape(phase - self.opposite) + noise[1],
        )

    def imu(self, t: float) -> ImuSample:
        up = G + self.shake * math.cos(4.0 * math.pi * t / self.stride_s)
        force = up * np.array([math.sin(self.lean_rad), 0.0, math.cos(self.lean_rad)])
        force += 0.05 * self._random.standard_normal(3)
        turn = 0.5 * self.lean_rad
        return ImuSample(np.array([0.0, -math.sin(turn), 0.0, math.cos(turn)]), np.zeros(3), force)


NORMAL = Wearer()
WALKS = {
    "normal": NORMAL,
    "fast": Wearer(0.8, 0.45, 0.45, shake=4.0),
    "0.5 m/s": Wearer(1.9, 0.27, 0.27, shake=0.4),
    "slower still": Wearer(2.8, 0.2, 0.2, shake=0.35),
    "weak on the right": Wearer(1.5, 0.11, 0.3, opposite=0.36, shake=0.8),
    "weak on the left": Wearer(1.5, 0.3, 0.11, opposite=0.64, shake=0.8),
    "noisy sensors": Wearer(1.1, noise=0.01),
    "leaning forward": Wearer(lean_rad=math.radians(30.0)),
    "ankle": Wearer(shape=ankle, right_rad=0.25, left_rad=0.25),
    "slow ankle": Wearer(1.9, 0.14, 0.14, shape=ankle, shake=0.4),
}
STAYS = {
    "standing still": (Wearer(2.0, 0.03, 0.03, opposite=0.0, shake=0.1), "moved by"),
    "dangling in the air": (Wearer(shake=0.0), "no steps"),
    "a squat": (Wearer(2.0, 0.6, 0.6, opposite=0.0, shake=1.5), "in turn"),
    "one leg moved by hand": (Wearer(left_rad=0.01), "moved by"),
    "lying": (Wearer(lean_rad=math.radians(80.0)), "upright"),
    "shivering": (Wearer(0.3, 0.15, 0.15), "to and fro"),
    "stretching": (Wearer(5.0, 0.4, 0.4), "to and fro"),
    "ankles in the air": (Wearer(shape=ankle, shake=0.0), "no steps"),
}


def feed(sensor, device, state_of, wearer, seconds=8.0, names=HIPS, start_s=0.0):
    """Strides found, as (time since the start, duration)."""
    place = [device.joint_names.index(name) for name in names]
    found = []
    for count in range(round(seconds / STEP_S)):
        t = start_s + count * STEP_S
        position = np.zeros(len(device.joint_names))
        position[place] = wearer.angles(t)[: len(names)]
        state = state_of(device, to_ns(t), count, position=position, imu=wearer.imu(t))
        duration = sensor.see(state)
        if duration is not None:
            found.append((t - start_s, duration))
    return found


def sensor_of(device, shape=hip):
    """On this device, or on one that drives the ankles alone."""
    names = (
        device.joint_names
        if shape is hip
        else tuple(name if name.startswith("ankle") else f"other_{name}" for name in device.joint_names)
    )
    return StrideSensor(names, StrideLimits())


@pytest.mark.parametrize("walk", WALKS)
@pytest.mark.parametrize("start", [0.0, 0.25, 0.5, 0.75])
def test_every_walk_shows_its_strides(device, state_of, walk, start):
    wearer = WALKS[walk]
    names = HIPS if wearer.shape is hip else ANKLES
    found = feed(
        sensor_of(device, wearer.shape),
        device,
        state_of,
        wearer,
        10.0 * wearer.stride_s,
        names,
        start * wearer.stride_s,
    )
    assert found and found[0][0] <= 2.2 * wearer.stride_s  # a part of one, and a full one
    durations = [duration for _, duration in found[1:]]
    assert durations == pytest.approx([wearer.stride_s] * len(durations), rel=0.1)
    assert len(found) >= 14  # both legs' strides count


@pytest.mark.parametrize("case", STAYS)
def test_what_is_no_walk_shows_no_stride_and_says_why(device, state_of, case):
    wearer, word = STAYS[case]
    sensor = sensor_of(device, wearer.shape)
    names = HIPS if wearer.shape is hip else ANKLES
    assert feed(sensor, device, state_of, wearer, 30.0, names) == []
    assert word in sensor.reason


def test_a_device_on_one_leg_needs_no_other_leg(state_of):
    device = load_device(DEVICES / "hip_ankle_right.yaml")
    found = feed(StrideSensor(device.joint_names, StrideLimits()), device, state_of, NORMAL, names=("hip_flexion_r",))
    assert len(found) >= 5


def test_a_device_that_shows_no_stride_is_refused(device):
    names = {f"hip_rotation_{side}": device.joints["hip_flexion_r"] for side in "rl"}
    turner = device.model_copy(update={"joints": names})
    with pytest.raises(SafetyError, match="stride_gate: false"):
        SafetySupervisor(turner, 75.0, SafetyConfig())
    SafetySupervisor(turner, 75.0, SafetyConfig(stride_gate=False))


def test_a_gap_in_the_states_starts_anew(device, state_of):
    sensor = sensor_of(device)
    assert feed(sensor, device, state_of, NORMAL, 4.0)
    found = feed(sensor, device, state_of, NORMAL, 4.0, start_s=6.6)  # in phase with the walk before
    assert found[0][0] > 1.1


class Walk:
    """A rig whose states are those of a wearer who may change what they do."""

    def __init__(self, rig) -> None:
        self.rig, self.wearer = rig, NORMAL
        self._start_ns = rig.now_ns

    def step(self, asked=10.0):
        t = (self.rig.now_ns - self._start_ns) * 1e-9 + STEP_S
        right, left = self.wearer.angles(t)
        position = [
            right if name == HIPS[0] else left if name == HIPS[1] else 0.0 for name in self.rig.device.joint_names
        ]
        return self.rig.step(asked, position=position, imu=self.wearer.imu(t))

    def walk(self, seconds: float, asked=10.0) -> np.ndarray:
        """Outputs of the right hip (Nm)."""
        return np.array([self.step(asked).torque[0] for _ in range(round(seconds / STEP_S))])

    def gain(self) -> float:
        return self.rig.supervisor.assistance_gain(self.rig.now)

    def arm(self) -> "Walk":
        self.step(0.0)
        assert self.rig.supervisor.arm(self.rig.now).success
        self.step(0.0)
        assert self.rig.mode is Mode.ACTIVE
        return self


@pytest.fixture
def walk(rig_of):
    return Walk(rig_of(stride_gate=True, simulated=True)).arm()


def test_torque_fades_in_over_two_strides_after_a_full_one(walk):
    torque = walk.walk(6.0)
    first = int(np.argmax(torque > 0.0)) * STEP_S
    full = int(np.argmax(torque >= 10.0 - 1e-6)) * STEP_S
    assert 1.1 <= first <= 2.3
    assert full - first == pytest.approx(2.0 * 1.1, abs=0.1)
    assert (np.diff(torque) >= -1e-9).all()
    assert walk.rig.cause == ""
    assert any("a full stride of 1." in event.text for event in walk.rig.supervisor.pop_events())


@pytest.mark.parametrize("case", STAYS)
def test_armed_without_walking_gives_no_torque_and_the_reason(walk, case):
    walk.wearer, word = STAYS[case]
    if walk.wearer.shape is not hip:
        pytest.skip("this device's hips are watched")
    assert not walk.walk(20.0).any()
    assert walk.rig.mode is Mode.ACTIVE
    assert walk.rig.cause.startswith("no torque") and (word in walk.rig.cause or "leans" in walk.rig.cause)


def test_assistance_ends_when_the_wearer_stands_and_comes_back_with_a_stride(walk):
    walk.walk(6.0)
    walk.wearer = STAYS["standing still"][0]
    torque = walk.walk(5.0)
    assert torque[0] == pytest.approx(10.0) and not torque[-20:].any()
    assert (np.abs(np.diff(torque)) <= 10.0 * STEP_S / 0.5 + 1e-6).all()  # faded out, over half a second
    assert "moved by" in walk.rig.cause and walk.rig.mode is Mode.ACTIVE
    assert any("fades out" in event.text for event in walk.rig.supervisor.pop_events())
    walk.wearer = NORMAL
    assert walk.walk(6.0)[-1] == pytest.approx(10.0)


def test_every_arming_needs_a_stride_of_its_own(walk):
    walk.walk(6.0)
    rig = walk.rig
    rig.supervisor.disarm(rig.now)
    walk.walk(0.3, 0.0)
    assert rig.mode is Mode.DISARMED
    walk.arm()
    assert not walk.walk(1.0).any()
    assert walk.walk(5.0)[-1] == pytest.approx(10.0)


def test_a_device_without_imu_may_do_without_its_part(rig_of):
    walk = Walk(rig_of(stride_gate=True, stride_least_shake_m_s2=0.0))
    walk.wearer = Wearer(shake=0.0)
    assert walk.arm().walk(6.0)[-1] == pytest.approx(10.0)


def test_without_the_gate_the_fade_is_a_fixed_time(rig_of):
    walk = Walk(rig_of(fade_in_s=1.0, simulated=True)).arm()
    walk.wearer = STAYS["standing still"][0]
    assert walk.walk(2.0)[-1] == pytest.approx(10.0)


@pytest.mark.parametrize(
    "settings, word",
    [
        ({"stride_shortest_s": 3.0}, "stride_shortest_s"),
        ({"stride_longest_s": 0.0}, "stride_longest_s"),
        ({"fade_in_strides": -1.0}, "fade_in_strides"),
    ],
)
def test_settings_are_checked(settings, word):
    with pytest.raises(SafetyError, match=word):
        SafetyConfig(**settings)
