# SPDX-License-Identifier: Apache-2.0
"""A motor bus has settings, motors as the master sees them, the master's cycle, and the thread that runs it.

The master has no thread and no clock: a cycle tells every motor its torque and listens. Torque comes from set(), in
any thread; samples go to on_sample, in the thread that calls cycle(). The master lowers the torque by itself when
set() is not called for a while: the control loop above it may hang.

Cycles come at a fixed rate. A new torque does not wait for the next one: it goes out at once, in between, where
the port can be woken while it listens, and at most once to each sample, which keeps the bus's load bounded.
"""

from __future__ import annotations

import math
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field, field_validator

from exo_core.time import to_ns
from exo_device.drivers.base import DriverError, Settings
from exo_device.drivers.can.port import CanPort, Frame, PortError
from exo_device.drivers.guardian import GuardianKind
from exo_device.drivers.imu import ImuConfig, ImuSource
from exo_device.signals import SEQUENCE_WRAP, DeviceState
from exo_device.timing import Latencies

#: Buses that end in this machine or this network of emulators. vcan is one of socketcan's.
EMULATED_INTERFACES = ("virtual", "udp_multicast")
#: The longest silences (s) and the loosest plausibility (rad, Nm, s) where somebody wears the motors: two to five
#: times the defaults, which leaves room to fit a motor that is slower or noisier, and keeps a torque that nobody asks
#: for below 100 ms. What is looser is for emulated motors on a busy machine.
LOOSEST_WORN = {"reply_timeout_s": 0.1, "host_timeout_s": 0.1, "host_ramp_s": 0.1}
LOOSEST_PLAUSIBILITY = {
    "jump_rad": 0.5,
    "jump_speed_factor": 4.0,
    "frozen_window_s": 0.2,
    "frozen_rad": 0.1,
    "frozen_share": 0.8,
    "following_nm": 10.0,
    "following_share": 0.8,
    "following_s": 0.5,
    "repeated_nm": 5.0,
    "repeated_s": 0.5,
    "standstill_s": 5.0,
}
#: Interfaces that two processes can open at once.
SHARED_INTERFACES = ("socketcan", "udp_multicast")


class CanConfig(Settings):
    """A CAN bus with motors."""

    #: python-can's names of the interface and the channel on it: socketcan and can0, slcan and /dev/ttyACM0,
    #: udp_multicast and 239.74.163.2, virtual and any name.
    interface: str
    channel: str
    #: Of the bus (bit/s), as set in the motors.
    bitrate: Annotated[int, Field(ge=125_000, le=1_000_000)] = 1_000_000
    #: Further settings that python-can takes for this interface, e.g. {port: 43113} or {ttyBaudrate: 2000000}.
    bus_options: dict[str, Any] = Field(default_factory=dict)
    #: Every motor is told its torque this often (Hz), whether there is a new one or not.
    bus_rate_hz: Annotated[float, Field(ge=50.0, le=1000.0)] = 400.0
    #: A motor that was not heard for this long (s) is a lost bus.
    reply_timeout_s: Annotated[float, Field(ge=0.005, le=5.0)] = 0.025
    #: Without a word from the device node for this long (s) the bus thread brings the torque down by itself.
    host_timeout_s: Annotated[float, Field(ge=0.02, le=5.0)] = 0.05
    #: ... within this time (s).
    host_ramp_s: Annotated[float, Field(ge=0.0, le=0.5)] = 0.05
    #: Who takes the torque away when this process dies, even by SIGKILL. own: a second process that the driver
    #: starts. external: one that was started apart, so that no kill of this process's container or control group
    #: takes it along (docs/guardian.md). none: nobody. null: own wherever the interface can be opened twice
    #: (socketcan, udp_multicast), else none.
    guardian: GuardianKind | None = None
    #: Where an external one listens.
    guardian_socket: str = "/run/exo_gait/guardian.sock"
    #: Arms although neither a guardian nor a firmware watchdog that was read back would take the torque away. For
    #: motors that nobody wears.
    unguarded: bool = False
    #: Where the IMU is: the motor bus carries none.
    imu: ImuConfig = ImuConfig()

    @field_validator("guardian", mode="before")
    @classmethod
    def _guardian_as_a_word(cls, given: Any) -> Any:
        """YAML's true and false say it too."""
        return {True: "own", False: "none"}.get(given, given) if isinstance(given, bool) else given

    @property
    def cycles_per_sample(self) -> int:
        """Bus cycles to one sample."""
        return 1

    @property
    def guarded_by(self) -> GuardianKind:
        """guardian with its default resolved."""
        return self.guardian or ("own" if self.interface in SHARED_INTERFACES else "none")


