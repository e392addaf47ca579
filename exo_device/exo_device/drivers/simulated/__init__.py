# SPDX-License-Identifier: Apache-2.0
"""Motors of a simulated exoskeleton, over ROS topics or within one process."""

from exo_device.drivers.simulated.driver import MemoryBus, MotorBus, SimulatedConfig, SimulatedDriver

__all__ = ["MemoryBus", "MotorBus", "SimulatedConfig", "SimulatedDriver"]
