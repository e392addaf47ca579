# SPDX-License-Identifier: Apache-2.0
"""Settings of the safety supervisor, checked once when they are made."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from exo_device.safety.wearer import StrideLimits

_STRIDE = StrideLimits()
#: Settings that 0 switches off or resolves to a default.
MAY_BE_ZERO = (
    "fade_in_s",
    "fade_in_strides",
    "fade_delay_s",
    "command_silence_s",
    "stuck_forgiveness",
    "stride_least_shake_m_s2",
)
SWITCHES = ("lockstep", "stride_gate", "simulated", "torque_is_measured", "posture_check", "ros_time_is_the_worlds")
#: What a command of a second publisher does while torque is given. It is never followed.
SECOND_PUBLISHER = ("fault", "ignore")


class SafetyError(ValueError):
    """A safety setting that makes no sense; the message says which and what is allowed."""


@dataclass(frozen=True)
class SafetyConfig:
    """Times in seconds. ROS time comes from stamps (sim time in simulation), steady time never jumps."""

    #: Oldest state that a command may answer (ROS time). Dephy's heartbeat is 50 ms.
    command_timeout_s: float = 0.05
    #: Oldest state that torque may be given on (ROS time).
    state_timeout_s: float = 0.03
    #: Longest silence of the motor bus (steady time).
    state_silence_s: float = 0.03
    #: Longest time that a state waits for its command (steady time); 0: the larger of command_timeout_s and
    #: state_silence_s.
    command_silence_s: float = 0.0
    #: From the decision to stop, torque is zero after this time at the latest.
    ramp_down_s: float = 0.1
    #: True: no torque before a full stride of the wearer was sensed, see StrideLimits for what follows.
    stride_gate: bool = True
    #: Then assistance fades in over this many strides, as OpenExo and the published exoboot code wait before torque.
    fade_in_strides: float = 2.0
    stride_shortest_s: float = _STRIDE.shortest_s
    #: Without a stride for this long (ROS time) the wearer does not walk any more, and assistance ends.
    stride_longest_s: float = _STRIDE.longest_s
    stride_least_swing_rad: float = _STRIDE.least_swing_rad
    stride_least_shake_m_s2: float = _STRIDE.least_shake_m_s2
    #: Without the stride gate: from arming, assistance fades in over this time (ROS time).
    fade_in_s: float = 2.0
    #: The first torque comes this long after arming (ROS time), so that the policy has heard of it by then: without,
    #: the moment of its first torque would depend on how fast exo/status travels, and no run could be repeated.
    fade_delay_s: float = 0.05
    #: Arming gives up when no fresh state and command came in this time.
    arming_timeout_s: float = 5.0
    #: Longest time between two motor torques while all is well. The slew limit lets one period's change through at
    #: once, and a ramp ends two periods early so that coarse ticks cannot make it late.
    period_s: float = 0.01
    #: A longer pause between two motor torques (steady time; not in simulation) means that this process stood still:
    #: torque starts again from zero. Without a command torque ends after 50 ms by itself.
    output_gap_s: float = 0.06
    #: A leap of ROS time over this is a fault of the clock, and no gap in the states.
    max_clock_step_s: float = 0.5
    #: Stamps of the motors' computer may be ahead of this one's clock by this (s; not in simulation, where /clock
    #: lags).
    max_clock_ahead_s: float = 0.02
    #: Torque along the motion fades from this share of the velocity limit to zero at the limit.
    velocity_taper_share: float = 0.8
    #: Joint angle outside its range by more than this stops the device (rad; 10 degrees).
    range_margin_rad: float = math.radians(10.0)
    #: Measured mechanical power over this multiple of its limit stops the device.
    power_fault_ratio: float = 1.5
    #: States in a row that must break the velocity or power limit: one alone may be noise.
    limit_samples: int = 2
    #: Commands that do not advance (the same again, or older) before the device stops.
    max_stuck_commands: int = 10
    #: Each good command forgives this share of one that did not advance. Two publishers in turns still add up.
    stuck_forgiveness: float = 0.25
    #: While two publish commands: fault follows neither and stops the device; ignore counts and logs the second's.
    second_publisher: str = "fault"
    #: Lockstep with a simulator: only stamps count as time, so that a run can be repeated exactly. Steady
    #: time then detects silence alone.
    lockstep: bool = False
    #: The plant is a simulator: its time may stand still, and it may put its person somewhere else.
    simulated: bool = False
    #: The applied torque in the states is measured, or reported by the motors, and answers the motor torque. False
    #: where it was recorded or is not there.
    torque_is_measured: bool = True
    #: ROS time is the system's. False: somebody else's, as a simulator's that moves emulated motors.
    ros_time_is_the_worlds: bool = True
    #: No arming but in upright standing: for a device that somebody may wear.
    posture_check: bool = False

    @property
    def follows_steady_time(self) -> bool:
        """Tells whether time passes whatever stamps say: everywhere but in a simulation."""
        return not (self.simulated or self.lockstep)

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in SWITCHES or field.name == "second_publisher":
                continue
            if not math.isfinite(value) or value < 0.0:
                raise SafetyError(f"{field.name} must be a number not below 0, got {value!r}")
            if value == 0.0 and field.name not in MAY_BE_ZERO:
                raise SafetyError(f"{field.name} must be above 0")
        if self.second_publisher not in SECOND_PUBLISHER:
            raise SafetyError(
                f"second_publisher must be {' or '.join(SECOND_PUBLISHER)}, got '{self.second_publisher}'"
            )
        if self.ramp_down_s < 4.0 * self.period_s:
            raise SafetyError(
                f"ramp_down_s must be at least four periods ({4.0 * self.period_s:g} s), got {self.ramp_down_s:g}"
            )
        if self.stride_shortest_s >= self.stride_longest_s:
            raise SafetyError(
                f"stride_shortest_s must be below stride_longest_s, got "
                f"{self.stride_shortest_s:g} and {self.stride_longest_s:g}"
            )
        if self.velocity_taper_share >= 1.0:
            raise SafetyError(f"velocity_taper_share must be below 1, got {self.velocity_taper_share:g}")

    @property
    def longest_state_gap_s(self) -> float:
        """Longest step between the stamps of two states that is still only a loss (s, ROS time): torque was held on the
        earlier one as long as the timeouts allow. Five states at 100 Hz, as Dephy's five missed heartbeats."""
        return max(self.command_timeout_s, self.state_timeout_s)

    @property
    def longest_command_silence_s(self) -> float:
        """command_silence_s with its default resolved (s)."""
        return self.command_silence_s or max(self.command_timeout_s, self.state_silence_s)
