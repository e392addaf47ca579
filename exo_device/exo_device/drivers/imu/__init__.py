# SPDX-License-Identifier: Apache-2.0
"""Where a driver whose motor bus carries no IMU takes the pelvis IMU from."""

from exo_device.drivers.imu.config import ImuConfig
from exo_device.drivers.imu.source import FixedImu, ImuSource, make_imu_source

__all__ = ["FixedImu", "ImuConfig", "ImuSource", "make_imu_source"]
