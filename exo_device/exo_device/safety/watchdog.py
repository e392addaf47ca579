# SPDX-License-Identifier: Apache-2.0
"""The watchdogs say whether states and commands come, are new, and are in order.

Age is ROS time since a stamp; silence is steady time since something arrived. Age catches old information
that keeps arriving; silence catches a sender that died while ROS time stands still.
"""

from __future__ import annotations

from exo_core.time import NANOSECONDS_PER_SECOND
from exo_device.safety.config import SafetyConfig
from exo_device.safety.modes import Fault, Problem
from exo_device.signals import SEQUENCE_WRAP, Command, DeviceState
from exo_device.timing import Instant, age_s

#: So many answers to different states with one sequence number are no accident.
STANDING_STILL = 3


def sequence_step(previous: int, current: int) -> int:
    """Signed distance between two wrapping 32-bit counters."""
    return (current - previous + SEQUENCE_WRAP // 2) % SEQUENCE_WRAP - SEQUENCE_WRAP // 2


#: ROS time may be ahead of or behind steady time by this (s) and by this share of what has passed. The world's clock is
#: slewed by a twelfth at most (chrony's maxslewrate).
CLOCK_SLACK_S, CLOCK_SHARE = 0.05, 0.15
#: ... over at most this long (s): then both are compared anew.
CLOCK_WINDOW_S = 2.0


class ClockWatch:
    """Does ROS time pass as time does? Strides, fades, falls and heat count in it."""

    def __init__(self) -> None:
        self._since: Instant | None = None

    def begin(self, now: Instant) -> None:
        """Both clocks agree from now on."""
        self._since = now

    def problem(self, now: Instant) -> Problem | None:
        """What is wrong with ROS time."""
        since = self._since or now
        passed_s = (now.steady_ns - since.steady_ns) / NANOSECONDS_PER_SECOND
        ros_s = (now.ros_ns - since.ros_ns) / NANOSECONDS_PER_SECOND
        is_wrong = passed_s >= 0.0 and abs(ros_s - passed_s) > CLOCK_SLACK_S + CLOCK_SHARE * passed_s
        if is_wrong or self._since is None or not 0.0 <= passed_s < CLOCK_WINDOW_S:
            self._since = now
        if not is_wrong:
            return None
        return Problem(Fault.CLOCK_JUMP, f"ROS time went on by {ros_s:.3f} s in {passed_s:.3f} s: who sets the clock?")


class StateWatch:
    """Follows the states of the motor bus."""

    def __init__(self, config: SafetyConfig) -> None:
        self._config = config
        self.state: DeviceState | None = None
        self.dropped = 0
        self._heard: Instant | None = None

    def see(self, state: DeviceState, now: Instant) -> tuple[bool, Problem | None]:
        """Takes in one state. Returns whether its stamp is new, and what is wrong with its time.

        A repeated stamp is a paused simulator: the bus lives, and there is no new state. Real motors do not pause:
        there it is a clock that stands still or a bus that repeats itself, and no sign of life.
        """
        previous, self.state = self.state, state
        if previous is None or state.stamp_ns != previous.stamp_ns or not self._config.follows_steady_time:
            self._heard = now
        if previous is None:
            return True, None
        lost = sequence_step(previous.sequence, state.sequence) - 1
        if lost > 0:
            self.dropped += lost
        step_s = (state.stamp_ns - previous.stamp_ns) / NANOSECONDS_PER_SECOND
        if step_s == 0.0:
            return False, None
        return True, self._time_problem(step_s)

    def _time_problem(self, step_s: float) -> Problem | None:
        if step_s < 0.0:
            return Problem(Fault.CLOCK_JUMP, f"the stamps of the states went back by {-step_s:.3f} s")
        gap_s = self._config.longest_state_gap_s
        if step_s > max(self._config.max_clock_step_s, gap_s):
            return Problem(Fault.CLOCK_JUMP, f"the stamps of the states leapt ahead by {step_s:.3f} s")
        if step_s > gap_s:
            return Problem(Fault.SEQUENCE_GAP, f"no state from the motors for {1e3 * step_s:.0f} ms of stamped time")
        return None

    def age_s(self, now: Instant) -> float:
        """Age of the newest state (s), NaN before the first one."""
        return age_s(now.ros_ns, self.state.stamp_ns) if self.state else float("nan")

    def problem(self, now: Instant) -> Problem | None:
        """Says why no torque may be given on the newest state."""
        if self.state is None or self._heard is None:
            return Problem(Fault.STALE_STATE, "no state from the motors yet")
        silence_s = now.steady_since(self._heard)
        if silence_s >= self._config.state_silence_s:
            return Problem(Fault.BUS_LOST, f"no new state from the motors for {1e3 * silence_s:.0f} ms")
        age = self.age_s(now)
        if age >= self._config.state_timeout_s:
            return Problem(Fault.STALE_STATE, f"the newest motor state is {1e3 * age:.0f} ms old")
        ahead_s = (self.state.stamp_ns - now.ros_ns) / NANOSECONDS_PER_SECOND
        steady = self._config.follows_steady_time
        if ahead_s > (self._config.max_clock_ahead_s if steady else self._config.max_clock_step_s):
            ask = "are both computers' clocks synchronised (chrony, PTP)?" if steady else "does /clock arrive?"
            return Problem(
                Fault.CLOCK_JUMP, f"the newest motor state is stamped {ahead_s:.3f} s ahead of ROS time; {ask}"
            )
        return None


class CommandWatch:
    """Follows the commands of a policy and keeps the newest good one."""

    def __init__(self, config: SafetyConfig) -> None:
        self._config = config
        self.command: Command | None = None
        self.dropped = 0
        self._stuck = 0.0
        #: Since when a state waits for an answer. A policy is silent only while it owes one: a paused
        #: simulator sends it no new states.
        self._owed_since: Instant | None = None
        #: Since the last good one: commands that answer no state yet seen, and how far ahead the last one was (s).
        self._ahead = 0
        self._ahead_s = 0.0
        #: Answers to different states with the sequence number of the newest command.
        self._repeats = 0

    def restart(self) -> None:
        """Torque is about to be given: earlier commands out of order no longer count."""
        self._stuck = 0.0

    def forget(self) -> None:
        """Follows no command until the next one."""
        self.command = None

    def expect(self, now: Instant) -> None:
        """A new state went out to the policy."""
        if self._owed_since is None:
            self._owed_since = now

    def see(self, command: Command, newest_state_ns: int, now: Instant, *, strict: bool) -> Problem | None:
        """Takes in one command and follows it, unless it is out of order. Returns what is wrong with its order.

        strict: torque is being given, so a counter that does not advance is refused. Otherwise it may start anew.
        """
        if command.state_stamp_ns > newest_state_ns:
            self._ahead += 1
            self._ahead_s = (command.state_stamp_ns - newest_state_ns) / NANOSECONDS_PER_SECOND
            return Problem(Fault.CLOCK_JUMP, f"a command answers a state {self._ahead_s:.3f} s in the future")
        self._ahead = 0
        if self.command is not None:
            step = sequence_step(self.command.sequence, command.sequence)
            if step:
                self._repeats = 0
            elif command.state_stamp_ns != self.command.state_stamp_ns:
                self._repeats += 1
            if strict and (step <= 0 or command.state_stamp_ns < self.command.state_stamp_ns):
                return self._did_not_advance()
            if strict and step > 1:
                self.dropped += step - 1
        self._stuck = max(0.0, self._stuck - self._config.stuck_forgiveness)
        self.command = command
        self._owed_since = None if command.state_stamp_ns == newest_state_ns else now
        return None

    def _did_not_advance(self) -> Problem | None:
        self._stuck += 1.0
        if self._stuck <= self._config.max_stuck_commands:
            return None
        self._stuck = 0.0
        return Problem(
            Fault.SEQUENCE_GAP,
            self.stuck_text()
            or f"over {self._config.max_stuck_commands} commands did not advance; do two nodes publish them?",
        )

    def stuck_text(self) -> str:
        """Returns what the publisher does wrong with its sequence numbers, or ""."""
        if self.command is None or self._repeats < STANDING_STILL:
            return ""
        return f"the sequence of the commands stands still at {self.command.sequence}: each one counts up by one"

    def age_s(self, now: Instant) -> float:
        """Age of the state that the newest command answers (s), NaN before the first one."""
        return age_s(now.ros_ns, self.command.state_stamp_ns) if self.command else float("nan")

    def problem(self, now: Instant) -> Problem | None:
        """Says why the newest command must not be followed any longer."""
        if self._ahead and (self.command is None or self.age_s(now) >= self._config.command_timeout_s):
            return Problem(
                Fault.STALE_COMMAND,
                f"no command that answers a state: {self._ahead} came, and the state_stamp of the last one lies "
                f"{self._ahead_s:.3f} s after the newest state; it must be the stamp of an exo/joint_states",
            )
        if self.command is None:
            return Problem(Fault.STALE_COMMAND, "no command yet")
        age = self.age_s(now)
        if age >= self._config.command_timeout_s:
            text = f"the newest command answers a state {1e3 * age:.0f} ms old"
            if self.command.state_stamp_ns == 0:
                text = (
                    "no command that answers a state: its state_stamp is 0, and must be the stamp of exo/joint_states"
                )
            return Problem(Fault.STALE_COMMAND, self.stuck_text() or text)
        silence_s = now.steady_since(self._owed_since) if self._owed_since else 0.0
        if silence_s >= self._config.longest_command_silence_s:
            return Problem(Fault.STALE_COMMAND, f"no command for {1e3 * silence_s:.0f} ms")
        return None
