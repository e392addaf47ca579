# SPDX-License-Identifier: Apache-2.0
"""Emulated AK motors: what they turn, the frames of the real ones, faults on command, and the bus that joins them."""

from __future__ import annotations

import heapq
import math
import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace

from exo_device.drivers.can.port import CanPort, Frame, PortError
from exo_device.drivers.cubemars_can.codec import MitCommand, Special
from exo_device.drivers.cubemars_can.config import CubemarsConfig, MotorConfig

#: Longest step of the integration (s): far below the period of the stiffest joint here.
LARGEST_STEP_S = 0.001


class Mechanics(ABC):
    """A joint that the motor's torque acts on."""

    position: float = 0.0
    velocity: float = 0.0

    @abstractmethod
    def advance(self, duration_s: float, torque: float) -> None:
        """Lets this time (s) pass under this torque (Nm)."""

    def measured_torque(self, torque: float) -> float:
        """Applied torque (Nm) that the motor reports for this motor torque."""
        return torque


@dataclass
class SpringDamper(Mechanics):
    """A leg on a spring whose other end swings: it moves as in walking, and torque deflects it.

    Natural frequency sqrt(20 / 0.2) / 2 pi = 1.6 Hz with the defaults, near critical damping.
    """

    inertia_kgm2: float = 0.2
    stiffness_nm_per_rad: float = 20.0
    damping_nms_per_rad: float = 3.0
    #: Swing of the spring's other end: amplitude (rad), frequency (Hz), phase (rad).
    swing_rad: float = 0.0
    swing_hz: float = 0.9
    swing_phase_rad: float = 0.0

    def __post_init__(self) -> None:
        self.position = self.velocity = self._t = 0.0

    def advance(self, duration_s: float, torque: float) -> None:
        steps = max(1, math.ceil(duration_s / LARGEST_STEP_S))
        step_s = duration_s / steps
        for _ in range(steps):
            self._t += step_s
            anchor = self.swing_rad * math.sin(2.0 * math.pi * self.swing_hz * self._t + self.swing_phase_rad)
            total = (
                torque - self.stiffness_nm_per_rad * (self.position - anchor) - self.damping_nms_per_rad * self.velocity
            )
            self.velocity += step_s * total / self.inertia_kgm2
            self.position += step_s * self.velocity


class Followed(Mechanics):
    """A joint whose motion comes from elsewhere: from the simulator, or from a test."""

    def __init__(self, position: float = 0.0, velocity: float = 0.0) -> None:
        self.position, self.velocity = position, velocity
        #: Torque (Nm) that the motor gives according to that source; None: just what it was asked for.
        self.torque: float | None = None

    def advance(self, duration_s: float, torque: float) -> None:
        pass

    def measured_torque(self, torque: float) -> float:
        return torque if self.torque is None else self.torque


class EmulatorError(ValueError):
    """A fault or a setting that the emulator does not know; one line that says what it does know."""


#: kind: (what its value is, default value)
FAULTS: dict[str, tuple[str, float]] = {
    "dropped": ("share of the replies that get lost, 0 to 1", 1.0),
    "late": ("delay of each reply (s)", 0.05),
    "stale": ("each reply repeats the one from the fault's start; no value", 1.0),
    "duplicated": ("how often each reply is sent", 2.0),
    "wrong_id": ("id that replies carry", 99.0),
    "error": ("the motor's error code", 3.0),
    "over_temperature": ("temperature that the motor reports (degC)", 110.0),
    "wrap": ("shift of the reported position (rad)", 12.5),
    "bus_off": ("nothing passes in either direction; no value", 1.0),
    "reset": ("the motor starts anew, off and with a new zero, and is silent for this long (s)", 0.3),
    "push": ("torque that the motor gives and measures beside what it is asked for, while it is on (Nm)", 15.0),
    "weak": ("share of what it is asked for that the motor gives and measures, 0 to 1", 0.0),
    "frozen": ("the reported position stays where it was; no value", 1.0),
    "hold": ("the firmware holds its last torque when the host falls silent; no value", 1.0),
}


@dataclass(frozen=True)
class Fault:
    """One fault: of one joint's motor, or of all of them."""

    kind: str
    joint: str | None = None
    value: float = math.nan
    start_s: float = 0.0
    duration_s: float = math.inf

    def __post_init__(self) -> None:
        if self.kind not in FAULTS:
            raise EmulatorError(f"unknown fault '{self.kind}'; known: {', '.join(FAULTS)}")
        if math.isnan(self.value):
            object.__setattr__(self, "value", FAULTS[self.kind][1])

    @staticmethod
    def parse(text: str, now_s: float = 0.0) -> Fault:
        """`kind[:joint][,value=..][,at=..][,for=..]`, times in s from now_s. Raises EmulatorError."""
        head, *settings = text.strip().split(",")
        kind, _, joint = head.partition(":")
        fields = {"start_s": now_s}
        names = {"value": "value", "at": "start_s", "for": "duration_s"}
        for setting in settings:
            name, _, number = setting.partition("=")
            try:
                fields[names[name.strip()]] = float(number) + (now_s if name.strip() == "at" else 0.0)
            except (KeyError, ValueError) as error:
                raise EmulatorError(
                    f"fault '{text}': expected kind[:joint][,value=NUMBER][,at=S][,for=S], got '{setting}'"
                ) from error
        return Fault(kind.strip(), joint.strip() or None, **fields)


