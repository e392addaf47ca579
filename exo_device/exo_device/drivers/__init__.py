# SPDX-License-Identifier: Apache-2.0
"""Motor drivers behind one contract. How to write one: implement Driver, add a line to exo_device.devices.DRIVERS."""

from exo_device.drivers.base import Driver, DriverError
from exo_device.drivers.registry import DRIVERS, make_driver

__all__ = ["DRIVERS", "Driver", "DriverError", "make_driver"]
