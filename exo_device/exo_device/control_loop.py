# SPDX-License-Identifier: Apache-2.0
"""The control loop carries a state from the driver to the supervisor and the policy, and a command from the policy
through the supervisor to the driver, as motor torque. It needs no ROS.

One thread runs it (run), or a caller steps it (step), as a simulation in lockstep within one process does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from exo_core.time import NANOSECONDS_PER_SECOND, to_ns
from exo_device.drivers import Driver, DriverError
from exo_device.safety import Answer, Event, Instant, Mode, SafetySupervisor, Snapshot
from exo_device.safety.modes import MOTORS_ON
from exo_device.signals import Command, DeviceState, MotorTorque
from exo_device.timing import Latencies, RateMeter

#: exo/status at least this often (s, steady time).
STATUS_PERIOD_S = 0.1
#: A driver that raises is asked again after this time (s).
DRIVER_RETRY_S = 0.05
#: A repeated state is passed on to a policy that has not answered it this often at most (s).
REPEAT_S = 0.05
#: A shutdown that has not brought torque to zero after this multiple of ramp_down_s switches the motors off anyway.
SHUTDOWN_PATIENCE = 3.0


@dataclass(frozen=True)
class LoopConfig:
    """Times of the loop (s, steady time)."""

    #: Watchdogs run at least this often, and motor torques come twice as often while stopping.
    period_s: float = 0.01
    #: How long a new state may wait for the command that answers it, before the motors are served without it.
    answer_wait_s: float = 0.005
    #: True: each state is answered only after the policy's command for just this state has come.
    lockstep: bool = False
    #: In lockstep a policy that has not answered after this time has failed.
    lockstep_timeout_s: float = 5.0
    #: Longest silence of the thread that hears commands and exo/stop, once it has called beat(); longer stops
    #: the device. 0: it is not watched.
    ros_silence_s: float = 1.0


def _ignore(*_: object) -> None:
    pass


@dataclass
class LoopHooks:
    """Functions by which the loop tells its owner what happens, called from the loop's thread."""

    on_state: Callable[[DeviceState], None] = _ignore
    on_status: Callable[[Snapshot, float], None] = _ignore
    on_event: Callable[[Event], None] = _ignore
    #: Called once with the exception that ended the loop; the motors are already off.
    on_crash: Callable[[BaseException], None] = _ignore


