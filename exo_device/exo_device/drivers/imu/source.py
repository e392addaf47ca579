# SPDX-License-Identifier: Apache-2.0
"""The pelvis IMU as a driver sees it."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from exo_device.drivers.imu.config import ImuConfig
from exo_device.state import ImuSample

STANDARD_GRAVITY_M_S2 = 9.80665


class ImuSource(ABC):
    """Newest IMU sample. newest() is called from one thread; open and close from the driver's owner."""

    @abstractmethod
    def open(self) -> None:
        """Starts listening. Raises DriverError when it cannot."""

    @abstractmethod
    def newest(self) -> ImuSample:
        """Newest sample, without waiting. Raises DriverError when there is none or it is too old."""

    @abstractmethod
    def close(self) -> None:
        """Stops listening; may be called twice."""


class FixedImu(ImuSource):
    """Stands in where there is no IMU: upright and at rest, always. Not a measurement."""

    def open(self) -> None:
        pass

    def newest(self) -> ImuSample:
        upright, at_rest = np.array([0.0, 0.0, 0.0, 1.0]), np.array([0.0, 0.0, STANDARD_GRAVITY_M_S2])
        return ImuSample(upright, np.zeros(3), at_rest)

    def close(self) -> None:
        pass


def make_imu_source(config: ImuConfig) -> ImuSource:
    """The source that config asks for."""
    if config.source == "none":
        return FixedImu()
    from exo_device.drivers.imu.ros_imu import RosImu  # ROS only where it is used

    return RosImu(config)
