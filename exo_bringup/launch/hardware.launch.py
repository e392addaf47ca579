# SPDX-License-Identifier: Apache-2.0
"""Device and policy without a simulator: ros2 launch exo_bringup hardware.launch.py driver_config:=FILE

use_mock_hardware:=true starts the same nodes on emulated motors. The device starts disarmed.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from exo_bringup.graph import describe_hardware
from exo_bringup.launch_support import HARDWARE_ARGUMENTS, node_arguments, options_from_launch


def start_nodes(context):
    """Nodes for the arguments of this launch."""
    values = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in HARDWARE_ARGUMENTS}
    return [Node(**node_arguments(spec)) for spec in describe_hardware(options_from_launch(values))]


def generate_launch_description():
    """Entry point of ros2 launch."""
    declared = [
        DeclareLaunchArgument(argument.name, default_value=argument.default, description=argument.description)
        for argument in HARDWARE_ARGUMENTS
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start_nodes)])