@dataclass(frozen=True)
class Measurement:
    """The last report of a motor, on the joint side: rad, rad/s, Nm, degC, V (NaN: not said)."""

    #: When it arrived: s of the steady clock, ns of ROS time.
    steady_s: float
    ros_ns: int
    position: float
    velocity: float
    torque: float
    temperature: float
    bus_voltage: float
    #: The motor's own code.
    error: int


@dataclass(frozen=True)
class JointMap:
    """Turns the motor's side, which frames carry, into the joint's: MyoLegs sign, rad, rad/s, Nm; and back."""

    sign: int
    offset: float
    ratio: float
    #: Torque that the motor really gives over that in the frame.
    torque_scale: float = 1.0

    def joint_position(self, motor: float) -> float:
        """Joint angle (rad) at this output angle (rad)."""
        return self.sign * motor / self.ratio + self.offset

    def joint_velocity(self, motor: float) -> float:
        """Joint speed (rad/s) at this output speed (rad/s)."""
        return self.sign * motor / self.ratio

    def joint_torque(self, motor: float) -> float:
        """Torque (Nm) at the joint for this number in a frame."""
        return self.sign * motor * self.torque_scale * self.ratio

    def motor_position(self, joint: float) -> float:
        """Inverse of joint_position."""
        return self.sign * (joint - self.offset) * self.ratio

    def motor_velocity(self, joint: float) -> float:
        """Inverse of joint_velocity."""
        return self.sign * joint * self.ratio

    def frame_torque(self, joint: float) -> float:
        """Inverse of joint_torque."""
        return self.sign * joint / (self.torque_scale * self.ratio)


class CanMotor(ABC):
    """One motor: the frames to send, and its last report. All but frames is on the joint side."""

    #: Joint that it drives; how people call the motor on its bus, as `id 3`.
    joint: str
    address: str
    newest: Measurement | None = None

    @abstractmethod
    def applied_torque(self, torque: float) -> float:
        """Joint torque (Nm) that the motor understands for this motor torque."""

    @abstractmethod
    def frames(self, torque: float, enable: bool, now_s: float) -> list[Frame]:
        """Returns what to send in a cycle."""

    @abstractmethod
    def off_frames(self) -> list[Frame]:
        """The last words to this motor: zero torque, and off."""

    @abstractmethod
    def take(self, frame: Frame, now_s: float, now_ns: int) -> bool:
        """Takes in a frame if this motor sent it."""

    @abstractmethod
    def silence_s(self, now_s: float) -> float:
        """Time (s) since the motor was heard, or since it could first have been."""

    @property
    @abstractmethod
    def error(self) -> int:
        """The motor's own code, and what was found wrong with it: DeviceState.error."""

    def host_fell_silent(self) -> None:
        """The device node has said nothing for too long with the motors on."""

    def switched_off(self) -> None:
        """The motors are not to be on any more: what was found wrong with them may be forgotten."""

    @abstractmethod
    def is_order(self, frame: Frame) -> bool:
        """Tells whether frame is what a host sends to this motor, and not the motor itself."""

    @abstractmethod
    def foreign_order(self, now_s: float) -> None:
        """Another host commands this motor: an error that stays while that goes on, and with the motors on."""

    @property
    def has_watchdog(self) -> bool:
        """Tells whether its firmware has said that it takes torque back by itself, soon enough, in silence."""
        return False

    def zero_frames(self, now_s: float) -> list[Frame]:
        """Returns what makes the present position its zero; nothing where that cannot be done over the bus."""
        return []

    @property
    def has_lost_zero(self) -> bool:
        """Tells whether what it said shows that its zero is another one."""
        return False

    def zero_confirmed(self) -> None:
        """Somebody says that its angle is right after all."""

    def obstacle(self, now_s: float) -> str:
        """Says why this motor must not be given torque, beside its error; "" where nothing is in the way."""
        return ""


