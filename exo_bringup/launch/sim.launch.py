# SPDX-License-Identifier: Apache-2.0
"""The simulated graph: ros2 launch exo_bringup sim.launch.py controller:=spline rviz:=true

The device starts disarmed: ros2 service call /exo/arm std_srvs/srv/Trigger switches the torque on.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from exo_bringup.graph import describe_graph
from exo_bringup.launch_support import SIM_ARGUMENTS, node_arguments, options_from_launch


def start_nodes(context):
    """Nodes for the arguments of this launch."""
    values = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in SIM_ARGUMENTS}
    return [Node(**node_arguments(spec)) for spec in describe_graph(options_from_launch(values))]


def generate_launch_description():
    """Entry point of ros2 launch."""
    declared = [
        DeclareLaunchArgument(argument.name, default_value=argument.default, description=argument.description)
        for argument in SIM_ARGUMENTS
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start_nodes)])