@dataclass
class ControlLoop:
    """Joins a connected and configured driver with a supervisor."""

    driver: Driver
    supervisor: SafetySupervisor
    config: LoopConfig = LoopConfig()
    hooks: LoopHooks = field(default_factory=LoopHooks)
    #: ROS time (ns). None: the stamp of the newest state, as in a simulation within one process.
    ros_now_ns: Callable[[], int] | None = None
    steady_now_ns: Callable[[], int] = time.monotonic_ns

    def __post_init__(self) -> None:
        #: From a state's arrival to the motor torque of the command that answers it.
        self.answer_latency = Latencies()
        #: From a command's arrival to that motor torque.
        self.command_latency = Latencies()
        self.state_rate = RateMeter()
        #: What the driver said last that it applies.
        self.applied: MotorTorque | None = None
        self._lock = threading.Condition()
        self._inbox: Command | None = None
        self._inbox_steady_ns = 0
        self._beat_ns: int | None = None
        self._state_steady_ns = self._passed_on_ns = 0
        self._answered = True
        self._policy_present = False
        self._stop = threading.Event()
        self._ends_on_purpose = False
        self._runs = False
        self._status_due_ns = 0
        self._driver_error = ""

    # --- from other threads

    def submit(self, command: Command) -> None:
        """Hands in a policy's command; the newest one wins."""
        with self._lock:
            self._inbox = command
            self._inbox_steady_ns = self.steady_now_ns()
            self._lock.notify_all()
        self.driver.wake()

    def foreign_command(self, cause: str, *, must_stop: bool = False) -> None:
        """A command of a second publisher was not handed in; see SafetySupervisor.on_foreign_command."""
        with self._lock:
            self.supervisor.on_foreign_command(cause, self._now(), must_stop=must_stop)
        self.driver.wake()

    def driver_lost(self, cause: str) -> None:
        """Stops the device: what has to be able to stop the motors cannot any more."""
        with self._lock:
            self.supervisor.bus_lost(cause, self._now())

    def beat(self) -> None:
        """The thread that hears commands and people lives."""
        self._beat_ns = self.steady_now_ns()

    def arm(self) -> Answer:
        """See SafetySupervisor.arm. Refused after finish(), and while the driver knows of an obstacle."""
        if self._stop.is_set():
            return Answer(False, "the device node is not active")
        obstacle = self._drivers_obstacle() if self.supervisor.mode is Mode.DISARMED else ""
        if obstacle:
            return Answer(False, obstacle)
        with self._lock:
            return self.supervisor.arm(self._now())

    def _drivers_obstacle(self) -> str:
        try:
            return self.driver.arming_obstacle()
        except DriverError as error:
            return str(error)

    def disarm(self) -> Answer:
        """See SafetySupervisor.disarm."""
        return self._and_wake(self.supervisor.disarm)

    def emergency_stop(self) -> Answer:
        """See SafetySupervisor.stop."""
        return self._and_wake(self.supervisor.stop)

    def finish(self, *, on_purpose: bool = False) -> None:
        """Asks run() to bring torque to zero and return. on_purpose: that is no fault, even with torque."""
        self._ends_on_purpose = on_purpose
        self._stop.set()
        with self._lock:
            self._lock.notify_all()
        self.driver.wake()

    def _and_wake(self, ask: Callable[[Instant], Answer]) -> Answer:
        with self._lock:
            answer = ask(self._now())
            self._lock.notify_all()
        self.driver.wake()
        if not self._runs:
            self.tell()
        return answer

    def tell(self) -> None:
        """Tells its owner, while run() does not run, what has changed, and the status."""
        with self._lock:
            events, snapshot = self.supervisor.pop_events(), self.supervisor.snapshot(self._now())
        for event in events:
            self.hooks.on_event(event)
        self.hooks.on_status(snapshot, 0.0)

    # --- the loop

    def prepare(self) -> None:
        """Takes back an earlier finish(); to be called before every run().

        Raises RuntimeError while a loop runs or hangs: two of them on one driver would give its motors two torques.
        """
        if self._runs:
            raise RuntimeError("the control loop of before has not ended: start device_node again")
        self._stop.clear()
        self._runs = True

    def run(self) -> None:
        """Runs until finish(), then ramps down and switches the motors off; off too on any exception."""
        self._runs = True
        try:
            while not self._stop.is_set():
                self.step()
            self._shut_down()
            self._runs = False
            self.tell()
        except BaseException as error:  # whatever it is: the motors must not keep their last torque
            self._runs = False
            self.driver.disconnect()
            self.hooks.on_crash(error)

    def step(self) -> None:
        """One pass: waits for a state or a command, serves the motors if there is news, tells its owner."""
        state = self._read(self._wait_s())
        if state is not None:
            self._take_state(state)
        with self._lock:
            has_command = self._take_command()
            motor_torque = self._motor_torque(has_state=state is not None, has_command=has_command)
        if motor_torque is not None:
            self._write(motor_torque)
        self._tell()

    def _now(self, state: DeviceState | None = None) -> Instant:
        """Both clocks. Lockstep counts stamps alone; a simulator's /clock may lag the newest stamp, the world's does
        not."""
        stamp_ns = state.stamp_ns if state else self.supervisor.newest_stamp_ns
        if self.ros_now_ns is None or self.config.lockstep:
            ros_ns = stamp_ns
        elif self.supervisor.config.simulated:
            ros_ns = max(self.ros_now_ns(), stamp_ns)
        else:
            ros_ns = self.ros_now_ns()
        return Instant(ros_ns, self.steady_now_ns())

    def _wait_s(self) -> float:
        """Tells how long read may wait: to the next watchdog, or until the newest state's command is overdue."""
        if self.supervisor.mode is Mode.STOPPING:
            return 0.5 * self.config.period_s
        if self._answered:
            return self.config.period_s
        waited_s = (self.steady_now_ns() - self._state_steady_ns) / NANOSECONDS_PER_SECOND
        return min(self.config.period_s, max(0.0, self.config.answer_wait_s - waited_s))

    def _read(self, timeout_s: float) -> DeviceState | None:
        with self._lock:
            if self._inbox is not None:
                timeout_s = 0.0
        try:
            state = self.driver.read(timeout_s)
        except DriverError as error:
            self._on_driver_error(error)
            return None
        if state is not None:
            self._driver_error = ""
        return state

    def _take_state(self, state: DeviceState) -> None:
        """Passes a state on to the supervisor and to the policy; in lockstep waits for the policy's answer.

        A repeated state (the simulator is paused, or missed our answer) goes to the policy only if it never
        answered it, and not while that answer may be on its way: it may have started later.
        """
        with self._lock:
            self._state_steady_ns = self.steady_now_ns()
            is_new = self.supervisor.on_state(state, self._now(state))
            is_unanswered = self.supervisor.answered_stamp_ns != state.stamp_ns
            self._answered = not is_new
            lost = self.supervisor.pop_lost_zeros()
        if lost:
            self.driver.doubt_zeros(lost)
        passed_on_s = (self._state_steady_ns - self._passed_on_ns) / NANOSECONDS_PER_SECOND
        if is_new or is_unanswered and passed_on_s >= REPEAT_S:
            self._passed_on_ns = self._state_steady_ns
            self.hooks.on_state(state)
        if is_new:
            self.state_rate.tick(self._state_steady_ns)
            if self.config.lockstep:
                self._wait_for_answer(state)

    def _take_command(self) -> bool:
        """Passes the newest command on to the supervisor."""
        command, self._inbox = self._inbox, None
        if command is None:
            return False
        self._policy_present = True
        self.supervisor.on_command(command, self._now())
        if not self._answered and command.state_stamp_ns == self.supervisor.newest_stamp_ns:
            self._answered = True
            now_ns = self.steady_now_ns()
            self.answer_latency.add(now_ns - self._state_steady_ns)
            self.command_latency.add(now_ns - self._inbox_steady_ns)
        return True

    def _motor_torque(self, *, has_state: bool, has_command: bool) -> MotorTorque | None:
        """The next motor torque, or None while there is nothing new to tell the motors."""
        now = self._now()
        self._check_ros_thread(now)
        self.supervisor.check(now)
        mode = self.supervisor.mode
        if mode is Mode.ACTIVE and not self._answered and not has_command:
            waited_s = (now.steady_ns - self._state_steady_ns) / NANOSECONDS_PER_SECOND
            if waited_s < self.config.answer_wait_s:
                return None  # the command for this state is on its way: one torque instead of two
            self._answered = True
            has_state = True
        switched = self.applied is not None and self.applied.enable != (mode in MOTORS_ON)
        # in lockstep each state has one answer
        between_states = (has_command or switched) and not self.config.lockstep
        if has_state or between_states or mode is Mode.STOPPING:
            return self.supervisor.update(now)
        return None

    def _check_ros_thread(self, now: Instant) -> None:
        """Stops the device when the thread hangs that hears commands: it does not hear exo/stop either."""
        if self._beat_ns is None or not self.config.ros_silence_s or self._stop.is_set():
            return
        silence_s = (now.steady_ns - self._beat_ns) / NANOSECONDS_PER_SECOND
        if silence_s > self.config.ros_silence_s and self.supervisor.mode is Mode.ACTIVE:
            self.supervisor.command_lost(
                f"the thread that hears exo/command and exo/stop has hung for {silence_s:.1f} s", now
            )

    def _write(self, motor_torque: MotorTorque) -> None:
        try:
            self.applied = self.driver.write(motor_torque)
        except DriverError as error:
            self._on_driver_error(error)

    def _wait_for_answer(self, state: DeviceState) -> None:
        """Lockstep: waits for the command that answers state, if there is a policy at all."""
        deadline_ns = self.steady_now_ns() + to_ns(self.config.lockstep_timeout_s)
        with self._lock:
            mode = self.supervisor.mode
            while self._policy_present and not self._stop.is_set():
                if self._inbox is not None and self._inbox.state_stamp_ns >= state.stamp_ns:
                    return
                if self.supervisor.mode is not mode:  # a person's stop does not wait
                    return
                left_s = (deadline_ns - self.steady_now_ns()) / NANOSECONDS_PER_SECOND
                if left_s <= 0.0:
                    self._policy_present = False
                    patience_s = self.config.lockstep_timeout_s
                    self.supervisor.command_lost(
                        f"no answer to a state within {patience_s:g} s of lockstep", self._now()
                    )
                    return
                self._lock.wait(left_s)

    def _on_driver_error(self, error: DriverError) -> None:
        with self._lock:
            self.supervisor.bus_lost(str(error), self._now())
        if str(error) != self._driver_error:
            self._driver_error = str(error)
            self.hooks.on_event(Event(True, f"driver: {error}"))
        # a stopping ramp is still tried at full rate: reading may have failed and writing not
        self._stop.wait(self.config.period_s if self.supervisor.mode is Mode.STOPPING else DRIVER_RETRY_S)

    def _shut_down(self) -> None:
        with self._lock:
            end = self.supervisor.deactivate if self._ends_on_purpose else self.supervisor.shutdown
            end(self._now())
        give_up_ns = self.steady_now_ns() + to_ns(SHUTDOWN_PATIENCE * self.supervisor.config.ramp_down_s)
        while self.supervisor.mode is Mode.STOPPING and self.steady_now_ns() < give_up_ns:
            self.step()
        self._write(MotorTorque.off(self.supervisor.joint_names, *self._newest_number()))
        self._tell()

    def _newest_number(self) -> tuple[int, int]:
        applied = self.applied
        return (applied.state_stamp_ns, applied.sequence) if applied else (0, 0)

    def _tell(self) -> None:
        """Log lines at once; the status on every change, and STATUS_PERIOD_S after the last one."""
        with self._lock:
            events = self.supervisor.pop_events()
            now = self._now()
            if not events and now.steady_ns < self._status_due_ns:
                return
            snapshot = self.supervisor.snapshot(now)
        self._status_due_ns = now.steady_ns + to_ns(STATUS_PERIOD_S)
        for event in events:
            self.hooks.on_event(event)
        self.hooks.on_status(snapshot, self.state_rate.rate_hz(now.steady_ns))
