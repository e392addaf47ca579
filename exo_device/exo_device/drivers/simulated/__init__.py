# SPDX-License-Identifier: Apache-2.0
"""Motors of a simulated exoskeleton, over ROS topics or within one process."""

from exo_device.drivers.simulated.bus import MotorBus
from exo_device.drivers.simulated.config import SimulatedConfig
from exo_device.drivers.simulated.driver import SimulatedDriver
from exo_device.drivers.simulated.memory_bus import MemoryBus

__all__ = ["MemoryBus", "MotorBus", "SimulatedConfig", "SimulatedDriver"]
