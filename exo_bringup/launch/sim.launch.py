# SPDX-License-Identifier: Apache-2.0
"""The simulated graph: ros2 launch exo_bringup sim.launch.py rviz:=true

The device starts disarmed: ros2 service call /exo/arm std_srvs/srv/Trigger switches the torque on.
"""

from exo_bringup.graph import describe_graph
from exo_bringup.launch_support import SIM_ARGUMENTS, describe_launch


def generate_launch_description():
    """Entry point of ros2 launch."""
    return describe_launch(SIM_ARGUMENTS, describe_graph)
