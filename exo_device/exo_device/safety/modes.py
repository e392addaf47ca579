# SPDX-License-Identifier: Apache-2.0
"""A device has modes, ways between them, and faults that stop it. Times and numbers are the supervisor's."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import NamedTuple


class Fault(IntFlag):
    """Latched causes of a stop, as a bit mask."""

    STALE_COMMAND = 1
    STALE_STATE = 2
    NOT_FINITE = 4
    UNKNOWN_JOINT = 8
    VELOCITY_LIMIT = 16
    OVER_TEMPERATURE = 32
    MOTOR_ERROR = 64
    BUS_LOST = 128
    CLOCK_JUMP = 256
    USER_STOP = 512
    SEQUENCE_GAP = 1024
    POWER_LIMIT = 2048
    SHUTDOWN = 4096
    RANGE_OF_MOTION = 8192
    TORQUE_MISMATCH = 16384
    STOP_NOT_CONFIRMED = 32768
    IMPLAUSIBLE_STATE = 65536
    IMU_FAULT = 131072
    SUPPLY = 262144
    OSCILLATION = 524288


NO_FAULT = Fault(0)


def fault_names(faults: Fault) -> list[str]:
    """Names of the bits that are set, lowest first."""
    return [str(fault.name) for fault in Fault if fault in faults]


class Problem(NamedTuple):
    """Something that must stop the device, with one sentence for a person."""

    fault: Fault
    cause: str


class Mode(IntEnum):
    """The numbers are those of exo_msgs/DeviceStatus (a test compares them)."""

    DISARMED = 0
    ARMING = 1
    ACTIVE = 2
    STOPPING = 3
    FAULT = 4


class Answer(NamedTuple):
    """Reply to a request of a person or another node."""

    success: bool
    message: str


class Event(NamedTuple):
    """Something worth a line in the log."""

    #: True: the device stopped for something that went wrong.
    is_error: bool
    text: str
    #: True: what somebody asked for did not come about.
    is_warning: bool = False


#: Faults that matter without torque being commanded.
LATCHED_WHILE_DISARMED = Fault.USER_STOP | Fault.STOP_NOT_CONFIRMED
#: Modes of a device that is to give torque, now or soon; and those in which its motors are on.
ARMED = (Mode.ARMING, Mode.ACTIVE)
MOTORS_ON = (*ARMED, Mode.STOPPING)


class ModeMachine:
    """Disarmed, arming, active, stopping, fault. A fault is latched until disarm; then arm starts anew."""

    def __init__(self) -> None:
        self.mode = Mode.DISARMED
        self.faults = NO_FAULT
        #: One sentence: why this mode. Empty when all is well.
        self.cause = "not armed yet"
        self._after_stop = Mode.DISARMED
        self._events: list[Event] = []

    def pop_events(self) -> list[Event]:
        """Returns what happened since the last call, oldest first."""
        events, self._events = self._events, []
        return events

    def note(self, is_error: bool, text: str) -> None:
        """Something worth a line in the log that changes no mode."""
        self._events.append(Event(is_error, text))

    def arm(self) -> Answer:
        """Asks for torque. Never happens by itself, and never out of a fault."""
        if self.mode is Mode.DISARMED:
            self._enter(Mode.ARMING, "waiting for a fresh state and a command that answers it")
            return Answer(True, "arming: active once a fresh state and a command that answers it are there")
        if self.mode in ARMED:
            return Answer(True, f"already {self.mode.name.lower()}")
        if self.mode is Mode.FAULT:
            return Answer(False, f"latched by a fault ({self.cause}); call exo/disarm first")
        return Answer(False, "stopping; call again when the device is disarmed")

    def became_active(self) -> None:
        """All conditions of arming are met."""
        assert self.mode is Mode.ARMING
        self._enter(Mode.ACTIVE, "")

    def give_up_arming(self, cause: str) -> None:
        """The conditions of arming were not met in time."""
        assert self.mode is Mode.ARMING
        self._enter(Mode.DISARMED, cause, is_warning=True)

    def restore(self, faults: Fault, cause: str) -> None:
        """Takes over what was latched before this machine was made."""
        assert self.mode is Mode.DISARMED
        if faults:
            self.faults = faults
            self._enter(Mode.FAULT, cause, is_error=True)

    def end(self, cause: str) -> None:
        """Ends torque on purpose and leaves latched what is latched."""
        if self.mode is Mode.ACTIVE:
            self._after_stop = Mode.DISARMED
            self._enter(Mode.STOPPING, cause)
        elif self.mode is Mode.ARMING:
            self._enter(Mode.DISARMED, cause)

    def disarm(self) -> Answer:
        """Ends torque on purpose, and clears a latched fault once torque is zero."""
        if self.mode is Mode.STOPPING and self._after_stop is Mode.FAULT:
            return Answer(False, f"still stopping for a fault ({self.cause}); call again")
        self.end("disarmed on request")
        if self.mode is Mode.FAULT:
            self.faults = NO_FAULT
            self._enter(Mode.DISARMED, "fault cleared by disarming")
        return Answer(True, self.mode.name.lower())

    def fault(self, fault: Fault, cause: str) -> None:
        """Stops and latches. While disarmed there is nothing to stop: only a person's stop latches, and motors that go
        on."""
        if self.mode is Mode.DISARMED and fault not in LATCHED_WHILE_DISARMED:
            return
        is_error = fault is not Fault.SHUTDOWN
        is_new = fault not in self.faults
        self.faults |= fault
        if self.mode is Mode.ACTIVE or (self.mode is Mode.STOPPING and self._after_stop is Mode.DISARMED):
            self._after_stop = Mode.FAULT
            self._enter(Mode.STOPPING, cause, is_error)
        elif self.mode in (Mode.ARMING, Mode.DISARMED):
            self._enter(Mode.FAULT, cause, is_error)
        elif is_new:
            self._events.append(Event(is_error, f"also {', '.join(fault_names(fault))}: {cause}"))

    def stopped(self) -> None:
        """Torque is zero at the end of a stop."""
        assert self.mode is Mode.STOPPING
        self._enter(self._after_stop, self.cause)

    def _enter(self, mode: Mode, cause: str, is_error: bool = False, is_warning: bool = False) -> None:
        names = f" [{', '.join(fault_names(self.faults))}]" if self.faults else ""
        reason = f": {cause}" if cause else ""
        self._events.append(Event(is_error, f"{self.mode.name} -> {mode.name}{names}{reason}", is_warning))
        self.mode = mode
        self.cause = cause
