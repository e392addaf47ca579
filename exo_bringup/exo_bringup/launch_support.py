# SPDX-License-Identifier: Apache-2.0
"""What the launch files share: their arguments, and how the graph's description becomes launch actions.

`ros2 launch` runs in the system's Python. Nothing here needs more than launch, launch_ros, yaml and the standard
library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from exo_bringup.graph import (
    CHOICES,
    HARDWARE_DEFAULTS,
    MOTOR_CHOICES,
    NODE_CHOICES,
    SIM_DEFAULTS,
    VIEWER_CHOICES,
    WALK_CHOICES,
    WORN_CHOICES,
    GraphOptions,
    NodeSpec,
    chosen_options,
    default_of,
)
from exo_bringup.processes import GraphLock, executable_path, ros_domain_id
from exo_core.errors import UserError

#: Words for true and false: launch's own, and those that Python's str() makes where a launch file includes ours.
TRUTHS = ("true", "false", "True", "False")
#: What launch calls a truth that the graph decides by itself.
AUTO = "auto"


@dataclass(frozen=True)
class Argument:
    """One launch argument."""

    name: str
    default: str
    description: str
    #: What it may be; empty: anything.
    choices: tuple[str, ...]


def _argument(name: str, defaults: Mapping[str, object]) -> Argument:
    value, choice = default_of(name, defaults), CHOICES[name]
    if value is None:
        return Argument(name, AUTO, choice.description, (AUTO, *TRUTHS))
    if isinstance(value, bool):
        return Argument(name, str(value).lower(), choice.description, TRUTHS)
    return Argument(name, str(value), choice.description, choice.allowed)


_COMMON = (*WORN_CHOICES, *MOTOR_CHOICES, *NODE_CHOICES, *VIEWER_CHOICES)
SIM_ARGUMENTS = tuple(_argument(name, SIM_DEFAULTS) for name in (*_COMMON, *WALK_CHOICES, "mode", "rviz"))
HARDWARE_ARGUMENTS = tuple(_argument(name, HARDWARE_DEFAULTS) for name in (*_COMMON, "use_mock_hardware"))


def options_from_launch(values: dict[str, str]) -> GraphOptions:
    """Graph options from launch arguments. Raises UserError for a text that is no number or truth."""
    converted = {}
    for name, text in values.items():
        default = default_of(name, {})
        kind = _read_truth if default is None or isinstance(default, bool) else type(default)
        try:
            converted[name] = kind(text)
        except ValueError as error:
            raise UserError(f"launch argument {name}: cannot use '{text}'") from error
    return chosen_options(converted)


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
