# SPDX-License-Identifier: Apache-2.0
"""Whatever comes in, in whatever order and at whatever times: what goes out stays within the limits."""

import numpy as np
import pytest

from exo_core.time import to_ns
from exo_device.safety import Fault, Instant, Mode, SafetyConfig, SafetySupervisor
from exo_device.signals import Command

STREAMS = 40
STEPS = 300
ODD_NUMBERS = (float("nan"), float("inf"), -float("inf"), 1e308, -1e308, 1e9, -1e9, 0.0, -0.0, 5e-324)
ODD_TIMES_S = (-1e9, -5.0, -0.06, -0.01, 0.0, 0.001, 0.06, 0.6, 5.0, 1e6)
#: Longest wait between two steps (s): a loop that misses a few periods.
LONGEST_STEP_S = 0.04
EPSILON = 1e-9


class Chaos:
    """A stream of states and commands in which each thing goes wrong with some probability."""

    def __init__(self, seed: int, device, make_state) -> None:
        self.random = np.random.default_rng(seed)
        self.device = device
        self.make_state = make_state
        #: Some streams are almost sane, so that torque is given; some are all noise.
        self.madness = 10 ** self.random.uniform(-3.5, -0.3)
        mass = self.random.uniform(30.0, 150.0)
        self.supervisor = SafetySupervisor(
            device,
            mass,
            SafetyConfig(
                stride_gate=False,
                fade_in_s=self.random.choice([0.0, 0.05]),
                fade_delay_s=0.0,
                lockstep=bool(self.random.random() < 0.2),
            ),
        )
        self.ros_ns, self.steady_ns = to_ns(10.0), to_ns(1000.0)
        self.state_sequence = self.command_sequence = 0
        self.stamp_ns = self.ros_ns
        self.wish = np.zeros(len(device.joint_names))

    def mad(self) -> bool:
        return self.random.random() < self.madness

    def number(self, scale: float) -> float:
        if self.mad():
            return float(self.random.choice(ODD_NUMBERS))
        return float(self.random.normal(0.0, scale))

    def numbers(self, scale: float) -> np.ndarray:
        count = len(self.device.joint_names)
        if self.mad():
            count = int(self.random.integers(0, 7))
        return np.array([self.number(scale) for _ in range(count)])

    def now(self) -> Instant:
        return Instant(self.ros_ns, self.steady_ns)

    def pass_time(self) -> None:
        longest_s = LONGEST_STEP_S if self.mad() else 0.005
        step_ns = to_ns(self.random.choice([0.0005, 0.002, 0.01, 0.01, 0.01, longest_s]))
        self.steady_ns += step_ns
        self.ros_ns += step_ns
        if self.mad():
            self.ros_ns = max(0, self.ros_ns + to_ns(self.random.choice(ODD_TIMES_S)))

    def state(self):
        self.state_sequence = (self.state_sequence + 1) % 2**32
        if self.mad():
            self.state_sequence = int(self.random.integers(0, 2**32))
        self.stamp_ns = self.ros_ns
        if self.mad():
            self.stamp_ns = max(0, self.stamp_ns + to_ns(self.random.choice(ODD_TIMES_S)))
        count = len(self.device.joint_names)
        return self.make_state(
            self.device,
            self.stamp_ns,
            self.state_sequence,
            position=np.array([self.number(0.2) for _ in range(count)]),
            velocity=np.array([self.number(3.0) for _ in range(count)]),
            torque=np.array([self.number(5.0) for _ in range(count)]),
            temperature=np.full(count, 90.0 if self.mad() else 40.0),
            error=np.array([int(self.mad() and self.random.integers(0, 100)) for _ in range(count)]),
        )

    def command(self) -> Command:
        self.command_sequence = (self.command_sequence + 1) % 2**32
        if self.mad():
            self.command_sequence = int(self.random.integers(0, 2**32))
        names = self.device.joint_names
        if self.mad():
            names = tuple(self.random.choice([*names, "elbow_r", ""], size=self.random.integers(0, 6)))
        scale = 0.0 if self.supervisor.mode in (Mode.DISARMED, Mode.ARMING) else 40.0
        stamp_ns = self.stamp_ns + (to_ns(self.random.choice(ODD_TIMES_S)) if self.mad() else 0)
        return Command(stamp_ns, self.command_sequence, names, self.numbers(scale))

    def act(self) -> None:
        """One thing happens."""
        supervisor, now = self.supervisor, self.now()
        kind = self.random.random()
        if kind < 0.45:
            supervisor.on_state(self.state(), now)
        elif kind < 0.9:
            supervisor.on_command(self.command(), now)
        elif kind < 0.95 and supervisor.mode in (Mode.DISARMED, Mode.FAULT):
            supervisor.disarm(now)
            supervisor.arm(now)
        elif self.mad():
            self.random.choice([supervisor.stop, supervisor.shutdown, supervisor.disarm, supervisor.arm])(now)
        elif self.mad():
            supervisor.bus_lost("bus", now)


