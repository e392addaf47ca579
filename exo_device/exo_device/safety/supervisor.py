# SPDX-License-Identifier: Apache-2.0
"""The safety supervisor: it stands between the command of a policy and the motor torque.

It is plain Python, driven from outside: every call carries the time (an Instant), so equal calls give equal torque. It
is not thread-safe: its owner holds a lock.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exo_device.description import DeviceDescription
from exo_device.safety.checks import StateCheck, command_problem, commanded_torque
from exo_device.safety.config import SafetyConfig, SafetyError
from exo_device.safety.limits import CommandLimiter, StoppingRamp
from exo_device.safety.modes import ARMED, MOTORS_ON, Answer, Event, Fault, Mode, ModeMachine, Problem
from exo_device.safety.plausibility import ImuCheck, MotionCheck, ShakingCheck, TorqueCheck
from exo_device.safety.stride_gate import Assistance
from exo_device.safety.watchdog import ClockWatch, CommandWatch, StateWatch
from exo_device.safety.wearer import not_standing
from exo_device.signals import Command, DeviceState, MotorTorque
from exo_device.timing import Instant

#: No arming for this long (s, steady time) after a command of a second publisher.
FOREIGN_MEMORY_S = 1.0
#: Motors of which nothing is heard for this long (s, steady time) after a stop may be going on.
UNHEARD_AFTER_STOP_S = 0.5


@dataclass(frozen=True)
class Snapshot:
    """The device's state for exo/status and /diagnostics; see exo_msgs/DeviceStatus."""

    mode: Mode
    faults: Fault
    cause: str
    torque_limit: np.ndarray
    wearer_mass_kg: float
    assistance_gain: float
    state: DeviceState | None
    command_age_s: float
    state_age_s: float
    dropped_states: int
    dropped_commands: int
    #: Used share of the i2t budget, by joint.
    heat: np.ndarray
    #: Commands of a second publisher, all refused.
    foreign_commands: int


