# SPDX-License-Identifier: Apache-2.0
"""ROS parameters of simulator_node: declared with units and ranges, read into a plain dataclass."""

from __future__ import annotations

from dataclasses import dataclass

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterException
from rclpy.node import Node

from exo_sim.errors import SimError
from exo_sim.plant.simulation import SPEED_RANGE_MPS

MODES = ("realtime", "fast", "lockstep")


@dataclass(frozen=True)
class SimulatorParameters:
    """Parameters at start; names, units and defaults as declared."""

    subject: str
    device_config: str
    human_checkpoint: str
    speed_mps: float
    mode: str
    seed: int
    physics_rate_hz: float
    control_rate_hz: float
    start_paused: bool
    run_until_s: float
    condition: str
    run_directory: str
    pace: float


#: name: (default, description, (lowest, highest) or None, may change while running)
DECLARATIONS: dict[str, tuple] = {
    "subject": ("", "Path of the subject YAML, or preset:NAME; empty: the default subject.", None, False),
    "device_config": ("", "Path of the device YAML that the person wears.", None, False),
    "human_checkpoint": (
        "",
        "Checkpoint of the human policy; empty: the project's for impaired or healthy people.",
        None,
        False,
    ),
    "speed_mps": (
        1.25,
        "Commanded walking speed at start (m/s); later: service sim/set_speed.",
        SPEED_RANGE_MPS,
        False,
    ),
    "mode": (
        "realtime",
        "realtime: paced by the clock. fast: as fast as device and policy answer. "
        "lockstep: the same, and waits for every answer; repeatable.",
        None,
        False,
    ),
    "seed": (0, "Seed of the start and of the sensors' noise.", (0, 2**31 - 1), False),
    "physics_rate_hz": (500.0, "Physics steps per second (Hz), a multiple of control_rate_hz.", (200.0, 2000.0), False),
    "control_rate_hz": (100.0, "Rate of motor states, commands and muscle coordination (Hz).", (100.0, 100.0), False),
    "start_paused": (False, "Start with sim time standing still; sim/pause resumes.", None, False),
    "run_until_s": (0.0, "Sim time (s) at which the simulation pauses itself; 0: never.", (0.0, 1e7), True),
    "condition": ("", "Name under which strides are measured from now on; empty: not measured.", None, True),
    "run_directory": ("", "Folder that gets curves.csv and strides.json at the end; empty: none.", None, False),
    "pace": (
        1.0,
        "Mode realtime: simulated seconds per second of the clock (1); less is slow motion.",
        (0.05, 1.0),
        True,
    ),
}


def declare(node: Node) -> None:
    """Declares every parameter.

    Raises:
        SimError: a value from outside has the wrong type or is out of range.
    """
    for name, (default, text, limits, dynamic) in DECLARATIONS.items():
        descriptor = ParameterDescriptor(description=text, read_only=not dynamic)
        if limits and isinstance(default, float):
            descriptor.floating_point_range = [FloatingPointRange(from_value=limits[0], to_value=limits[1])]
        elif limits:
            descriptor.integer_range = [IntegerRange(from_value=limits[0], to_value=limits[1], step=1)]
        try:
            node.declare_parameter(name, default, descriptor)
        except InvalidParameterException as error:
            allowed = f" from {limits[0]:g} to {limits[1]:g}" if limits else ""
            raise SimError(
                f"parameter {name} must be a {type(default).__name__}{allowed}: {' '.join(str(error).split())}"
            ) from error


def read(node: Node) -> SimulatorParameters:
    """Present values.

    Raises:
        SimError: an unknown mode, or no device given.
    """
    values = SimulatorParameters(**{name: node.get_parameter(name).value for name in DECLARATIONS})
    if values.mode not in MODES:
        raise SimError(f"parameter mode is '{values.mode}'; choose one of {', '.join(MODES)}")
    if not values.device_config:
        raise SimError(
            "parameter device_config is not set: give the path of a device YAML, as "
            "--ros-args -p device_config:=config/devices/hip_ankle.yaml"
        )
    return values
