# SPDX-License-Identifier: Apache-2.0
"""CubeMars AK motors in MIT mode on a CAN bus."""

from exo_device.drivers.cubemars_can.codec import MotorFault
from exo_device.drivers.cubemars_can.config import CubemarsConfig, MotorConfig
from exo_device.drivers.cubemars_can.driver import CubemarsDriver

__all__ = ["CubemarsConfig", "CubemarsDriver", "MotorConfig", "MotorFault"]
