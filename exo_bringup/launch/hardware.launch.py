# SPDX-License-Identifier: Apache-2.0
"""Device and policy without a simulator: ros2 launch exo_bringup hardware.launch.py driver_config:=FILE subject:=FILE

use_mock_hardware:=true starts the same nodes on emulated motors. The device starts disarmed.
"""

from exo_bringup.graph import describe_hardware
from exo_bringup.launch_support import HARDWARE_ARGUMENTS, describe_launch


def generate_launch_description():
    """Entry point of ros2 launch."""
    return describe_launch(HARDWARE_ARGUMENTS, describe_hardware)
