# SPDX-License-Identifier: Apache-2.0
"""Any exoskeleton with a ros2_control hardware interface."""

from exo_device.drivers.ros2_control.driver import ControlledJoint, Ros2ControlConfig, Ros2ControlDriver

__all__ = ["ControlledJoint", "Ros2ControlConfig", "Ros2ControlDriver"]