#: The last words are said this many times: a frame may be lost.
FAREWELLS = 3
#: While ROS time stands still (a paused simulator's) a sample is handed out this often (s): the bus lives.
STANDING_CLOCK_S = 0.02
#: Frames taken in after a cycle's end, so that a late cycle still hears its answers and a flood does not hold it up.
OVERTIME_FRAMES = 64
#: Interfaces that bring nobody's own frames back. On others (a multicast group, some adapters) an order that looks as
#: one that was sent, and has not come back yet, is its echo.
SILENT_TO_THEMSELVES = ("socketcan", "virtual")
#: An echo that was read later than this (s) has been lost: a busy thread reads late.
ECHO_S = 1.0
#: More frames than go out in that time.
ECHOES = 8192
#: No motor resets faster than this (s): a host that was held up for less cannot have missed it.
SHORTEST_RESET_S = 0.1
#: Another host is taken to be gone after this time (s) without an order of its.
FOREIGN_MEMORY_S = 1.0
#: A guardian that has spoken while this thread was held up may be heard for this long (s) afterwards.
GUARDIAN_ECHO_S = 2.0


class ZeroTrust:
    """Which joints' zeros may not be believed any more, and why. It outlives masters and drivers.

    A motor that was reset counts from where it stood then. Its angle leaps only if the joint had moved meanwhile, so
    that silence alone has to be enough: whoever has looked at the device says so with confirm().
    """

    def __init__(self) -> None:
        self._doubts: dict[str, str] = {}

    def doubt(self, joint: str, why: str) -> None:
        """The first reason stays."""
        self._doubts.setdefault(joint, why)

    def confirm(self, joints: Sequence[str]) -> list[str]:
        """Trusts these joints again. Returns those that were in doubt."""
        return [joint for joint in joints if self._doubts.pop(joint, None) is not None]

    def doubts(self) -> dict[str, str]:
        """Reason by joint that is in doubt."""
        return dict(self._doubts)

    def obstacle(self, joints: Sequence[str]) -> str:
        """Says why not to arm, and what to do; "" when all are trusted."""
        doubts = {joint: why for joint, why in self.doubts().items() if joint in joints}
        if not doubts:
            return ""
        joint, why = next(iter(doubts.items()))
        others = f" (also {', '.join(name for name in doubts if name != joint)})" if len(doubts) > 1 else ""
        return (
            f"the zero of {joint} may be lost{others}: {why}; look at its angle, zero it if need be, then call "
            "exo/confirm_zeros"
        )


