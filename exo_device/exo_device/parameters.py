# SPDX-License-Identifier: Apache-2.0
"""ROS parameters of device_node, with units and ranges, and the configuration made of them."""

from __future__ import annotations

from dataclasses import dataclass, fields

from rclpy.node import Node

from exo_core.ros import Declaration, ParameterError, declare_parameters
from exo_device.control_loop import LoopConfig
from exo_device.description import WEARER_MASS_RANGE_KG
from exo_device.drivers import DRIVERS
from exo_device.safety import SafetyConfig
from exo_device.safety.config import SECOND_PUBLISHER


@dataclass(frozen=True)
class DeviceParameters:
    """Parameters of device_node; names, units and defaults as declared."""

    device_config: str
    driver: str
    driver_config: str
    wearer_mass_kg: float
    lockstep: bool
    lockstep_timeout_s: float
    command_timeout_s: float
    state_timeout_s: float
    state_silence_s: float
    command_silence_s: float
    ros_silence_s: float
    second_publisher: str
    ramp_down_s: float
    stride_gate: bool
    fade_in_strides: float
    stride_shortest_s: float
    stride_longest_s: float
    stride_least_swing_rad: float
    stride_least_shake_m_s2: float
    fade_in_s: float
    loop_rate_hz: float
    answer_wait_s: float
    auto_start: bool
    use_mock_hardware: bool
    state_folder: str
    require_bench_check: bool
    permit_line: str

    def wearer_mass(self, *, is_worn: bool) -> float:
        """Mass of the wearer (kg). Raises ParameterError where somebody wears real motors and nobody said who."""
        low, high = WEARER_MASS_RANGE_KG
        if self.wearer_mass_kg and not low <= self.wearer_mass_kg <= high:
            raise ParameterError(
                f"parameter wearer_mass_kg must be {low:g} to {high:g} kg, got {self.wearer_mass_kg:g}"
            )
        if self.wearer_mass_kg:
            return self.wearer_mass_kg
        if is_worn:
            raise ParameterError(
                "parameter wearer_mass_kg is not set, and real motors have no default: give the wearer's mass in kg, "
                "as -p wearer_mass_kg:=62.0 (ros2 launch, exo hardware: subject, a file with mass_kg)"
            )
        return SIMULATED_WEARER_KG

    def require_worn_ranges(self) -> None:
        """Raises ParameterError for a value that only simulated or emulated motors may have."""
        for name, (low, high, why) in WORN_RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ParameterError(
                    f"parameter {name} must be {low:g} to {high:g} where somebody wears the motors, got {value:g}: "
                    f"{why} (emulated motors: use_mock_hardware)"
                )
        if self.lockstep:
            raise ParameterError("parameter lockstep is for simulation: real motors do not wait")
        if self.second_publisher != "fault":
            raise ParameterError("parameter second_publisher must be fault where somebody wears the motors")

    def safety(self) -> SafetyConfig:
        """Settings of the supervisor. Raises SafetyError for a combination that makes no sense."""
        names = {field.name for field in fields(SafetyConfig)}
        return SafetyConfig(**{name: value for name, value in vars(self).items() if name in names})

    def loop(self) -> LoopConfig:
        """Times of the control loop."""
        return LoopConfig(
            period_s=1.0 / self.loop_rate_hz,
            answer_wait_s=self.answer_wait_s,
            lockstep=self.lockstep,
            lockstep_timeout_s=self.lockstep_timeout_s,
            ros_silence_s=self.ros_silence_s,
        )


_SAFETY = SafetyConfig()
_LOOP = LoopConfig()
_NOTE = "Read when the node is configured."