class FaultPlan:
    """The faults of an emulated bus, and the chance that some of them need."""

    def __init__(self, faults: list[Fault] | None = None, seed: int = 0) -> None:
        self._faults = list(faults or [])
        self._random = random.Random(seed)

    def add(self, fault: Fault) -> None:
        """One more fault."""
        self._faults.append(fault)

    def clear(self) -> None:
        """All is well again."""
        self._faults.clear()

    def active(self, kind: str, joint: str, now_s: float) -> Fault | None:
        """The fault of this kind that this joint's motor has now."""
        for fault in self._faults:
            if (
                fault.kind == kind
                and fault.joint in (None, joint)
                and fault.start_s <= now_s < fault.start_s + fault.duration_s
            ):
                return fault
        return None

    def happens(self, kind: str, joint: str, now_s: float) -> bool:
        """Tells whether a fault with a share strikes this time."""
        fault = self.active(kind, joint, now_s)
        return fault is not None and self._random.random() < fault.value


#: A firmware with a watchdog gives no torque after this time (s) without a set point.
FIRMWARE_TIMEOUT_S = 0.1
AMBIENT_C = 25.0
#: A motor that stores its zero does not answer for about a second.
ZERO_SILENCE_S = 1.0


class EmulatedMotor:
    """Reacts to frames at times that it is told.

    reply: how a classic motor answers, reply_bytes (6 or 8) and reply_can_id.
    """

    def __init__(self, joint: str, config: MotorConfig, mechanics: Mechanics, plan: FaultPlan, **reply: int) -> None:
        self.joint = joint
        self.mechanics = mechanics
        self.temperature = AMBIENT_C
        self.error = 0
        #: Whether the motor is on. A V3 motor has no such mode: a set point switches it on.
        self.is_on = False
        #: Set points so far; the newest one as a joint torque (Nm).
        self.commands = 0
        self.commanded_torque = 0.0
        self._codec = config.codec(**(reply if config.firmware != "v3" else {}))
        self._needs_enable = self._codec.enable() is not None
        self._map = config.joint_map()
        self._plan = plan
        self._zero = 0.0
        self._command_s = 0.0
        self._now_s: float | None = None
        self._silent_until_s = 0.0
        self._stale: Frame | None = None
        self._frozen_at: float | None = None
        self._resetting: Fault | None = None

    @property
    def torque(self) -> float:
        """Torque (Nm, joint side) that the motor gives now."""
        if not self.is_on:
            return 0.0
        push, weak = (self._plan.active(kind, self.joint, self._now_s or 0.0) for kind in ("push", "weak"))
        return self.commanded_torque * (weak.value if weak else 1.0) + (push.value if push else 0.0)

    def advance(self, now_s: float) -> None:
        """Lets time pass up to now_s."""
        duration_s = 0.0 if self._now_s is None else max(now_s - self._now_s, 0.0)
        self._now_s = now_s
        reset = self._plan.active("reset", self.joint, now_s)
        if reset is not None and reset is not self._resetting:
            self._restart(now_s + reset.value)
        self._resetting = reset
        holds = self._plan.active("hold", self.joint, now_s)
        if not holds and now_s - self._command_s > FIRMWARE_TIMEOUT_S:
            self.commanded_torque = 0.0
        self.mechanics.advance(duration_s, self.torque)

    def on_frame(self, frame: Frame, now_s: float) -> list[tuple[float, Frame]]:
        """Reacts to a frame. Returns the replies, each with the time (s) it goes out."""
        order = self._codec.decode_command(frame)
        if order is None:
            return []
        self.advance(now_s)
        if self._plan.active("bus_off", self.joint, now_s) or now_s < self._silent_until_s:
            return []
        self._obey(order, now_s)
        if order is Special.ZERO:
            return []
        return self._replies(now_s)

    def _obey(self, order: MitCommand | Special, now_s: float) -> None:
        if order is Special.ENABLE:
            self.is_on, self.commanded_torque = True, 0.0
        elif order is Special.DISABLE:
            self.is_on, self.commanded_torque = False, 0.0
        elif order is Special.ZERO:
            self._zero = self._map.motor_position(self.mechanics.position)
            self._silent_until_s = now_s + ZERO_SILENCE_S
        else:
            self.commands += 1
            self._command_s = now_s
            if not self._needs_enable:
                self.is_on = True
            torque = order.torque + self._servo(order)
            self.commanded_torque = self._map.joint_torque(torque) if self.is_on else 0.0

    def _servo(self, order: MitCommand) -> float:
        """Torque of the motor's own position and speed loop: what a wrong frame would set off."""
        position = self._map.motor_position(self.mechanics.position) - self._zero
        velocity = self._map.motor_velocity(self.mechanics.velocity)
        return order.kp * (order.position - position) + order.kd * (order.velocity - velocity)

    def _restart(self, until_s: float) -> None:
        self.is_on, self.commanded_torque = False, 0.0
        self._zero = self._map.motor_position(self.mechanics.position)
        self._silent_until_s = until_s

    def _replies(self, now_s: float) -> list[tuple[float, Frame]]:
        plan, joint = self._plan, self.joint
        if plan.happens("dropped", joint, now_s):
            return []
        frame = self._report(now_s)
        if plan.active("stale", joint, now_s):
            self._stale = frame = self._stale or frame
        else:
            self._stale = None
        wrong = plan.active("wrong_id", joint, now_s)
        if wrong:
            frame = _with_id(frame, int(wrong.value))
        late = plan.active("late", joint, now_s)
        due_s = now_s + (late.value if late else 0.0)
        again = plan.active("duplicated", joint, now_s)
        return [(due_s, frame)] * (int(again.value) if again else 1)

    def _report(self, now_s: float) -> Frame:
        plan, joint = self._plan, self.joint
        wrap, hot, error = (plan.active(kind, joint, now_s) for kind in ("wrap", "over_temperature", "error"))
        shift = wrap.value if wrap else 0.0
        position = self._map.motor_position(self.mechanics.position) - self._zero + shift
        if plan.active("frozen", joint, now_s):
            self._frozen_at = position = position if self._frozen_at is None else self._frozen_at
        else:
            self._frozen_at = None
        return self._codec.reply(
            position=position,
            velocity=self._map.motor_velocity(self.mechanics.velocity),
            torque=self._map.frame_torque(self.mechanics.measured_torque(self.torque) if self.is_on else 0.0),
            temperature=hot.value if hot else self.temperature,
            error=int(error.value) if error else self.error,
        )


