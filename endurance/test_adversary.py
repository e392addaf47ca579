# SPDX-License-Identifier: Apache-2.0
"""An adversary that learns looks for torque that nobody may give.

Cross-entropy search over short scripts: how the joint is kicked about, what the policy asks for, which states come
late, when a button is pressed, when ROS time stands still. What it finds is held against the limits at the state that
the supervisor knew, and against those at the joint's true state.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from exo_core.time import to_ns
from exo_device.devices import find_device
from exo_device.safety import Instant, Mode, SafetyConfig, SafetySupervisor
from exo_device.signals import Command, DeviceState, ImuSample
from exo_sim.measurement import Figure

DEVICE, MASS_KG = "hip_ankle", 75.0
#: Steps of a script; choices in each: acceleration, torque asked for, lateness of the state, button, duration, clock.
STEPS, CHOICES = 40, 6
#: A kicked limb (rad/s^2), beyond any muscle; where its own end is, as a share of the device's range beyond it (rad).
MOST_ACCELERATION, END_BEYOND_RAD = 250.0, 0.16
MOST_ASKED_NM = 80.0
SHORTEST_S, LONGEST_S = 0.002, 0.02
#: Choices beyond these, a standard deviation being 1.5 at first: rare enough to be learned, common enough to be found.
LATE, PRESS, STAND_STILL = 1.0, 3.0, 2.0
SCRIPTS, BEST, KEEP = 40, 8, 0.3
LEAST_SPREAD = 0.2
#: Rounding (Nm, W).
EPSILON = 1e-6


class Worst(NamedTuple):
    """What a script made of the device."""

    #: Torque beyond what range, speed, power and cap allow at the newest state that the supervisor has (Nm).
    beyond_nm: float
    #: ... and at the joint's true state, of which a late one says nothing yet.
    truly_beyond_nm: float
    #: Longest time (s) of torque over 1 Nm beyond the limits at the true state.
    truly_beyond_s: float
    #: Mechanical power at the newest state over its limit (W).
    power_w: float
    #: Torque that was there in the mode that gives none, or more than 150 ms after the last command (Nm).
    unasked_nm: float


class Stage:
    """One device under a script. Joint by joint alike, motors that follow as the device file says."""

    def __init__(self) -> None:
        self.device = find_device(DEVICE)
        self.supervisor = SafetySupervisor(
            self.device, MASS_KG, SafetyConfig(stride_gate=False, fade_in_s=0.0, fade_delay_s=0.0)
        )
        joints = self.device.joints.values()
        self.count = len(self.device.joint_names)
        self.low = np.array([joint.range_rad[0] for joint in joints]) - END_BEYOND_RAD
        self.high = np.array([joint.range_rad[1] for joint in joints]) + END_BEYOND_RAD
        self.bandwidth = np.array([2.0 * np.pi * joint.bandwidth_hz for joint in joints])
        self.ros_ns, self.steady_ns = to_ns(100.0), to_ns(7.0)
        self.sequence = 0
        self.velocity = np.zeros(self.count)
        self.measured = np.zeros(self.count)
        self.output = np.zeros(self.count)
        self.asked_s = 0.0

    def activate(self, position: np.ndarray) -> None:
        self.position = position.copy()
        self.step(0.0, 0.01)
        assert self.supervisor.arm(self.now).success
        for _ in range(5):
            self.step(0.0, 0.01)
        assert self.supervisor.mode is Mode.ACTIVE, self.supervisor.snapshot(self.now).cause

    @property
    def now(self) -> Instant:
        return Instant(self.ros_ns, self.steady_ns)

    def kick(self, acceleration: float, duration_s: float) -> None:
        """Time passes for the limbs: they are driven to and fro between their ends, as no one joint could be."""
        self.velocity = self.velocity + acceleration * duration_s
        self.position = self.position + self.velocity * duration_s
        for end, sign in ((self.high, 1.0), (self.low, -1.0)):
            beyond = sign * (self.position - end) > 0.0
            self.position = np.where(beyond, end, self.position)
            self.velocity = np.where(beyond, sign * np.minimum(sign * self.velocity, 0.0), self.velocity)
        share = -np.expm1(-self.bandwidth * duration_s)
        self.measured = self.measured + share * (self.output - self.measured)

    def step(self, asked: float, duration_s: float, *, has_state: bool = True, clock_stands: bool = False) -> None:
        """A state, a command that answers it, an output."""
        self.steady_ns += to_ns(duration_s)
        self.ros_ns += 0 if clock_stands else to_ns(duration_s)
        if has_state:
            self.sequence += 1
            self.asked_s = 1e-9 * self.steady_ns
            self.supervisor.on_state(self.state(), self.now)
            torque = np.full(self.count, asked)
            self.supervisor.on_command(Command(self.ros_ns, self.sequence, self.device.joint_names, torque), self.now)
        self.output = self.supervisor.update(self.now).torque

    def state(self) -> DeviceState:
        up = ImuSample(np.array([0.0, 0.0, 0.0, 1.0]), np.zeros(3), np.array([0.0, 0.0, 9.81]))
        return DeviceState(
            self.ros_ns,
            self.sequence,
            self.device.joint_names,
            self.position,
            self.velocity,
            self.measured,
            np.full(self.count, 30.0),
            np.zeros(self.count, dtype=int),
            self.device.bus_voltage_v,
            up,
        )

    def allowed(self, position: np.ndarray, velocity: np.ndarray) -> np.ndarray:
        """Largest torque (Nm) of the output's sign at this state."""
        limits = self.supervisor.limits
        return np.abs(limits.shape(np.copysign(limits.cap, self.output), position, velocity))