class CanMaster:
    """Motors on one bus.

    steady_s, ros_ns: the clocks (s; ns of ROS time). on_sample: gets every complete sample.
    """

    def __init__(
        self,
        config: CanConfig,
        motors: Sequence[CanMotor],
        port: CanPort,
        imu: ImuSource,
        *,
        steady_s: Callable[[], float],
        ros_ns: Callable[[], int],
        on_sample: Callable[[DeviceState], None],
        advice: str = "check power, wiring and ids",
        zeros: ZeroTrust | None = None,
    ) -> None:
        self._advice = advice
        self._config, self._port, self._imu = config, port, imu
        self._steady_s, self._ros_ns, self._on_sample = steady_s, ros_ns, on_sample
        self.motors = list(motors)
        #: Order of the torques and of every sample.
        self.joints = tuple(motor.joint for motor in motors)
        #: Why the motors cannot be used now; empty when they can.
        self.problem = ""
        #: Frames that no motor of this device should send, and orders to its motors that another host gave.
        self.foreign_frames = self.foreign_orders = 0
        #: Largest torque (Nm, either sign) that is sent, in the order of joints: whatever set() is given.
        self.limits = [math.inf] * len(self.motors)
        self.zeros = zeros if zeros is not None else ZeroTrust()
        self._echoes: deque[tuple[float, Frame]] = deque(maxlen=ECHOES)
        self._expects_echoes = config.interface not in SILENT_TO_THEMSELVES
        #: Whether the motors are on.
        self.is_on = False
        self._lock = threading.Lock()
        self._torque, self._enable = [0.0] * len(self.motors), False
        self._set_s = now_s = steady_s()
        #: A torque that has not gone out yet, and whether one may still go out before the next cycle.
        self._is_new = self._may_hurry = False
        self._host_was_silent = self._is_zero_until_off = False
        self._to_zero: list[str] = []
        #: When the motors were told something last, and when this thread was held up for longer than host_timeout_s.
        self._told_s = now_s
        self._held_up_s = -math.inf
        #: How long each motor has been asked without an answer, once it had given one (s); None before.
        self._unheard_s: list[float | None] = [None] * len(self.motors)
        self._cycles = 0
        self._sequence = -1
        self._sample_due = False
        self._sampled: Sequence[Measurement | None] = [None] * len(self.motors)
        self._stamp_ns, self._sampled_s = -1, now_s
        self._imu_problem = ""

    def set(self, torque: list[float], enable: bool) -> None:
        """Torque (Nm, joint side, in the order of joints) from now on. Callable from any thread."""
        with self._lock:
            # motors are switched on by a cycle, which has time for that
            self._is_new = self._is_new or self.is_on and (not enable or torque != self._torque)
            hurry = self._is_new and self._may_hurry
            now_s = self._steady_s()
            if self.is_on and enable and now_s - self._set_s > self._config.host_timeout_s:
                self._host_was_silent = self._is_zero_until_off = True  # though the bus has not noticed it yet
            self._torque, self._enable = list(torque), enable
            self._set_s = now_s
            if not enable:
                self._host_was_silent = self._is_zero_until_off = False
        if hurry:
            self._port.wake()

    def cycle(self, until_s: float) -> None:
        """Tells every motor its torque, and listens until until_s (steady clock), or less on a lost bus."""
        self._sample_due = self._sample_due or self._cycles % self._config.cycles_per_sample == 0
        self._cycles += 1
        self._imu_problem = ""
        began_s = self._steady_s()
        pause_s = began_s - self._told_s
        not_sent, not_heard = self._tell(), self._listen(until_s)
        self._judge_zeros(began_s, pause_s)
        self.problem = not_sent or not_heard or self._silent_motors() or self._imu_problem

    def farewell(self) -> None:
        """Zero torque and off to every motor, as often as it takes; never raises."""
        self.is_on = False
        for _ in range(FAREWELLS):
            for motor in self.motors:
                for frame in motor.off_frames():
                    try:
                        self._port.send(frame)
                    except PortError:  # the next motor may still be reached
                        pass

    def request_zero(self, joint: str) -> None:
        """Makes the present angle of this joint's motor its zero, in one of the next cycles. From any thread.

        Raises DriverError while the motors are on.
        """
        with self._lock:
            if self._enable or self.is_on:
                raise DriverError("a motor can only be zeroed while the motors are off")
            self._to_zero.append(joint)

    def _frames(self, motor: CanMotor, torque: float, enable: bool, now_s: float) -> list[Frame]:
        with self._lock:
            is_to_zero = motor.joint in self._to_zero
            if is_to_zero:
                self._to_zero.remove(motor.joint)
        if is_to_zero and not enable:
            self.zeros.confirm([motor.joint])
            return motor.zero_frames(now_s)
        return motor.frames(torque, enable, now_s)

    def _tell(self) -> str:
        now_s = self._steady_s()
        torque, enable = self._torque_for(now_s)
        self.is_on, self._told_s = enable, now_s
        trouble = ""
        for motor, value, limit in zip(self.motors, torque, self.limits, strict=True):
            for frame in self._frames(motor, min(max(value, -limit), limit), enable, now_s):
                try:
                    self._port.send(frame)
                    if self._expects_echoes:
                        self._echoes.append((now_s, frame))
                except PortError as error:  # the next motor may still be reached
                    trouble = f"CAN bus '{self._config.channel}' does not take frames: {error}"
        return trouble

    def _torque_for(self, now_s: float) -> tuple[list[float], bool]:
        """Returns the torque to send: as set, or less when the host has fallen silent with the motors on.

        After a pause of this thread's own, in which the motors may have lost their torque, it starts from zero: the
        old torque would come back as a step.
        """
        with self._lock:
            self._is_new = False
            torque, enable, silence_s = self._torque, self._enable, now_s - self._set_s
            overdue_s = silence_s - self._config.host_timeout_s
            if now_s - self._told_s > self._config.host_timeout_s:
                self._held_up_s = now_s
                if enable and self.is_on:
                    self._host_was_silent = self._is_zero_until_off = True
            if enable and overdue_s > 0.0:
                self._host_was_silent = True
            if self._host_was_silent and (overdue_s <= 0.0 or overdue_s >= self._config.host_ramp_s):
                self._is_zero_until_off = True
            was_silent, is_zero = self._host_was_silent, self._is_zero_until_off
        if not enable:
            for motor in self.motors:
                motor.switched_off()
            return torque, False
        if not was_silent:
            return torque, True
        for motor in self.motors:
            motor.host_fell_silent()
        if is_zero:
            return [0.0] * len(torque), False
        left = 1.0 - overdue_s / self._config.host_ramp_s
        return [value * left for value in torque], True

    def _listen(self, until_s: float) -> str:
        overtime, not_sent = OVERTIME_FRAMES, ""
        while overtime > 0:
            left_s = until_s - self._steady_s()
            try:
                frame = self._port.receive(max(left_s, 0.0))
            except PortError as error:
                return f"CAN bus '{self._config.channel}' is lost: {error}"
            if frame is not None:
                self._sort(frame)
            elif left_s <= 0.0:
                break
            overtime -= left_s <= 0.0
            if self._is_new and self._may_hurry and left_s > 0.0:
                self._may_hurry = False
                not_sent = self._tell() or not_sent
        return not_sent

    def _sort(self, frame: Frame) -> None:
        now_s, now_ns = self._steady_s(), self._ros_ns()
        if any(motor.take(frame, now_s, now_ns) for motor in self.motors):
            if self._sample_due:
                self._try_to_sample()
            return
        ordered = next((motor for motor in self.motors if motor.is_order(frame)), None)
        if ordered is None:
            self.foreign_frames += 1
        elif not self._is_expected_order(ordered, frame, now_s):
            self.foreign_orders += 1
            ordered.foreign_order(now_s)

    def _is_expected_order(self, motor: CanMotor, frame: Frame, now_s: float) -> bool:
        """Tells whether an order to one of our motors is our own, come back, or our guardian's."""
        if now_s - self._held_up_s < GUARDIAN_ECHO_S and frame in motor.off_frames():
            return True
        while self._echoes and now_s - self._echoes[0][0] > ECHO_S:
            self._echoes.popleft()
        for index, (_, sent) in enumerate(self._echoes):
            if sent == frame:
                del self._echoes[index]
                return True
        return False

    def _judge_zeros(self, began_s: float, pause_s: float) -> None:
        """Doubts, after a cycle, the zeros of motors that did not answer: they may have been reset."""
        now_s = self._steady_s()
        for index, motor in enumerate(self.motors):
            unheard_s = self._unheard_s[index]
            if motor.newest is None:
                continue
            if motor.has_lost_zero:
                self.zeros.doubt(motor.joint, f"the angle of its motor ({motor.address}) leapt")
            if unheard_s is not None and pause_s > SHORTEST_RESET_S:
                self.zeros.doubt(motor.joint, f"this computer was held up for {pause_s:.2f} s")
            if motor.silence_s(now_s) <= now_s - began_s:
                self._unheard_s[index] = 0.0
                continue
            self._unheard_s[index] = unheard_s = (unheard_s or 0.0) + now_s - began_s
            if unheard_s > self._config.reply_timeout_s:
                self.zeros.doubt(motor.joint, f"its motor ({motor.address}) did not answer for {unheard_s:.2f} s")

    def confirm_zeros(self) -> list[str]:
        """See Driver.confirm_zeros. Returns the joints that were in doubt."""
        with self._lock:
            if self._enable or self.is_on:
                raise DriverError("zeros can only be confirmed while the motors are off")
        for motor in self.motors:
            motor.zero_confirmed()
        return self.zeros.confirm(self.joints)

    def obstacle(self) -> str:
        """Says why the motors must not be given torque, beside what they report; callable from any thread."""
        now_s = self._steady_s()
        return self.zeros.obstacle(self.joints) or next(
            filter(None, (motor.obstacle(now_s) for motor in self.motors)), ""
        )

    def _try_to_sample(self) -> None:
        """A sample is complete once every motor has been heard again, and again at another ROS time: simulated
        time comes in steps, and of each step the first sample counts."""
        newest = [motor.newest for motor in self.motors if motor.newest is not None]
        if len(newest) < len(self.motors) or any(new is old for new, old in zip(newest, self._sampled, strict=True)):
            return
        stamp_ns, now_s = min(measurement.ros_ns for measurement in newest), self._steady_s()
        if stamp_ns == self._stamp_ns and now_s - self._sampled_s < STANDING_CLOCK_S:
            return
        try:
            imu = self._imu.newest()
        except DriverError as error:
            self._imu_problem = str(error)
            return
        self._sample_due, self._may_hurry = False, True
        self._sampled, self._stamp_ns, self._sampled_s = newest, stamp_ns, now_s
        self._sequence = (self._sequence + 1) % SEQUENCE_WRAP

        def of(field: str) -> np.ndarray:
            return np.array([getattr(measurement, field) for measurement in newest])

        voltages = [value for value in of("bus_voltage") if math.isfinite(value)]
        self._on_sample(
            DeviceState(
                stamp_ns=stamp_ns,
                sequence=self._sequence,
                names=self.joints,
                position=of("position"),
                velocity=of("velocity"),
                torque=of("torque"),
                temperature=of("temperature"),
                error=np.array([motor.error for motor in self.motors]),
                bus_voltage=min(voltages, default=math.nan),
                imu=imu,
            )
        )

    def _silent_motors(self) -> str:
        now_s = self._steady_s()
        silent = [
            f"{motor.joint} ({motor.address})"
            for motor in self.motors
            if motor.silence_s(now_s) > self._config.reply_timeout_s
        ]
        if not silent:
            return ""
        return f"no answer on CAN bus '{self._config.channel}' from the motor of {', '.join(silent)}; {self._advice}"