@pytest.mark.parametrize("block", range(6))
def test_no_stream_of_inputs_makes_an_output_beyond_the_limits(block, device, state_of):
    reached = set()
    largest = 0.0
    for seed in range(block * STREAMS, (block + 1) * STREAMS):
        chaos = Chaos(seed, device, state_of)
        cap, slew = chaos.supervisor.limits.cap, chaos.supervisor.limits.slew
        period_s = chaos.supervisor.config.period_s
        before, before_now = np.zeros(len(cap)), chaos.now()
        for _ in range(STEPS):
            chaos.pass_time()
            for _ in range(chaos.random.integers(0, 4)):
                chaos.act()
            now = chaos.now()
            output = chaos.supervisor.update(now)
            torque = output.torque
            assert output.names == device.joint_names
            assert np.isfinite(torque).all()
            assert (np.abs(torque) <= cap).all()
            # in lockstep, too, wall time counts once the simulator is gone
            elapsed_s = max(now.ros_since(before_now), now.steady_since(before_now))
            # towards zero torque may fall at once: what range, speed and power forbid is not slewed
            grown = np.abs(torque) - np.where(torque * before > 0.0, np.abs(before), 0.0)
            assert (grown <= slew * (elapsed_s + period_s) + EPSILON).all()
            if not output.enable:
                assert not torque.any()
            mode = chaos.supervisor.mode
            if mode in (Mode.DISARMED, Mode.ARMING, Mode.FAULT):
                assert not torque.any()
            if mode is Mode.FAULT:
                assert chaos.supervisor.snapshot(now).faults
            reached.add(mode)
            largest = max(largest, float(np.abs(torque).max()))
            before, before_now = torque, now
    assert reached == set(Mode)  # the streams do get everywhere
    assert largest > 10.0


@pytest.mark.parametrize("seed", range(60))
def test_from_any_moment_without_commands_torque_is_zero_within_150_ms(seed, device, rig_of):
    """Commands end at a random moment of a random stream; outputs come at random intervals up to 10 ms."""
    random = np.random.default_rng(seed)
    rig = rig_of(fade_in_s=0.0).activate()
    position, way = (
        np.zeros(4),
        random.choice([-1.0, 1.0]),
    )  # back and forth within a moment would be a fault of its own
    asked = 0.0
    for k in range(random.integers(5, 200)):
        position = (position + 0.02 * random.standard_normal(4)).clip(-0.4, 0.4)
        if k % 20 == 0:  # more often would shake
            asked = way * float(random.uniform(0.0, 60.0))
        rig.step(asked, position=position)
    assert rig.mode is Mode.ACTIVE
    lost_ns = rig.now_ns
    while True:
        has_state = bool(random.random() < 0.8)
        rig.step(dt_s=random.uniform(0.001, 0.01), has_state=has_state, has_command=False, position=position)
        assert rig.now_ns - lost_ns <= to_ns(0.15)
        if not rig.output.enable:
            break
    assert not rig.output.torque.any()
    assert rig.mode is Mode.FAULT
    assert rig.faults & (Fault.STALE_COMMAND | Fault.STALE_STATE | Fault.BUS_LOST)


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("end", ["stop", "disarm", "shutdown"])
def test_from_any_moment_a_stop_is_over_within_the_ramp_time(seed, end, rig_of):
    random = np.random.default_rng(1000 + seed)
    rig = rig_of(fade_in_s=0.0).activate()
    way = random.choice([-1.0, 1.0])
    for _ in range(random.integers(5, 100)):
        rig.step(way * float(random.uniform(0.0, 60.0)))
    getattr(rig.supervisor, end)(rig.now)
    stopped_ns = rig.now_ns
    while rig.step(50.0, dt_s=random.uniform(0.001, 0.01)).enable:
        pass
    assert rig.now_ns - stopped_ns <= to_ns(0.1)


def test_equal_inputs_give_equal_outputs(device, state_of):
    def outputs(seed):
        chaos = Chaos(seed, device, state_of)
        torques = []
        for _ in range(STEPS):
            chaos.pass_time()
            chaos.act()
            torques.append(chaos.supervisor.update(chaos.now()).torque)
        return np.array(torques)

    for seed in range(20):
        np.testing.assert_array_equal(outputs(seed), outputs(seed))
