# SPDX-License-Identifier: Apache-2.0
"""Where a driver whose motor bus carries no IMU takes the pelvis IMU from."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from exo_device.drivers.base import DriverError, Settings
from exo_device.state import ImuSample


class ImuConfig(Settings):
    """Which IMU there is."""

    #: none: there is none. Every sample then says upright and at rest (identity orientation, no rotation,
    #: 9.81 m/s^2 upwards), which is not a measurement: use only policies that do not read the IMU. topic:
    #: sensor_msgs/Imu, REP 145, in the pelvis frame.
    source: Literal["none", "topic"] = "none"
    #: Topic of source `topic`, relative to the node's namespace.
    topic: str = "imu/data"
    #: An IMU sample older than this (s, since it arrived) is a lost IMU.
    max_age_s: Annotated[float, Field(gt=0.0, le=1.0)] = 0.03
    #: Name of the ROS node that listens.
    node_name: str = "_device_imu"
    #: Namespace of that node; empty: as the process's ROS arguments say.
    namespace: str = ""


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


class RosImu(ImuSource):
    """An IMU that another node publishes as sensor_msgs/Imu: keeps the newest message, in a thread of its own.

    ROS is imported in open(): who has no such IMU needs none.
    """

    def __init__(self, config: ImuConfig) -> None:
        self._config = config
        self._spinning = None
        self._newest: tuple[float, ImuSample] | None = None

    def open(self) -> None:
        import rclpy
        from rclpy.qos import qos_profile_sensor_data
        from sensor_msgs.msg import Imu

        from exo_device.drivers.node import SpinningThread, driver_node

        if not rclpy.ok():
            raise DriverError("an IMU from a topic needs rclpy.init() first")
        node = driver_node(self._config.node_name, self._config.namespace)
        node.create_subscription(Imu, self._config.topic, self._on_imu, qos_profile_sensor_data)
        self._spinning = SpinningThread(node)

    def newest(self) -> ImuSample:
        received = self._newest
        if received is None:
            raise DriverError(f"no IMU sample on topic '{self._config.topic}' yet; is its driver running?")
        if time.monotonic() - received[0] > self._config.max_age_s:
            raise DriverError(
                f"the IMU on topic '{self._config.topic}' has been silent for more than "
                f"{1e3 * self._config.max_age_s:.0f} ms"
            )
        return received[1]

    def close(self) -> None:
        if self._spinning is not None:
            self._spinning.close()
        self._spinning = self._newest = None

    def _on_imu(self, message) -> None:
        orientation, rate, force = message.orientation, message.angular_velocity, message.linear_acceleration
        self._newest = (
            time.monotonic(),
            ImuSample(
                np.array([orientation.x, orientation.y, orientation.z, orientation.w]),
                np.array([rate.x, rate.y, rate.z]),
                np.array([force.x, force.y, force.z]),
            ),
        )


def make_imu_source(config: ImuConfig) -> ImuSource:
    """The source that config asks for."""
    return FixedImu() if config.source == "none" else RosImu(config)
