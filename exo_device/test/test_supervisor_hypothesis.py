# SPDX-License-Identifier: Apache-2.0
"""Hypothesis looks for a sequence of commands, times and faults that makes an output beyond the limits.

EXO_PROPERTY_EXAMPLES sets how many sequences it tries of each kind: a few in the suite, many in a trial.
"""

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, target
from hypothesis import strategies as st

from exo_core.time import to_ns
from exo_device.safety import Instant, Mode
from exo_device.safety.stride_gate import FADE_OUT_S
from exo_device.signals import Command, ImuSample

EXAMPLES = int(os.environ.get("EXO_PROPERTY_EXAMPLES", "60"))
TRY = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="EXO_PROPERTY_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
#: Many take long; a few do not, on the busiest machine.
pytestmark = pytest.mark.timeout(0 if "EXO_PROPERTY_EXAMPLES" in os.environ else 300)
#: A walk takes hundreds of steps.
TRY_WALKS = settings(TRY, max_examples=max(1, EXAMPLES // 3))
EPSILON = 1e-9
JOINTS = 4
#: The wearer's stride (s), swing of the hips (rad), and time between two states (s).
STRIDE_S, HIP_SWING_RAD, WALK_STEP_S = 0.7, 0.3, 0.01
#: From the moment at which the stride gate notices to the last torque: outputs come every 10 ms, torque slews.
SLACK_S = 0.15

any_number = st.floats(width=64)  # NaN, infinities, subnormal and huge ones too
wish = st.one_of(st.floats(-80.0, 80.0), st.floats(-80.0, 80.0), any_number)
times_s = st.one_of(st.sampled_from([0.0005, 0.005, 0.01, 0.01, 0.02]), st.floats(0.0, 0.3))
jumps_s = st.one_of(st.sampled_from([-5.0, -0.05, 0.05, 0.6, 1e6]), st.floats(-2.0, 2.0))

sane_step = st.tuples(st.just("step"), times_s, st.floats(-80.0, 80.0), st.floats(-0.5, 0.6), st.floats(-9.0, 9.0))
events = st.one_of(
    sane_step,
    sane_step,
    sane_step,
    st.tuples(st.just("wish"), st.lists(wish, max_size=JOINTS + 1)),
    st.tuples(
        st.just("names"),
        st.lists(st.sampled_from(["hip_flexion_r", "ankle_angle_l", "elbow", ""]), max_size=JOINTS + 1),
    ),
    st.tuples(st.just("old"), st.integers(-5, 0), st.floats(-1.0, 1.0)),
    st.tuples(st.just("measured"), st.sampled_from(["position", "velocity", "torque", "temperature"]), any_number),
    st.tuples(st.just("error"), st.integers(0, 2**32 - 1)),
    st.tuples(st.just("jump"), jumps_s),
    st.tuples(st.just("silence"), times_s, st.booleans()),
    st.tuples(st.just("press"), st.sampled_from(["arm", "disarm", "stop", "shutdown"])),
    st.tuples(st.just("bus_lost")),
)


class Watched:
    """A rig whose every output is held against the limits."""

    def __init__(self, rig):
        self.rig, self.steady_ns = rig, rig.now_ns
        self.largest = 0.0
        self.before, self.then = np.zeros(JOINTS), self.now
        self.stopped_ns = None

    @property
    def now(self) -> Instant:
        return Instant(self.rig.now_ns, self.steady_ns)

    def pass_time(self, duration_s: float) -> None:
        self.rig.now_ns += to_ns(duration_s)
        self.steady_ns += to_ns(duration_s)

    def do(self, event) -> None:
        kind, *values = event
        getattr(self, f"_{kind}")(*values)
        self._look()

    def _step(self, dt_s, asked, position, velocity):
        self.pass_time(dt_s)
        self._state(position=np.full(JOINTS, position), velocity=np.full(JOINTS, velocity))
        self._command(np.full(JOINTS, asked))

    def _wish(self, torque):
        self._command(np.array(torque, dtype=float))

    def _names(self, names):
        self._command(np.full(len(names), 5.0), names=tuple(names))

    def _old(self, back, ahead_s):
        self._command(
            np.full(JOINTS, 5.0),
            sequence=max(self.rig.command_sequence + back, 0),
            state_stamp_ns=max(self.rig.now_ns + to_ns(ahead_s), 0),
        )

    def _measured(self, field, value):
        self._state(**{field: np.full(JOINTS, value)})

    def _error(self, code):
        self._state(error=np.full(JOINTS, code, dtype=np.int64))

    def _jump(self, duration_s):
        self.rig.now_ns = max(self.rig.now_ns + to_ns(duration_s), 0)

    def _silence(self, duration_s, has_state):
        self.pass_time(duration_s)
        if has_state:
            self._state()

    def _press(self, button):
        getattr(self.rig.supervisor, button)(self.now)

    def _bus_lost(self):
        self.rig.supervisor.bus_lost("the bus", self.now)

    def _state(self, **measured):
        rig = self.rig
        rig.sequence += 1
        rig.supervisor.on_state(MAKE_STATE[0](rig.device, rig.now_ns, rig.sequence, **measured), self.now)

    def _command(self, torque, **changes):
        command = self.rig.command(0.0)
        fields = {name: getattr(command, name) for name in ("state_stamp_ns", "sequence", "names")}
        self.rig.supervisor.on_command(Command(**{**fields, "torque": torque, **changes}), self.now)

    def _look(self) -> None:
        supervisor, now = self.rig.supervisor, self.now
        output = supervisor.update(now)
        torque = output.torque
        assert output.names == supervisor.joint_names and np.isfinite(torque).all()
        assert (np.abs(torque) <= supervisor.limits.cap).all()
        elapsed_s = max(now.ros_since(self.then), now.steady_since(self.then)) + supervisor.config.period_s
        # towards zero torque may fall at once: what range, speed and power forbid is not slewed
        grown = np.abs(torque) - np.where(torque * self.before > 0.0, np.abs(self.before), 0.0)
        assert (grown <= supervisor.limits.slew * elapsed_s + EPSILON).all()
        if supervisor.mode in (Mode.DISARMED, Mode.ARMING, Mode.FAULT):
            assert not torque.any()
        if not output.enable:
            assert not torque.any()
        if supervisor.mode is Mode.FAULT:
            assert supervisor.snapshot(now).faults
        self._look_at_stop(now)
        self.before, self.then = torque, now
        self.largest = max(self.largest, float(np.abs(torque).max()))

    def _look_at_stop(self, now: Instant) -> None:
        """A stop is over after the ramp's time, on either clock, whatever else happens."""
        if self.rig.mode is not Mode.STOPPING:
            self.stopped_ns = None
            return
        if self.stopped_ns is None:
            self.stopped_ns = now.steady_ns
        assert now.steady_ns - self.stopped_ns <= to_ns(self.rig.supervisor.config.ramp_down_s)


class Gated(Watched):
    """The same with the stride gate on, and a wearer who may walk."""

    def __init__(self, rig):
        super().__init__(rig)
        self.walked_ns, self.walking_s = -to_ns(1e6), 0.0

    def _walk(self, seconds, asked):
        """Hips to and fro in turn, and a pelvis that is shaken by steps."""
        for _ in range(round(seconds / WALK_STEP_S)):
            self.pass_time(WALK_STEP_S)
            self.walking_s += WALK_STEP_S
            turn = 2.0 * np.pi * self.walking_s / STRIDE_S
            names = self.rig.device.joint_names
            swing_rad = np.array(
                [("hip" in name) * HIP_SWING_RAD * (-1.0 if name.endswith("_l") else 1.0) for name in names]
            )
            position, velocity = swing_rad * np.sin(turn), swing_rad * np.cos(turn) * 2.0 * np.pi / STRIDE_S
            self.walked_ns = self.rig.now_ns
            self._state(position=position, velocity=velocity, imu=shaken(1.5 * np.cos(2.0 * turn)))
            self._command(np.full(JOINTS, asked))
            self._look()

    def _squat(self, seconds, hz, swing_rad, shake, asked):
        """Both legs together, as fast and as shaken as you like: no stride."""
        start_ns = self.rig.now_ns
        for _ in range(round(seconds / WALK_STEP_S)):
            self.pass_time(WALK_STEP_S)
            turn = 2.0 * np.pi * hz * (self.rig.now_ns - start_ns) * 1e-9
            self._state(
                position=np.full(JOINTS, swing_rad * np.sin(turn)),
                velocity=np.full(JOINTS, swing_rad * np.cos(turn) * 2.0 * np.pi * hz),
                imu=shaken(shake * np.cos(2.0 * turn)),
            )
            self._command(np.full(JOINTS, asked))
            self._look()

    def _look(self) -> None:
        super()._look()
        if self.before.any() and self.rig.mode is Mode.ACTIVE:
            # the last stride may have begun while walking and end with whatever comes then
            longest_s = 2.0 * self.rig.supervisor.config.stride_longest_s + FADE_OUT_S + SLACK_S
            assert (self.rig.now_ns - self.walked_ns) * 1e-9 <= longest_s


def shaken(up_m_s2: float) -> ImuSample:
    """An upright pelvis with this acceleration on top of gravity."""
    return ImuSample(np.array([0.0, 0.0, 0.0, 1.0]), np.zeros(3), np.array([0.0, 0.0, 9.81 + up_m_s2]))


#: Of conftest; hypothesis and fixtures of a test do not go together well in a class.
MAKE_STATE = []


@TRY
@given(sequence=st.lists(events, min_size=1, max_size=60))
def test_no_sequence_from_a_device_with_torque_makes_an_output_beyond_the_limits(sequence, rig_of, state_of):
    MAKE_STATE[:] = [state_of]
    watched = Watched(rig_of(fade_in_s=0.0).activate())
    for event in [("step", 0.01, 30.0, 0.1, 0.5)] * 3 + sequence:
        watched.do(event)
    assert watched.largest > 1.0  # there was torque at the start
    target(watched.largest)


@TRY
@given(sequence=st.lists(events, min_size=1, max_size=60))
def test_no_sequence_from_a_disarmed_device_makes_an_output_beyond_the_limits(sequence, rig_of, state_of):
    MAKE_STATE[:] = [state_of]
    watched = Watched(rig_of(fade_in_s=0.0))
    for event in sequence:
        watched.do(event)
    target(watched.largest)


@TRY
@given(sequence=st.lists(events, max_size=30), silence=st.lists(st.floats(0.0005, 0.01), min_size=400, max_size=400))
def test_without_commands_there_is_no_torque_after_150_ms(sequence, silence, rig_of, state_of):
    """Whatever came before: from the last command on, states and outputs come every 10 ms or sooner."""
    MAKE_STATE[:] = [state_of]
    watched = Watched(rig_of(fade_in_s=0.0).activate())
    for event in [("step", 0.01, 30.0, 0.1, 0.5)] * 3 + sequence:
        watched.do(event)
    last_ns = watched.steady_ns
    for duration_s in silence:
        watched.do(("silence", duration_s, True))
        if watched.steady_ns - last_ns > to_ns(0.15):
            assert not watched.before.any()


walking = st.tuples(st.just("walk"), st.floats(0.05, 2.5), st.floats(-80.0, 80.0))
no_walking = st.tuples(
    st.just("squat"),
    st.floats(0.05, 2.5),
    st.floats(0.2, 3.0),
    st.floats(0.0, 0.6),
    st.floats(0.0, 6.0),
    st.floats(-80.0, 80.0),
)


@TRY_WALKS
@given(sequence=st.lists(st.one_of(events, events, events, walking, no_walking), max_size=40))
def test_with_the_stride_gate_torque_stays_within_the_limits_and_ends_after_the_last_stride(sequence, rig_of, state_of):
    MAKE_STATE[:] = [state_of]
    watched = Gated(rig_of(stride_gate=True, fade_in_strides=1.0).activate())
    watched.do(("walk", 4.0 * STRIDE_S, 30.0))
    assert watched.largest > 1.0  # the gate has opened
    for event in [*sequence, ("squat", 7.0, 1.0, 0.3, 2.0, 30.0)]:
        watched.do(event)
    assert not watched.before.any()


@TRY_WALKS
@given(sequence=st.lists(st.one_of(events, events, no_walking), max_size=40))
def test_without_a_stride_no_sequence_makes_torque(sequence, rig_of, state_of):
    MAKE_STATE[:] = [state_of]
    watched = Gated(rig_of(stride_gate=True).activate())
    for event in sequence:
        watched.do(event)
    assert watched.largest == 0.0
