# SPDX-License-Identifier: Apache-2.0
"""ODrive motor controllers on a CAN bus (CANSimple)."""

from exo_device.drivers.odrive_can.driver import AxisConfig, ODriveConfig, ODriveDriver

__all__ = ["AxisConfig", "ODriveConfig", "ODriveDriver"]
