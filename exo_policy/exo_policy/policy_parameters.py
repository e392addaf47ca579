# SPDX-License-Identifier: Apache-2.0
"""ROS parameters of policy_node, declared with units and ranges."""

from __future__ import annotations

from rcl_interfaces.msg import FloatingPointRange, ParameterDescriptor
from rclpy.exceptions import ParameterException
from rclpy.node import Node

from exo_policy.controllers import CONTROLLERS
from exo_policy.observation import DEFAULT_RATE_HZ
from exo_policy.policy_runtime import Choice
from exo_policy.profiles import (
    ANKLE_GENERIC,
    DEFAULT_ANKLE_PEAK_NM_PER_KG,
    DEFAULT_HIP_PEAK_NM_PER_KG,
    PROFILES,
)

_LIVE = "A change while running swaps the controller within fade_s."
_FIXED = "Read at start."
_SPLINE = "Controller spline: "
_PROFILES = ", ".join(profile for profile in PROFILES if profile.startswith("ankle"))

#: name: (default, description, (lowest, highest) or None, may change while running)
DECLARATIONS: dict[str, tuple] = {
    "controller": ("zero", f"Controller: {', '.join(CONTROLLERS)}.", None, True),
    "checkpoint": (
        "",
        "Checkpoint for the controller learned: path of NAME.json; empty takes the one that is "
        "shipped for the device's joints.",
        None,
        True,
    ),
    "hip_peak_nm_per_kg": (
        DEFAULT_HIP_PEAK_NM_PER_KG,
        _SPLINE + "peak of both hip lobes (Nm/kg).",
        (0.0, 1.0),
        True,
    ),
    "ankle_peak_nm_per_kg": (
        DEFAULT_ANKLE_PEAK_NM_PER_KG,
        _SPLINE + "peak plantarflexion torque (Nm/kg).",
        (0.0, 1.5),
        True,
    ),
    "ankle_profile": (ANKLE_GENERIC.name, f"{_SPLINE}ankle profile: {_PROFILES}.", None, True),
    "lead_s": (0.0, _SPLINE + "delay of sensors and motors to make up for (s).", (0.0, 0.1), True),
    "strengths": (
        "",
        "Controller learned: the wearer's strengths as a fraction of the healthy, as plantarflexors_r: 0.5, "
        "hip_flexors_r: 0.8; what is left out is healthy. Only a policy that was trained to be told them looks at "
        "it.",
        None,
        True,
    ),
    "fade_s": (
        1.0,
        "Time over which a changed parameter passes over to the new controller (s).",
        (0.0, 30.0),
        True,
    ),
    "rate_hz": (
        DEFAULT_RATE_HZ,
        "Rate of exo/joint_states and exo/imu, which a learned controller must be made for (Hz).",
        (10.0, 1000.0),
        False,
    ),
    "wearer_mass_kg": (0.0, "Mass of the wearer (kg); 0 takes the one in exo/status.", (0.0, 300.0), False),
}

CHOICE = ("controller", "checkpoint")
NOT_A_CONTROLLERS = (*CHOICE, "fade_s", "wearer_mass_kg")


class ParameterError(ValueError):
    """A parameter has no usable value; the message is one line that says which and what is allowed."""


def declare(node: Node) -> None:
    """Declare every parameter; raises ParameterError for a value of the wrong type or out of range."""
    for name, (default, text, limits, live) in DECLARATIONS.items():
        descriptor = ParameterDescriptor(description=f"{text} {_LIVE if live else _FIXED}", read_only=not live)
        if limits:
            descriptor.floating_point_range = [FloatingPointRange(from_value=limits[0], to_value=limits[1], step=0.0)]
        try:
            node.declare_parameter(name, default, descriptor)
        except ParameterException as error:
            allowed = f" of {limits[0]:g} to {limits[1]:g}" if limits else ""
            kind = "a number with a decimal point" if isinstance(default, float) else "a text"
            reason = " ".join(str(error).split())
            raise ParameterError(f"parameter {name} must be {kind}{allowed}: {text} ({reason})") from None


def values(node: Node) -> dict:
    """All parameters by name."""
    return {name: node.get_parameter(name).value for name in DECLARATIONS}


def choice(parameters: dict) -> Choice:
    """The controller that the parameters describe."""
    tunable = {name: value for name, value in parameters.items() if name not in NOT_A_CONTROLLERS}
    return Choice(parameters["controller"], parameters["checkpoint"], tunable)
