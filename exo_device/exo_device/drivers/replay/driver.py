# SPDX-License-Identifier: Apache-2.0
"""Driver that plays a recording: for working on policies with real data. Torque goes nowhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from exo_core.errors import warn
from exo_core.time import NANOSECONDS_PER_SECOND, to_ns
from exo_device.drivers.base import Driver, DriverError
from exo_device.drivers.replay.tape import ReplayConfig, Tape, load_tape
from exo_device.signals import JOINT_FIELDS, DeviceState, MotorTorque

SEQUENCE_WRAP = 2**32


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
        self._given, self._tape, self._ros_ns = tape, None, ros_ns
        self._joint_names: tuple[str, ...] = ()
        self._woken = threading.Condition()
        self._wake = False
        #: What was written last; motors that are not there got it.
        self.last_command: MotorTorque | None = None

    def connect(self) -> None:
        self._tape = self._given or load_tape(self.config)
        warn(self._tape.notes)

    def configure(self, joint_names: tuple[str, ...]) -> None:
        if self._tape is None or not joint_names:
            raise DriverError("driver 'replay': connect it first, and configure at least one joint")
        if self._tape.states:
            self._require(self._tape.states[0], joint_names)
        self._joint_names = tuple(joint_names)
        self._next = self._rounds = 0
        self._start_steady_ns: int | None = None

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

    def write(self, command: MotorTorque) -> MotorTorque:
        self._require_ready()
        if command.names != self._joint_names:
            raise DriverError(f"torque for {command.names}, but configured for {self._joint_names}")
        if not command.enable:
            command = MotorTorque.off(command.names, command.state_stamp_ns, command.sequence)
        self.last_command = command
        return command

    def wake(self) -> None:
        with self._woken:
            self._wake = True
            self._woken.notify()

    def disconnect(self) -> None:
        if self._joint_names:
            self.last_command = MotorTorque.off(self._joint_names)
        self._tape, self._joint_names = None, ()

    def _start_at_first_read(self) -> None:
        if self._start_steady_ns is None and self._tape.states:
            self._start_steady_ns, self._start_ros_ns = time.monotonic_ns(), self._ros_ns()

    def _played_ns(self, index: int, rounds: int) -> int:
        """Time (ns) from the start to this state, as it plays."""
        states = self._tape.states
        first_ns, last_ns = states[0].stamp_ns, states[-1].stamp_ns
        period_ns = (last_ns - first_ns) // max(len(states) - 1, 1)  # the pause between two rounds
        recorded_ns = states[index].stamp_ns - first_ns + rounds * (last_ns - first_ns + period_ns)
        return round(recorded_ns / self.config.speed)

    def _due_ns(self) -> int | None:
        """Steady time of the next state; None when there is none."""
        states = self._tape.states
        if self._next >= len(states):
            if not self._tape.is_complete:
                return None
            if not self.config.repeat:
                raise DriverError(f"the recording {self.config.path} has ended; repeat: true plays it again")
            self._next, self._rounds = 0, self._rounds + 1
        return self._start_steady_ns + self._played_ns(self._next, self._rounds)

    def _newest_due(self) -> DeviceState | None:
        """The last state whose time has come; those before it were missed, which its number shows."""
        now_ns, newest = time.monotonic_ns(), None
        while newest is None or self._next < len(self._tape.states):
            due_ns = self._due_ns()
            if due_ns is None or due_ns > now_ns:
                break
            newest = self._next, self._rounds
            self._next += 1
        if newest is None:
            return None
        index, rounds = newest
        state = self._require(self._tape.states[index], self._joint_names)
        if self.config.stamps == "recorded":
            return state
        return replace(
            state,
            stamp_ns=self._start_ros_ns + self._played_ns(index, rounds),
            sequence=(index + rounds * len(self._tape.states)) % SEQUENCE_WRAP,
        )

    def _require(self, state: DeviceState, joint_names: tuple[str, ...]) -> DeviceState:
        for field in JOINT_FIELDS:
            count = len(getattr(state, field))
            if count != len(state.names):
                raise DriverError(
                    f"the recording {self.config.path} has {len(state.names)} names, but {count} of {field}"
                )
        try:
            return state.select(tuple(joint_names))
        except KeyError as error:
            raise DriverError(
                f"the recording {self.config.path} lacks joint {error}; it has {', '.join(state.names)}"
            ) from error

    def _require_ready(self) -> None:
        if not self._joint_names:
            raise DriverError("driver 'replay': connect and configure it first")