def play(script: np.ndarray, start_rad: float) -> Worst:
    """A script from a device at full torque. Shape (STEPS, CHOICES); anything is one."""
    stage = Stage()
    stage.activate(np.full(stage.count, start_rad))
    for _ in range(12):
        stage.step(MOST_ASKED_NM, 0.01)
    known = stage.supervisor._states.state
    worst = np.zeros(len(Worst._fields))
    lasting_s = 0.0
    for kick, ask, late, press, duration, clock in script:
        duration_s = SHORTEST_S + (LONGEST_S - SHORTEST_S) / (1.0 + np.exp(-duration))
        stage.kick(MOST_ACCELERATION * np.tanh(kick), duration_s)
        if press > PRESS:
            stage.supervisor.stop(stage.now)
        elif press < -PRESS:
            stage.supervisor.disarm(stage.now)
            stage.supervisor.arm(stage.now)
        stage.step(MOST_ASKED_NM * np.tanh(ask), duration_s, has_state=late < LATE, clock_stands=clock > STAND_STILL)
        known = stage.supervisor._states.state or known
        output = np.abs(stage.output)
        beyond = (output - stage.allowed(known.position, known.velocity)).max()
        truly = (output - stage.allowed(stage.position, stage.velocity)).max()
        lasting_s = lasting_s + duration_s if truly > 1.0 else 0.0
        power = (output * np.abs(known.velocity) - stage.supervisor.limits.power).max()
        quiet = stage.supervisor.mode in (Mode.DISARMED, Mode.ARMING, Mode.FAULT)
        unasked = output.max() if quiet or 1e-9 * stage.steady_ns - stage.asked_s > 0.15 else 0.0
        worst = np.maximum(worst, [beyond, truly, lasting_s, power, unasked])
    return Worst(*worst)


def search(goal: str, generations: int, random: np.random.Generator) -> tuple[float, np.ndarray]:
    """The worst value of a goal that was found, and its script."""
    mean, spread = np.zeros((STEPS, CHOICES)), np.full((STEPS, CHOICES), 1.5)
    mean[:, 2:4] = -1.0, 0.0
    found, script = -np.inf, mean
    for _ in range(generations):
        scripts = mean + spread * random.standard_normal((SCRIPTS, STEPS, CHOICES))
        starts = random.uniform(-0.3, 0.3, SCRIPTS)
        values = np.array([getattr(play(each, start), goal) for each, start in zip(scripts, starts, strict=True)])
        best = np.argsort(-values)[:BEST]
        if values[best[0]] > found:
            found, script = float(values[best[0]]), scripts[best[0]]
        mean = KEEP * mean + (1.0 - KEEP) * scripts[best].mean(axis=0)
        spread = KEEP * spread + (1.0 - KEEP) * np.maximum(scripts[best].std(axis=0), LEAST_SPREAD)
    return found, script


#: What may be found at most. A state that is up to state_timeout_s old says nothing of where the joint is by now:
#: what is beyond the limits at the true state is bounded by that age and the ramp, and is told.
TARGETS = {
    "beyond_nm": EPSILON,
    "truly_beyond_nm": None,
    "truly_beyond_s": None,
    "power_w": EPSILON,
    "unasked_nm": EPSILON,
}


@pytest.mark.endurance
@pytest.mark.parametrize("goal", Worst._fields)
def test_an_adversary_finds_no_torque_beyond_the_limits(results, request, goal):
    generations = request.config.getoption("--generations")
    random = np.random.default_rng([request.config.getoption("--trial-seed"), Worst._fields.index(goal)])
    found, script = search(goal, generations, random)
    results.keep(f"adversary {goal}", {"found": found, "script": script.round(3).tolist()})
    name, most = f"adversary_{goal}", TARGETS[goal]
    unit = {"nm": "Nm", "s": "s", "w": "W"}[goal.rpartition("_")[2]]
    results.judge([Figure(name, found, unit) if most is None else Figure.against(name, found, unit, at_most=most)])
