# SPDX-License-Identifier: Apache-2.0
"""ROS parameters of simulator_node: declared with units and ranges, read into a plain dataclass."""

from __future__ import annotations

from dataclasses import dataclass

from rclpy.node import Node

from exo_core.ros import Declaration, ParameterError, declare_parameters
from exo_sim.plant.simulation import SPEED_RANGE_MPS


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


DECLARATIONS = {
    "subject": Declaration("", "Path of the subject YAML, or preset:NAME; empty: the default subject."),
    "device_config": Declaration("", "Path of the device YAML that the person wears."),
    "human_checkpoint": Declaration(
        "", "Checkpoint of the human policy; empty: the project's for impaired or healthy people."
    ),
    "speed_mps": Declaration(
        1.25, "Commanded walking speed at start (m/s); later: service sim/set_speed.", SPEED_RANGE_MPS
    ),
    "mode": Declaration(
        "realtime",
        "realtime: paced by the clock. fast: as fast as device and policy answer. "
        "lockstep: the same, and waits for every answer; repeatable.",
        choices=("realtime", "fast", "lockstep"),
    ),
    "seed": Declaration(0, "Seed of the start and of the sensors' noise.", (0, 2**31 - 1)),
    "physics_rate_hz": Declaration(
        500.0, "Physics steps per second (Hz), a multiple of control_rate_hz.", (200.0, 2000.0)
    ),
    "control_rate_hz": Declaration(
        100.0, "Rate of motor states, commands and muscle coordination (Hz).", (100.0, 100.0)
    ),
    "start_paused": Declaration(False, "Start with sim time standing still; sim/pause resumes."),
    "run_until_s": Declaration(
        0.0, "Sim time (s) at which the simulation pauses itself; 0: never.", (0.0, 1e7), live=True
    ),
    "condition": Declaration("", "Name under which strides are measured from now on; empty: not measured.", live=True),
    "run_directory": Declaration("", "Folder that gets curves.csv and strides.json at the end; empty: none."),
    "pace": Declaration(
        1.0,
        "Mode realtime: simulated seconds per second (1); less is slow motion.",
        (0.05, 1.0),
        live=True,
    ),
}


def read(node: Node) -> SimulatorParameters:
    """Declares every parameter and returns the values at start.

    Raises:
        ParameterError: a value that cannot be used, or no device given.
    """
    values = SimulatorParameters(**declare_parameters(node, DECLARATIONS))
    if not values.device_config:
        raise ParameterError(
            "parameter device_config is not set: give the path of a device YAML, as "
            "--ros-args -p device_config:=config/devices/hip_ankle.yaml"
        )
    return values