#: The thread ends within a cycle; one that takes longer than this (s) hangs in the adapter's driver.
END_TIMEOUT_S = 0.5
#: Python hands the interpreter from thread to thread this often (s; its default is 5 ms): a frame or a command
#: that arrives while another thread computes must not wait for half a control period.
THREAD_SWITCH_S = 0.0005


class BusThread:
    """Runs a master's cycles at a fixed rate until stop(); every motor is off at the end, however it comes.

    on_cycle is called after each cycle with whether the motors are on; it returns what is wrong, or "".
    """

    def __init__(self, master: CanMaster, rate_hz: float, on_cycle: Callable[[bool], str]) -> None:
        self._master, self._period_s, self._on_cycle = master, 1.0 / rate_hz, on_cycle
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="motor_bus", daemon=True)
        #: From the start of one cycle to the start of the next.
        self.periods = Latencies()
        #: Longest of them so far (s).
        self.longest_period_s = 0.0
        self.cycles = 0
        #: Why the thread ended by itself; empty while it runs.
        self.crash = ""
        #: Set by on_cycle.
        self.problem = ""

    def start(self) -> None:
        """Starts the cycles."""
        self._thread.start()

    def stop(self) -> bool:
        """Ends the thread. Returns whether it has ended and thereby said its last words to the motors."""
        self._stop.set()
        self._thread.join(END_TIMEOUT_S)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._cycle_on()
        except Exception as error:  # whatever it is: the motors must not keep their last torque
            self.crash = f"the motor bus's thread ended: {type(error).__name__}: {error}"
        finally:
            self._master.farewell()

    def _cycle_on(self) -> None:
        start = due = time.monotonic()
        while not self._stop.is_set():
            due = max(due + self._period_s, start)  # time that was lost is not made up for in a burst
            self._master.cycle(due)
            self._stop.wait(max(due - time.monotonic(), 0.0))  # a lost bus makes nobody wait
            self.problem = self._on_cycle(self._master.is_on)
            began, start = start, time.monotonic()
            self.cycles += 1
            self.periods.add(to_ns(start - began))
            self.longest_period_s = max(self.longest_period_s, start - began)