#: Wearer of simulated motors, where nobody says another (kg): that of the default subject.
SIMULATED_WEARER_KG = 75.0
#: What may be asked of real motors: name: (lowest, highest, why no more). The wider ranges below are for simulators
#: and emulators on a busy machine.
WORN_RANGES = {
    "command_timeout_s": (0.01, 0.2, "torque that no policy asks for any more"),
    "state_timeout_s": (0.01, 0.2, "torque at an angle that is no longer so"),
    "state_silence_s": (0.01, 0.2, "torque that nobody sees"),
    "command_silence_s": (0.0, 0.2, "torque that no policy asks for any more"),
    "ros_silence_s": (0.05, 2.0, "so long exo/stop is not heard"),
    "ramp_down_s": (0.04, 0.2, "so long a stop takes"),
    "stride_shortest_s": (0.4, 2.0, "what is faster trembles"),
    "stride_longest_s": (0.5, 5.0, "so long torque may go on after the last stride"),
    "stride_least_swing_rad": (0.08, 1.0, "who stands sways by 3 degrees"),
    "fade_in_strides": (1.0, 20.0, "full torque with the first stride"),
    "fade_in_s": (0.5, 60.0, "full torque at once"),
}
#: Parameters that hold one of a few words.
CHOICES = {"driver": tuple(sorted(DRIVERS)), "second_publisher": SECOND_PUBLISHER}
#: Set at the start of the process and never again.
READ_ONLY = ("use_mock_hardware", "state_folder", "auto_start")

#: name: (default, description, (lowest, highest) or None)
DECLARATIONS: dict[str, tuple[bool | float | str, str, tuple[float, float] | None]] = {
    "device_config": ("", "Path of the device YAML (joints, limits, sensors).", None),
    "driver": ("simulated", "Motor driver by name.", None),
    "driver_config": ("", "Path of the driver's YAML (bus, ids, signs); empty: the driver's defaults.", None),
    "wearer_mass_kg": (
        0.0,
        "Mass of the wearer (kg), 20 to 200; scales the limits per kg. 0, not given: 75 in simulation, refused with "
        "real motors.",
        (0.0, WEARER_MASS_RANGE_KG[1]),
    ),
    "lockstep": (False, "Answer each state only with the command for just this state: repeatable runs.", None),
    "lockstep_timeout_s": (
        _LOOP.lockstep_timeout_s,
        "In lockstep, a policy that has not answered after this wall time has failed (s).",
        (0.1, 600.0),
    ),
    "command_timeout_s": (
        _SAFETY.command_timeout_s,
        "Oldest state that a command may answer (s, ROS time); older stops the device.",
        (0.01, 60.0),
    ),
    "state_timeout_s": (
        _SAFETY.state_timeout_s,
        "Oldest motor state that torque is given on (s, ROS time); older stops the device.",
        (0.01, 60.0),
    ),
    "state_silence_s": (
        _SAFETY.state_silence_s,
        "Longest silence of the motor bus (s, wall time); longer stops the device.",
        (0.01, 600.0),
    ),
    "command_silence_s": (
        _SAFETY.command_silence_s,
        "Longest wait of a state for its command (s, wall time); longer stops the device. "
        "0: the larger of command_timeout_s and state_silence_s.",
        (0.0, 600.0),
    ),
    "ros_silence_s": (
        _LOOP.ros_silence_s,
        "Longest silence of the thread that hears exo/command and exo/stop (s, wall time); "
        "longer stops the device. 0: it is not watched.",
        (0.0, 600.0),
    ),
    "second_publisher": (
        _SAFETY.second_publisher,
        "While two nodes publish exo/command: fault follows neither and stops the device, ignore goes on with the "
        "one whose messages' numbers go on.",
        None,
    ),
    "ramp_down_s": (_SAFETY.ramp_down_s, "A stop brings torque to zero within this time (s).", (0.04, 1.0)),
    "stride_gate": (_SAFETY.stride_gate, "No torque before a full stride of the wearer was sensed.", None),
    "fade_in_strides": (_SAFETY.fade_in_strides, "Then assistance fades in over this many strides.", (0.0, 20.0)),
    "stride_shortest_s": (_SAFETY.stride_shortest_s, "A stride takes at least this long (s, ROS time).", (0.1, 2.0)),
    "stride_longest_s": (
        _SAFETY.stride_longest_s,
        "... and at most this long; without one for so long assistance ends (s, ROS time).",
        (0.5, 10.0),
    ),
    "stride_least_swing_rad": (
        _SAFETY.stride_least_swing_rad,
        "In a stride the hip (or else knee or ankle) moves at least this far (rad).",
        (0.02, 1.0),
    ),
    "stride_least_shake_m_s2": (
        _SAFETY.stride_least_shake_m_s2,
        "... and the pelvis's specific force varies at least this much (standard "
        "deviation, m/s^2). 0 for a device without an IMU.",
        (0.0, 5.0),
    ),
    "fade_in_s": (
        _SAFETY.fade_in_s,
        "Without the stride gate: assistance fades in over this time after arming (s, ROS time).",
        (0.0, 60.0),
    ),
    "loop_rate_hz": (
        1.0 / _LOOP.period_s,
        "Watchdogs run at least this often (Hz); states and commands wake the loop themselves.",
        (100.0, 1000.0),
    ),
    "answer_wait_s": (
        _LOOP.answer_wait_s,
        "How long the motors wait for the command that answers a new state (s, wall time).",
        (0.0, 0.05),
    ),
    "auto_start": (True, "Configure and activate at start, without a lifecycle manager.", None),
    "use_mock_hardware": (
        False,
        "The motors of the driver are emulated and nobody wears them: no bench check, wide ranges, nothing is kept "
        "across a restart.",
        None,
    ),
    "state_folder": (
        "",
        "Where latch, heat and bench checks of real motors are kept; empty: $XDG_STATE_HOME/exo_gait, else "
        "~/.local/state/exo_gait.",
        None,
    ),
    "require_bench_check": (
        True,
        "Real motors are armed only after `ros2 run exo_device bench check` was passed with these two files.",
        None,
    ),
    "permit_line": (
        "",
        "GPIO line beside the topic exo/torque_permitted, for a relay in the motors' supply or an STO input: "
        "/dev/gpiochip0:17, with :pulse for a retriggerable relay, and :active_low; empty: none.",
        None,
    ),
}
#: The same with range and choices, as every node declares its parameters.
DECLARED = {
    name: Declaration(default, f"{text} {_NOTE}", limits, CHOICES.get(name, ()), live=name not in READ_ONLY)
    for name, (default, text, limits) in DECLARATIONS.items()
}


