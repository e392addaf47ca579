# SPDX-License-Identifier: Apache-2.0
"""What the launch files share: their arguments, and how a NodeSpec becomes a launch_ros Node."""

from __future__ import annotations

from dataclasses import dataclass

from exo_bringup.graph import GraphOptions, NodeSpec
from exo_core.errors import UserError


@dataclass(frozen=True)
class Argument:
    """One launch argument: its name is that of a GraphOptions field, but for those in FIELDS."""

    name: str
    default: str
    description: str


#: Launch arguments whose GraphOptions field has its unit in the name.
FIELDS = {"speed": "speed_mps"}
#: Launch arguments that are true or false.
TRUTHS = ("visualization", "rviz", "use_mock_hardware", "viewer")

COMMON_ARGUMENTS = (
    Argument("device", "hip_ankle", "exoskeleton: name in config/devices or path of a YAML file"),
    Argument("subject", "default", "wearer: name in config/subjects, path of a YAML file, or preset:NAME"),
    Argument("controller", "zero", "assistance: zero, spline or learned"),
    Argument("checkpoint", "", "checkpoint of the learned controller"),
    Argument("driver_config", "", "settings of the driver: name in config/drivers or path of a YAML file"),
    Argument("namespace", "", "namespace of all nodes"),
    Argument("viewer", "false", "show the graph in the browser"),
    Argument("viewer_host", "127.0.0.1", "address that the viewer listens on; 0.0.0.0 for other machines"),
    Argument("viewer_port", "8080", "TCP port of the viewer, the next free one if it is taken"),
)
SIM_ARGUMENTS = COMMON_ARGUMENTS + (
    Argument("driver", "simulated", "driver of the motors, as device_node names them"),
    Argument("speed", "1.25", "walking speed (m/s)"),
    Argument("mode", "realtime", "realtime, fast or lockstep"),
    Argument("seed", "0", "seed of everything random"),
    Argument("human_checkpoint", "", "checkpoint of the walker; empty for the one that comes with exo_sim"),
    Argument("visualization", "true", "publish /tf, robot_description and markers"),
    Argument("rviz", "false", "start RViz with the package's configuration"),
)
HARDWARE_ARGUMENTS = COMMON_ARGUMENTS + (
    Argument("driver", "cubemars_can", "driver of the motors, as device_node names them"),
    Argument("use_mock_hardware", "false", "emulated motors in the place of the real ones"),
)


def options_from_launch(values: dict[str, str]) -> GraphOptions:
    """Graph options from launch arguments. Raises UserError for a text that is no number or truth."""
    kinds = {"speed": float, "seed": int, "viewer_port": int, **dict.fromkeys(TRUTHS, _truth)}
    converted = {}
    for name, text in values.items():
        try:
            converted[FIELDS.get(name, name)] = kinds.get(name, str)(text)
        except ValueError as error:
            raise UserError(f"launch argument {name}: cannot use '{text}'") from error
    return GraphOptions(**converted)


def _truth(text: str) -> bool:
    if text.lower() in ("true", "1", "yes"):
        return True
    if text.lower() in ("false", "0", "no"):
        return False
    raise ValueError(text)


def node_arguments(spec: NodeSpec) -> dict:
    """Keyword arguments of launch_ros.actions.Node for a spec."""
    parameters = [*spec.parameter_files] + ([dict(spec.parameters)] if spec.parameters else [])
    return {
        "package": spec.package,
        "executable": spec.executable,
        "name": spec.name,
        "namespace": spec.namespace,
        "parameters": parameters,
        "remappings": list(spec.remappings),
        "arguments": list(spec.arguments),
        "output": "screen",
    }