def _with_id(frame: Frame, motor_id: int) -> Frame:
    """The reply as another motor would have sent it."""
    if frame.is_extended:
        return replace(frame, can_id=frame.can_id & ~0xFF | motor_id)
    return replace(frame, data=bytes([motor_id]) + frame.data[1:])


class EmulatedBus:
    """Motors as config describes them.

    mechanics: makes what the motor of a joint turns. reply: see EmulatedMotor.
    """

    def __init__(
        self, config: CubemarsConfig, mechanics: Callable[[str], Mechanics], plan: FaultPlan | None = None, **reply: int
    ) -> None:
        self.plan = plan or FaultPlan()
        self.motors = {
            joint: EmulatedMotor(joint, motor, mechanics(joint), self.plan, **reply)
            for joint, motor in config.motors.items()
        }
        self._pending: list[tuple[float, int, Frame]] = []
        self._count = 0

    def on_frame(self, frame: Frame, now_s: float) -> None:
        """A frame on the bus at time now_s; frames that no motor knows are ignored, as on a real bus."""
        for motor in self.motors.values():
            for due_s, reply in motor.on_frame(frame, now_s):
                self.push(due_s, reply)

    def push(self, due_s: float, reply: Frame) -> None:
        """A reply that goes out at due_s."""
        self._count += 1  # equal times keep their order
        heapq.heappush(self._pending, (due_s, self._count, reply))

    def advance(self, now_s: float) -> None:
        """Lets time pass up to now_s."""
        for motor in self.motors.values():
            motor.advance(now_s)

    def next_due_s(self) -> float | None:
        """Time (s) when the next reply goes out; None without one."""
        return self._pending[0][0] if self._pending else None

    def pop_one(self, now_s: float) -> Frame | None:
        """The next reply that has gone out by now_s."""
        if self._pending and self._pending[0][0] <= now_s:
            return heapq.heappop(self._pending)[2]
        return None


#: Mechanics and watchdogs of the motors move on at least this often (s).
LONGEST_WAIT_S = 0.005


def _nothing() -> None:
    pass


def serve(bus: EmulatedBus, port: CanPort, stop: threading.Event, after_frame: Callable[[], None] = _nothing) -> None:
    """Answers frames until stop is set. A bus that is lost for a moment is waited for.

    after_frame: called when a frame has been obeyed and answered.
    """
    advanced_s = time.monotonic()
    while not stop.is_set():
        now_s = time.monotonic()
        due_s = bus.next_due_s()
        wait_s = LONGEST_WAIT_S if due_s is None else min(max(due_s - now_s, 0.0), LONGEST_WAIT_S)
        try:
            frame = port.receive(wait_s)
            now_s = time.monotonic()
            if frame is not None:
                bus.on_frame(frame, now_s)
            if frame is None or now_s - advanced_s > LONGEST_WAIT_S:  # also those that nobody speaks to
                bus.advance(now_s)
                advanced_s = now_s
            while (reply := bus.pop_one(now_s)) is not None:
                port.send(reply)
            if frame is not None:
                after_frame()
        except PortError:
            stop.wait(LONGEST_WAIT_S)
