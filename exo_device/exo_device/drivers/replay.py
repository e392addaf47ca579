# SPDX-License-Identifier: Apache-2.0
"""Driver that plays a recording: for working on policies with real data. Torque goes nowhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from exo_core.errors import warn
from exo_core.recordings import Recorded, RecordingError, RecordingReader
from exo_core.time import NANOSECONDS_PER_SECOND, stamp_ns, to_ns
from exo_device.drivers.base import Driver, DriverError, Settings
from exo_device.signals import SEQUENCE_WRAP, DeviceState, ImuSample, MotorTorque

#: An IMU sample older than this (s) counts as none, as for the drivers of real motors (drivers/imu.py).
LARGEST_IMU_AGE_S = 0.03
#: So far (s) stamps may step ahead of the time of recording from one message to the next: a simulation runs fast.
LARGEST_LEAP_S = 1.0
#: At its begin a recorder may hear the joints that long (s) before the IMU; those states are left out.
LATE_IMU_S = 1.0


class ReplayConfig(Settings):
    """Which recording, and how it plays."""

    #: MCAP file with exo/joint_states and exo/imu, a run folder of `exo sim`, or a folder of rosbag2 (split files too).
    path: str
    #: Recorded time per wall time.
    speed: Annotated[float, Field(gt=0.0, le=100.0)] = 1.0
    #: Plays again from the start when it has ended; otherwise the end is a lost bus.
    repeat: bool = False
    #: now: samples are stamped with the time that they are played at. recorded: with their own stamps, for
    #: a device node in lockstep, which takes its time from them.
    stamps: Literal["now", "recorded"] = "now"
    #: Topics; a name without a leading slash fits in any namespace.
    joint_topic: str = "exo/joint_states"
    imu_topic: str = "exo/imu"


@dataclass
class Tape:
    """States in the order of their stamps."""

    states: list[DeviceState] = field(default_factory=list)
    #: False: more states may be appended while it plays.
    is_complete: bool = True
    #: What whoever plays it has to know, one sentence each.
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Sample:
    stamp_ns: int
    log_ns: int
    message: Any


def load_tape(config: ReplayConfig) -> Tape:
    """Joint states of a recording, each with the IMU sample of its stamp or the one before.

    A recording whose recorder was killed is read up to where it breaks off. Stamps that were never filled in are
    replaced by the time of recording, which the tape's notes say.

    Raises:
        DriverError: one line: not a recording, topics missing or not decodable, stamps that go back, an IMU sample that
            is older than LARGEST_IMU_AGE_S or comes from the future, a state that contradicts itself.
    """
    found: dict[str, list[_Sample]] = {config.joint_topic: [], config.imu_topic: []}
    taken: dict[str, str] = {}
    try:
        for recorded in RecordingReader(config.path).messages(lambda topic: _wanted(topic, config) is not None):
            name = _wanted(recorded.topic, config) or recorded.topic
            if taken.setdefault(name, recorded.topic) != recorded.topic:
                raise DriverError(
                    f"{config.path}: both {' and '.join(sorted((taken[name], recorded.topic)))} are {name}; "
                    "set joint_topic and imu_topic with a leading slash"
                )
            found[name].append(_sample(recorded))
    except RecordingError as error:
        raise DriverError(str(error) if str(config.path) in str(error) else f"{config.path}: {error}") from error
    for name, samples in found.items():
        if not samples:
            raise DriverError(f"{config.path}: no messages on {name}; a recording of `exo sim` has them")
    notes = []
    joints, imus = found[config.joint_topic], found[config.imu_topic]
    unstamped = [
        taken[name] for name, samples in found.items() if len({s.stamp_ns for s in samples}) == 1 < len(samples)
    ]
    if unstamped:
        notes.append(
            f"{config.path}: all stamps of {' and '.join(unstamped)} are the same; the times of recording are taken "
            "for both topics instead"
        )
        joints, imus = ([_Sample(s.log_ns, s.log_ns, s.message) for s in samples] for samples in (joints, imus))
    for name, samples in ((taken[config.joint_topic], joints), (taken[config.imu_topic], imus)):
        _refuse_leaps(config, name, samples)
    return Tape(_states(config, taken, joints, imus), notes=notes)


def _sample(recorded: Recorded) -> _Sample:
    message = recorded.decode()
    try:
        stamp = message.header.stamp
        return _Sample(stamp_ns(stamp), recorded.log_time_ns, message)
    except AttributeError as error:
        raise RecordingError(f"{recorded.topic} is {recorded.type_name}, which has no header") from error


def _refuse_leaps(config: ReplayConfig, topic: str, samples: Sequence[_Sample]) -> None:
    """Raise DriverError where stamps go back, or leap ahead of the time of recording: nothing would play meanwhile."""
    for number, (before, after) in enumerate(zip(samples, samples[1:], strict=False), start=2):
        step_ns, waited_ns = after.stamp_ns - before.stamp_ns, after.log_ns - before.log_ns
        if step_ns < 0:
            what, why = (
                f"go back by {-step_ns / NANOSECONDS_PER_SECOND:.3f} s",
                ("two walks in one recording have to be split, or a clock was set"),
            )
        elif step_ns - max(waited_ns, 0) > to_ns(LARGEST_LEAP_S):
            what, why = (
                f"leap ahead by {step_ns / NANOSECONDS_PER_SECOND:.3f} s",
                ("a clock was set, or the stamps before were not filled in"),
            )
        else:
            continue
        at_s = (after.log_ns - samples[0].log_ns) / NANOSECONDS_PER_SECOND
        raise DriverError(
            f"{config.path}: the stamps of {topic} {what} at message {number}, {at_s:.2f} s after the recording's "
            f"begin; {why}"
        )


def _states(
    config: ReplayConfig, taken: dict[str, str], joints: Sequence[_Sample], imus: Sequence[_Sample]
) -> list[DeviceState]:
    first_ns = joints[0].stamp_ns
    stamps = np.array([sample.stamp_ns for sample in imus])
    converted = [ImuSample.of_message(sample.message) for sample in imus]
    states: list[DeviceState] = []
    for sample in joints:
        place = int(np.searchsorted(stamps, sample.stamp_ns, side="right")) - 1
        at_s = (sample.stamp_ns - first_ns) / NANOSECONDS_PER_SECOND
        if place < 0:
            ahead_s = (stamps[0] - sample.stamp_ns) / NANOSECONDS_PER_SECOND
            if ahead_s > LATE_IMU_S:
                raise DriverError(
                    f"{config.path}: {at_s:.2f} s after the first joint state the first sample of "
                    f"{taken[config.imu_topic]} is still {_apart(ahead_s)} in the future; do both have the same clock?"
                )
            continue
        age_ns = sample.stamp_ns - int(stamps[place])
        if age_ns > to_ns(LARGEST_IMU_AGE_S):
            raise DriverError(
                f"{config.path}: {at_s:.2f} s after the first joint state the newest sample of "
                f"{taken[config.imu_topic]} is {_apart(age_ns / NANOSECONDS_PER_SECOND)} old, and a device stops after "
                f"{1e3 * LARGEST_IMU_AGE_S:.0f} ms without one; did the IMU fall silent, or has it another clock?"
            )
        if not states or sample.stamp_ns > states[-1].stamp_ns:
            states.append(_state(sample.message, sample.stamp_ns, len(states), converted[place]))
    if not states:
        raise DriverError(f"{config.path}: no joint state comes after the first sample of {taken[config.imu_topic]}")
    return states


def _apart(seconds: float) -> str:
    return f"{1e3 * seconds:.0f} ms" if seconds < 1.0 else f"{seconds:.2f} s"


def _wanted(topic: str, config: ReplayConfig) -> str | None:
    for name in (config.joint_topic, config.imu_topic):
        if topic == name or (not name.startswith("/") and topic.endswith("/" + name)):
            return name
    return None


def _state(message: Any, stamp_ns: int, sequence: int, imu: ImuSample) -> DeviceState:
    count = len(message.name)
    return DeviceState(
        stamp_ns=stamp_ns,
        sequence=sequence,
        names=tuple(message.name),
        position=np.array(message.position),
        velocity=np.array(message.velocity),
        # motors that measure no effort leave it out (ros2_control: measures_effort: false): not known, as their heat
        torque=np.array(message.effort) if len(message.effort) else np.zeros(count),
        temperature=np.full(count, np.nan),
        error=np.zeros(count, dtype=int),
        bus_voltage=float("nan"),
        imu=imu,
    )


class ReplayDriver(Driver):
    """Hands out a tape's states when their time has come, counted from the first read().

    tape: instead of the one that config names.
    """

    name = "replay"
    has_real_motors = False
    measures_torque = False

    def __init__(
        self, config: ReplayConfig, tape: Tape | None = None, ros_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self.config = config
        self._given, self._ros_ns = tape, ros_ns
        self._tape: Tape | None = None
        self._joint_names: tuple[str, ...] = ()
        self._woken = threading.Condition()
        self._wake = False
        self._next = self._rounds = 0
        self._start_steady_ns: int | None = None
        self._start_ros_ns = 0
        #: What was written last; motors that are not there got it.
        self.motor_torque: MotorTorque | None = None

    def connect(self) -> None:
        self._tape = tape = self._given or load_tape(self.config)
        warn(tape.notes)

    def configure(self, joint_names: tuple[str, ...]) -> None:
        if self._tape is None or not joint_names:
            raise DriverError("driver 'replay': connect it first, and configure at least one joint")
        if self._tape.states:
            self._require(self._tape.states[0], joint_names)
        self._joint_names = tuple(joint_names)
        self._next = self._rounds = 0
        self._start_steady_ns = None

    def read(self, timeout_s: float) -> DeviceState | None:
        self._require_ready()
        self._start_at_first_read()
        end_ns = time.monotonic_ns() + to_ns(timeout_s)
        with self._woken:
            while not self._wake:
                due_ns, now_ns = self._due_ns(), time.monotonic_ns()
                if due_ns is not None and due_ns <= now_ns:
                    break
                until_ns = end_ns if due_ns is None else min(end_ns, due_ns)
                if now_ns >= end_ns or self._woken.wait((until_ns - now_ns) / NANOSECONDS_PER_SECOND):
                    break
            self._wake = False
        return self._newest_due()

    def write(self, motor_torque: MotorTorque) -> MotorTorque:
        self._require_ready()
        self.motor_torque = self.checked(motor_torque, self._joint_names)
        return self.motor_torque

    def wake(self) -> None:
        with self._woken:
            self._wake = True
            self._woken.notify()

    def disconnect(self) -> None:
        if self._joint_names:
            self.motor_torque = MotorTorque.off(self._joint_names)
        self._tape, self._joint_names = None, ()

    def _start_at_first_read(self) -> None:
        if self._start_steady_ns is None and self._playing.states:
            self._start_steady_ns, self._start_ros_ns = time.monotonic_ns(), self._ros_ns()

    def _played_ns(self, index: int, rounds: int) -> int:
        """Time (ns) from the start to this state, as it plays."""
        states = self._playing.states
        first_ns, last_ns = states[0].stamp_ns, states[-1].stamp_ns
        period_ns = (last_ns - first_ns) // max(len(states) - 1, 1)  # the pause between two rounds
        recorded_ns = states[index].stamp_ns - first_ns + rounds * (last_ns - first_ns + period_ns)
        return round(recorded_ns / self.config.speed)

    def _due_ns(self) -> int | None:
        """Steady time of the next state; None when there is none."""
        states = self._playing.states
        if self._next >= len(states):
            if not self._playing.is_complete:
                return None
            if not self.config.repeat:
                raise DriverError(f"the recording {self.config.path} has ended; repeat: true plays it again")
            self._next, self._rounds = 0, self._rounds + 1
        return (self._start_steady_ns or 0) + self._played_ns(self._next, self._rounds)

    def _newest_due(self) -> DeviceState | None:
        """The last state whose time has come; those before it were missed, which its number shows."""
        now_ns, newest = time.monotonic_ns(), None
        while newest is None or self._next < len(self._playing.states):
            due_ns = self._due_ns()
            if due_ns is None or due_ns > now_ns:
                break
            newest = self._next, self._rounds
            self._next += 1
        if newest is None:
            return None
        index, rounds = newest
        state = self._require(self._playing.states[index], self._joint_names)
        if self.config.stamps == "recorded":
            return state
        return replace(
            state,
            stamp_ns=self._start_ros_ns + self._played_ns(index, rounds),
            sequence=(index + rounds * len(self._playing.states)) % SEQUENCE_WRAP,
        )

    def _require(self, state: DeviceState, joint_names: tuple[str, ...]) -> DeviceState:
        if contradiction := state.contradiction():
            raise DriverError(f"the recording {self.config.path} has {contradiction}")
        try:
            return state.select(tuple(joint_names))
        except KeyError as error:
            raise DriverError(
                f"the recording {self.config.path} lacks joint {error}; it has {', '.join(state.names)}"
            ) from error

    def _require_ready(self) -> None:
        if not self._joint_names:
            raise DriverError("driver 'replay': connect and configure it first")

    @property
    def _playing(self) -> Tape:
        assert self._tape is not None  # _require_ready
        return self._tape
