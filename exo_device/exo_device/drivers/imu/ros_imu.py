# SPDX-License-Identifier: Apache-2.0
"""An IMU that another node publishes as sensor_msgs/Imu."""

from __future__ import annotations

import time

import numpy as np
import rclpy
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Imu

from exo_device.drivers.base import DriverError
from exo_device.drivers.imu.config import ImuConfig
from exo_device.drivers.imu.source import ImuSource
from exo_device.drivers.node import SpinningThread, driver_node
from exo_device.state import ImuSample


class RosImu(ImuSource):
    """Keeps the newest message, in a thread of its own."""

    def __init__(self, config: ImuConfig) -> None:
        self._config = config
        self._spinning: SpinningThread | None = None
        self._newest: tuple[float, ImuSample] | None = None

    def open(self) -> None:
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

    def _on_imu(self, message: Imu) -> None:
        orientation, rate, force = message.orientation, message.angular_velocity, message.linear_acceleration
        self._newest = (
            time.monotonic(),
            ImuSample(
                np.array([orientation.x, orientation.y, orientation.z, orientation.w]),
                np.array([rate.x, rate.y, rate.z]),
                np.array([force.x, force.y, force.z]),
            ),
        )