def declare(node: Node) -> None:
    """Declares every parameter. Raises ParameterError for a given value that cannot be used."""
    declare_parameters(node, DECLARED)


def read(node: Node) -> DeviceParameters:
    """Present values. Raises ParameterError when the device file is not given."""
    values = {name: node.get_parameter(name).value for name in DECLARATIONS}
    if not values["device_config"]:
        raise ParameterError(
            "parameter device_config is not set: give the path of a device YAML, as "
            "--ros-args -p device_config:=config/devices/hip_ankle.yaml"
        )
    return DeviceParameters(**values)


@dataclass
class ParameterGuard:
    """Refuses changes that would be accepted and do nothing, or do harm. To be asked before each change."""

    #: The node is configured: the parameters have been read.
    is_configured: bool = False
    #: The node has driven real motors since it was started.
    is_real: bool = False

    def refusal(self, name: str) -> str:
        """Says why this parameter must not change now, or "" when it may."""
        if name == "use_sim_time":
            return "use_sim_time stays as it is: real motors live in the world's time" if self.is_real else ""
        if name not in DECLARATIONS:
            return ""
        if self.is_real:
            return f"{name} is fixed once real motors are driven: start device_node again with the other value"
        if self.is_configured:
            return f"{name} is read when the node is configured: deactivate and clean up first"
        return ""
