# SPDX-License-Identifier: Apache-2.0
"""What the launch files share: their arguments, and how the graph's description becomes launch actions.

`ros2 launch` runs in the system's Python. Nothing here needs more than launch, launch_ros, yaml and the standard
library.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from exo_bringup.graph import CONTROLLERS, LOG_LEVELS, MODES, GraphOptions, NodeSpec
from exo_bringup.graph_lock import GraphLock, ros_domain_id
from exo_bringup.paths import executable_path
from exo_core.errors import UserError
from exo_device.devices import DRIVERS

#: Words for true and false: launch's own, and those that Python's str() makes where a launch file includes ours.
TRUTHS = ("true", "false", "True", "False")
AUTO = "auto"


@dataclass(frozen=True)
class Argument:
    """One launch argument: its name is that of a GraphOptions field, but for those in FIELDS."""

    name: str
    default: str
    description: str
    #: What it may be; empty: anything.
    choices: tuple[str, ...] = ()


def _truth(name: str, default: str, description: str) -> Argument:
    return Argument(name, default, description, TRUTHS)


#: Launch arguments whose GraphOptions field has its unit in the name.
FIELDS = {"speed": "speed_mps"}

COMMON_ARGUMENTS = (
    Argument("device", "hip_ankle", "exoskeleton: name in config/devices or path of a YAML file"),
    Argument("subject", "default", "wearer: name in config/subjects, path of a YAML file, or preset:NAME"),
    Argument("checkpoint", "", "checkpoint of the learned controller"),
    Argument("driver_config", "", "settings of the driver: name in config/drivers or path of a YAML file"),
    _truth("policy", "true", "start policy_node; false where another node publishes exo/command"),
    Argument("params_file", "", "ROS parameters on top of the package's; the arguments here win over it"),
    Argument("log_level", "info", "least severity that the nodes log", LOG_LEVELS),
    Argument("record", "", "MCAP file that all topics are recorded to; empty: none"),
    Argument("namespace", "", "namespace of all nodes"),
    _truth("viewer", "false", "show the graph in the browser"),
    Argument("viewer_host", "127.0.0.1", "address that the viewer listens on; 0.0.0.0 for other machines"),
    Argument("viewer_port", "8080", "TCP port of the viewer, the next free one if it is taken"),
)
SIM_ARGUMENTS = COMMON_ARGUMENTS + (
    Argument("controller", "spline", "assistance", CONTROLLERS),
    Argument("driver", "simulated", "driver of the motors", tuple(DRIVERS)),
    Argument("speed", "1.25", "walking speed (m/s)"),
    Argument("mode", "realtime", "how time passes", MODES),
    Argument("seed", "0", "seed of everything random"),
    Argument("human_checkpoint", "", "checkpoint of the walker; empty for the one that comes with exo_sim"),
    Argument(
        "visualization",
        AUTO,
        "publish /tf, robot_description and markers; auto: unless viewer:=true, which needs none of them",
        (AUTO, *TRUTHS),
    ),
    _truth("rviz", "false", "start RViz with the package's configuration"),
)
HARDWARE_ARGUMENTS = COMMON_ARGUMENTS + (
    Argument("controller", "zero", "assistance", CONTROLLERS),
    Argument("driver", "cubemars_can", "driver of the motors", tuple(DRIVERS)),
    _truth("use_mock_hardware", "false", "emulated motors in the place of the real ones"),
)


def options_from_launch(values: dict[str, str]) -> GraphOptions:
    """Graph options from launch arguments. Raises UserError for a text that is no number or truth."""
    truths = {argument.name for argument in (*SIM_ARGUMENTS, *HARDWARE_ARGUMENTS) if set(TRUTHS) <= {*argument.choices}}
    kinds = {"speed": float, "seed": int, "viewer_port": int, **dict.fromkeys(truths, _read_truth)}
    converted = {}
    for name, text in values.items():
        try:
            converted[FIELDS.get(name, name)] = kinds.get(name, str)(text)
        except ValueError as error:
            raise UserError(f"launch argument {name}: cannot use '{text}'") from error
    return GraphOptions(**converted)


def _read_truth(text: str) -> bool | None:
    if text == AUTO:
        return None
    if text not in TRUTHS:
        raise ValueError(text)
    return text.lower() == "true"


def describe_launch(arguments: tuple[Argument, ...], describe: Callable[[GraphOptions], list[NodeSpec]]):
    """LaunchDescription that declares `arguments` and starts what `describe` says for their values."""
    from launch import LaunchDescription
    from launch.actions import DeclareLaunchArgument, OpaqueFunction
    from launch.substitutions import LaunchConfiguration

    def start_nodes(context) -> list:
        values = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in arguments}
        pushed = context.launch_configurations.get("ros_namespace", "")
        return _actions(describe(options_from_launch(values)), f"{pushed}/{values['namespace']}")

    declared = [
        DeclareLaunchArgument(
            argument.name,
            default_value=argument.default,
            description=argument.description,
            choices=list(argument.choices) or None,
        )
        for argument in arguments
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start_nodes)])


def _actions(specs: list[NodeSpec], namespace: str) -> list:
    """Launch actions that start the nodes, and stop all when one ends that the others need.

    Raises UserError before anything is started: for a program that is not there, and for a second graph of this ROS
    domain and namespace on this machine.
    """
    from launch.actions import RegisterEventHandler, Shutdown
    from launch.event_handlers import OnShutdown
    from launch_ros.actions import Node

    for spec in specs:
        executable_path(spec.package, spec.executable)
    lock = GraphLock(ros_domain_id(), namespace)
    nodes = [
        Node(**node_arguments(spec), on_exit=[Shutdown(reason=f"{spec.name} has ended")] if spec.required else None)
        for spec in specs
    ]
    return [RegisterEventHandler(OnShutdown(on_shutdown=lambda *_: lock.release())), *nodes]


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
        "ros_arguments": list(spec.ros_arguments),
        "output": "screen",
    }
