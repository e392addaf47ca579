# SPDX-License-Identifier: Apache-2.0
"""ROS parameters of device_node, with units and ranges, and the configuration made of them."""

from __future__ import annotations

from dataclasses import dataclass, fields

from rcl_interfaces.msg import FloatingPointRange, ParameterDescriptor
from rclpy.exceptions import (
    InvalidParameterException,
    InvalidParameterTypeException,
    InvalidParameterValueException,
)
from rclpy.node import Node

from exo_device.control_loop import LoopConfig
from exo_device.description import WEARER_MASS_RANGE_KG
from exo_device.safety import SafetyConfig


class ParameterError(ValueError):
    """A parameter has no usable value; the message is one line that says which and what is allowed."""


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

#: name: (default, description, (lowest, highest) or None)
DECLARATIONS: dict[str, tuple] = {
    "device_config": ("", "Path of the device YAML (joints, limits, sensors).", None),
    "driver": ("simulated", "Motor driver by name.", None),
    "driver_config": ("", "Path of the driver's YAML (bus, ids, signs); empty: the driver's defaults.", None),
    "wearer_mass_kg": (75.0, "Mass of the wearer (kg); scales the limits per kg.", WEARER_MASS_RANGE_KG),
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
        "What a command of a second publisher of exo/command does, which is never followed: "
        "fault stops the device, ignore goes on.",
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
}


def declare(node: Node) -> None:
    """Declares every parameter. Raises ParameterError for a given value of the wrong type or out of range."""
    for name, (default, text, limits) in DECLARATIONS.items():
        descriptor = ParameterDescriptor(description=f"{text} {_NOTE}")
        if limits:
            span = FloatingPointRange(from_value=limits[0], to_value=limits[1], step=0.0)
            descriptor.floating_point_range = [span]
        try:
            node.declare_parameter(name, default, descriptor)
        except InvalidParameterTypeException as error:
            kind = "number with a decimal point" if isinstance(default, float) else type(default).__name__
            raise ParameterError(f"parameter {name} must be a {kind}: {_short(error)}") from error
        except InvalidParameterValueException as error:
            raise ParameterError(f"parameter {name} must be {limits[0]:g} to {limits[1]:g}: {_short(error)}") from error
        except InvalidParameterException as error:
            raise ParameterError(f"parameter {name}: {_short(error)}") from error


def read(node: Node) -> DeviceParameters:
    """Present values. Raises ParameterError when the device file is not given."""
    values = {name: node.get_parameter(name).value for name in DECLARATIONS}
    if not values["device_config"]:
        raise ParameterError(
            "parameter device_config is not set: give the path of a device YAML, as "
            "--ros-args -p device_config:=config/devices/hip_ankle.yaml"
        )
    return DeviceParameters(**values)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())