class SafetySupervisor:
    """Decides the torque of every joint, and stops for every reason listed in Fault.

    Raises DeviceError for a wearer's mass out of range and SafetyError for settings that contradict the device.
    """

    def __init__(self, device: DeviceDescription, wearer_mass_kg: float, config: SafetyConfig) -> None:
        self.config = config
        self.wearer_mass_kg = wearer_mass_kg
        self.joint_names = device.joint_names
        self._limiter = CommandLimiter(device, wearer_mass_kg, config)
        self.limits = self._limiter.limits
        self._require_slew_to_allow_ramp()
        self._machine = ModeMachine()
        self._states = StateWatch(config)
        self._commands = CommandWatch(config)
        self._clock = ClockWatch()
        self._state_check = StateCheck(self.limits, config)
        self._slew, self._thermal = self._limiter.slew, self._limiter.thermal
        self._assistance = Assistance(config, self.joint_names)
        self._motion = MotionCheck(device, self.limits.cap)
        self._torque = TorqueCheck(device, self.limits.cap)
        self._shaking = ShakingCheck(self.joint_names, self.limits.cap)
        self._imu = ImuCheck()
        self._lost_zeros: dict[str, str] = {}
        self._measures_torque = config.torque_is_measured and config.follows_steady_time
        self._state_problem: Problem | None = None
        self._command_problem: Problem | None = None
        self._commanded = np.zeros(len(self.joint_names))
        self._ramp: StoppingRamp | None = None
        #: Time (s) since the end of a stop, until a state tells how the motors took it; None while none is awaited.
        self._unheard_s: float | None = None
        self._checked: Instant | None = None
        self._foreign: tuple[Instant, str] | None = None
        self._foreign_commands = 0
        self._since: Instant | None = None
        #: While arming: what is missing.
        self._obstacle = ""
        self._last: Instant | None = None

    def _require_slew_to_allow_ramp(self) -> None:
        steepest = self.limits.cap / (self.config.ramp_down_s - self.config.period_s)
        for name, needed, allowed in zip(self.joint_names, steepest, self.limits.slew, strict=True):
            if needed > allowed:
                raise SafetyError(
                    f"ramp_down_s {self.config.ramp_down_s:g} s needs {needed:.0f} Nm/s on {name}, above its "
                    f"slew_limit_nm_per_s {allowed:g}; raise one of them"
                )

    # --- requests of people and other nodes

    @property
    def mode(self) -> Mode:
        """Present mode."""
        return self._machine.mode

    @property
    def cause(self) -> str:
        """One sentence: why this mode, or what is missing in it; empty when all is well."""
        if self.mode is Mode.ARMING and self._obstacle:
            return self._obstacle
        return self._assistance.obstacle if self.mode is Mode.ACTIVE else self._machine.cause

    @property
    def newest_stamp_ns(self) -> int:
        """Stamp of the newest state (ns), 0 before the first one."""
        return self._states.state.stamp_ns if self._states.state else 0

    @property
    def answered_stamp_ns(self) -> int:
        """Stamp of the state that the newest command answers (ns), -1 before the first one."""
        return self._commands.command.state_stamp_ns if self._commands.command else -1

    def arm(self, now: Instant) -> Answer:
        """Starts arming: torque follows once the conditions are met, see _arming_obstacle."""
        was = self.mode
        answer = self._machine.arm()
        if self.mode is not was:
            self._since = now
            self._obstacle = ""
            self._commands.restart()
        return answer

    def disarm(self, now: Instant) -> Answer:
        """Ramps torque to zero and disables the motors, or clears a latched fault."""
        was = self.mode
        answer = self._machine.disarm()
        self._note_stop(was, now)
        return answer

    def stop(self, now: Instant) -> Answer:
        """A person's stop: ramps to zero and latches, in every mode."""
        self._fault(Problem(Fault.USER_STOP, "stopped by exo/stop"), now)
        return Answer(True, f"{self.mode.name.lower()}, latched until exo/disarm")

    def deactivate(self, now: Instant) -> None:
        """The device node is deactivated on purpose: ramps to zero, which is no fault and clears none."""
        was = self.mode
        self._machine.end("the device node was deactivated")
        self._note_stop(was, now)

    def restore(self, faults: Fault, cause: str, heat: dict[str, float]) -> None:
        """Takes over what was latched, and how hot the motors were (share of the i2t budget, by joint), before this
        supervisor was made. Before any other call."""
        self._machine.restore(faults, cause)
        self._thermal.heat = np.array([heat.get(name, 0.0) for name in self.joint_names])

    def shutdown(self, now: Instant) -> None:
        """The node is going away."""
        self._fault(Problem(Fault.SHUTDOWN, "the device node is shutting down"), now)

    def bus_lost(self, cause: str, now: Instant) -> None:
        """The driver cannot reach the motors."""
        self._fault(Problem(Fault.BUS_LOST, cause), now)

    def command_lost(self, cause: str, now: Instant) -> None:
        """The policy did not answer in lockstep."""
        self._fault(Problem(Fault.STALE_COMMAND, cause), now)

    # --- what comes in

    def on_state(self, state: DeviceState, now: Instant) -> bool:
        """Takes in a state with the device's joints in its order. Returns whether its stamp is new."""
        if state.names != self.joint_names:
            raise ValueError(f"a state of {state.names} for a device with {self.joint_names}")
        is_new, time_problem = self._states.see(state, now)
        content_problem = self._state_check.problem(state)
        if is_new:
            content_problem = content_problem or self._plausibility(state, now)
            content_problem = self._thermal.see(state, self._slew.torque) or content_problem
        self._state_problem = time_problem or content_problem
        if time_problem and time_problem.fault is Fault.CLOCK_JUMP:
            self._commands.forget()  # its stamps belong to another time line
        if is_new:
            self._commands.expect(now)
            if self.mode is Mode.ACTIVE and not self._state_problem:
                self._assistance.see(state)
            self._verify_stop(state, now)
        if content_problem and self.mode in ARMED:
            self._fault(content_problem, now)
        elif time_problem and self.mode is Mode.ACTIVE:  # while arming it only delays
            self._fault(time_problem, now)
        return is_new

    def on_command(self, command: Command, now: Instant) -> None:
        """Takes in a policy's command."""
        is_active = self.mode is Mode.ACTIVE
        order_problem = self._commands.see(command, self.newest_stamp_ns, now, strict=is_active)
        if order_problem and is_active:
            self._fault(order_problem, now)
        if self._commands.command is not command:
            return
        self._command_problem = command_problem(command, self.joint_names)
        if self._command_problem is None:
            self._commanded = commanded_torque(command, self.joint_names)
        elif self.mode in ARMED:
            self._fault(self._command_problem, now)

    def on_foreign_command(self, cause: str, now: Instant, *, must_stop: bool = False) -> None:
        """A command of a second publisher has come and was not followed; cause: who publishes.

        must_stop: it may have been the policy's own as well, see CommandSource.
        """
        if self._foreign is None or self._foreign[1] != cause:
            self._machine.note(True, f"a command was refused: {cause}")
        self._foreign = (now, cause)
        self._foreign_commands += 1
        if self.mode is Mode.ACTIVE and (must_stop or self.config.second_publisher == "fault"):
            self._fault(Problem(Fault.SEQUENCE_GAP, cause), now)

    def _plausibility(self, state: DeviceState, now: Instant) -> Problem | None:
        """Returns the first thing in a state that a sound one cannot say."""
        self._assistance.upright.see(state.stamp_s, state.imu)
        problem = self._motion.see(state, self._slew.torque, may_leap=self.config.simulated)
        problem = problem or self._imu.see(state.stamp_s, state.imu)
        self._lost_zeros.update(self._motion.lost)
        if problem is None and self._measures_torque and self.mode is not Mode.DISARMED:
            problem = self._torque.following(now.steady_s, state.torque)
        return problem

    def _verify_stop(self, state: DeviceState, now: Instant) -> None:
        """Motors that go on although they are told to stop are a fault in every mode."""
        self._unheard_s = None
        if self._measures_torque:
            is_stopped = self.mode in (Mode.DISARMED, Mode.FAULT)
            problem = self._torque.stopped(now.steady_s, state.torque, must_be_zero=is_stopped)
            if problem:
                self._fault(problem, now)

    # --- what goes out

    def check(self, now: Instant) -> None:
        """Runs the watchdogs and the steps of arming, without making a motor torque."""
        if self.mode is Mode.ACTIVE:
            problem = self._states.problem(now) or self._commands.problem(now) or self._clock_problem(now)
            if problem:
                self._fault(problem, now)
            return
        self._clock.begin(now)
        if self.mode is Mode.ARMING:
            self._try_to_become_active(now)
        self._listen_after_stop(now)

    def _listen_after_stop(self, now: Instant) -> None:
        """Motors that say nothing after a stop are a fault: nobody knows whether they obey."""
        before, self._checked = self._checked or now, now
        if self._unheard_s is None:
            return
        self._unheard_s += min(now.steady_since(before), self.config.output_gap_s)  # a pause of this process is none
        if self._unheard_s > UNHEARD_AFTER_STOP_S:
            self._unheard_s = None
            cause = "told to stop, and nothing was heard of the motors since: take the power away"
            self._fault(Problem(Fault.STOP_NOT_CONFIRMED, cause), now)

    def _clock_problem(self, now: Instant) -> Problem | None:
        is_compared = self.config.follows_steady_time and self.config.ros_time_is_the_worlds
        return self._clock.problem(now) if is_compared else None

    def update(self, now: Instant) -> MotorTorque:
        """The motor torque for now: always finite, within the caps and the slew limits."""
        self.check(now)
        self._forget_after_gap(now)
        self._slew.refill(self._since_last(now))
        self._last = now
        if self.mode is Mode.ACTIVE:
            self._follow_command(now)
        elif self.mode is Mode.STOPPING:
            self._follow_ramp(now)
        torque = np.clip(self._slew.torque, -self.limits.cap, self.limits.cap)
        self._torque.sent(now.steady_s, torque)
        state = self._states.state
        return MotorTorque(
            state_stamp_ns=state.stamp_ns if state else 0,
            sequence=state.sequence if state else 0,
            enable=self.mode in MOTORS_ON,
            names=self.joint_names,
            torque=torque,
        )

    @property
    def bites(self) -> dict[str, np.ndarray]:
        """By limit (see LIMITS), which joints (J,) it took torque from when a command was last followed."""
        return self._limiter.bites

    def _since_last(self, now: Instant) -> float:
        """Time (s) since the last motor torque: of the faster clock, but in a simulation, which has its own."""
        if self._last is None:
            return 0.0
        steady_s = now.steady_since(self._last) if self.config.follows_steady_time else 0.0
        return max(now.ros_since(self._last), steady_s)

    def _forget_after_gap(self, now: Instant) -> None:
        """Lets torque begin at zero after a pause of this process: the motors have been there for long."""
        if self._last is None or not self.config.follows_steady_time:
            return
        if now.steady_since(self._last) > self.config.output_gap_s:
            self._slew.follow(np.zeros_like(self._slew.torque))
            if self._ramp is not None and self.mode is Mode.STOPPING:
                self._ramp = StoppingRamp(self.config, self._slew.torque, now)

    def assistance_gain(self, now: Instant) -> float:
        """Factor on the command, 0 to 1: see Assistance; 0 without torque."""
        return self._assistance.gain(now.ros_ns) if self.mode is Mode.ACTIVE else 0.0

    def snapshot(self, now: Instant) -> Snapshot:
        """Returns the mode with its cause and the figures behind it, for people."""
        gain = self.assistance_gain(now)
        return Snapshot(
            mode=self.mode,
            faults=self._machine.faults,
            cause=self.cause,
            torque_limit=self.limits.cap,
            wearer_mass_kg=self.wearer_mass_kg,
            assistance_gain=gain,
            state=self._states.state,
            command_age_s=self._commands.age_s(now),
            state_age_s=self._states.age_s(now),
            dropped_states=self._states.dropped,
            dropped_commands=self._commands.dropped,
            heat=self._thermal.heat,
            foreign_commands=self._foreign_commands,
        )

    def pop_lost_zeros(self) -> dict[str, str]:
        """Returns, by joint, why its zero may be lost by what its angle did since the last call."""
        lost, self._lost_zeros = self._lost_zeros, {}
        return lost

    def pop_events(self) -> list[Event]:
        """Every change of mode and of the assistance since the last call, with its cause."""
        return self._machine.pop_events() + [Event(False, text) for text in self._assistance.pop_news()]

    # --- inside

    def _fault(self, problem: Problem, now: Instant) -> None:
        was = self.mode
        self._machine.fault(problem.fault, problem.cause)
        self._note_stop(was, now)

    def _note_stop(self, was: Mode, now: Instant) -> None:
        if self.mode is Mode.STOPPING and was is not Mode.STOPPING:
            self._forget_after_gap(now)
            self._ramp = StoppingRamp(self.config, self._slew.torque, now)

    def _try_to_become_active(self, now: Instant) -> None:
        obstacle = self._arming_obstacle(now)
        self._obstacle = obstacle or ""
        if obstacle is None:
            self._commanded = np.zeros(len(self.joint_names))  # what was commanded before now counts as zero
            self._machine.became_active()
            self._assistance.begin(now.ros_ns)
            return
        since = self._since or now
        waited_s = now.ros_since(since)
        if not self.config.lockstep:
            waited_s = max(waited_s, now.steady_since(since))
        if waited_s >= self.config.arming_timeout_s:
            self._machine.give_up_arming(f"not armed within {self.config.arming_timeout_s:g} s: {obstacle}")

    def _arming_obstacle(self, now: Instant) -> str | None:
        """Returns what is missing of: a fresh, sound state; a fresh, sound command that counts up; one publisher."""
        problem = self._states.problem(now) or self._state_problem
        if problem:
            return problem.cause
        if self._foreign and now.steady_since(self._foreign[0]) < FOREIGN_MEMORY_S:
            return self._foreign[1]  # before what follows from it: no command of the policy is followed either
        problem = self._commands.problem(now) or self._command_problem
        if problem:
            return problem.cause
        state = self._newest_state
        posture = not_standing(state, self._assistance.upright.tilt) if self.config.posture_check else None
        running = self._torque.rest(state.torque) if self._measures_torque else None
        if posture or running:
            return posture or f"not asked for torque yet, and {running}"
        return self._commands.stuck_text() or None

    @property
    def _newest_state(self) -> DeviceState:
        """There is one before the device can be armed: see _arming_obstacle."""
        assert self._states.state is not None
        return self._states.state

    def _follow_command(self, now: Instant) -> None:
        state = self._newest_state
        self._limiter.follow(self._commanded, self.assistance_gain(now), state.position, state.velocity)
        t = now.steady_s if self.config.follows_steady_time else now.ros_s
        problem = self._shaking.see(t, self._slew.torque)
        if problem:
            self._fault(problem, now)

    def _follow_ramp(self, now: Instant) -> None:
        assert self._ramp is not None  # made with the stop
        state = self._newest_state
        torque = np.clip(self._ramp.torque(now), *self.limits.bounds(state.position, state.velocity))
        # what range, speed and power took from a joint on its way down does not come back
        torque = np.clip(torque, np.minimum(self._slew.torque, 0.0), np.maximum(self._slew.torque, 0.0))
        self._slew.follow(torque)
        if not torque.any():
            self._machine.stopped()
            self._unheard_s = 0.0 if self._measures_torque else None
