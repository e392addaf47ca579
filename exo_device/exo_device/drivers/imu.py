# SPDX-License-Identifier: Apache-2.0
"""IMU sources are where a driver whose motor bus carries no IMU takes the pelvis IMU from."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from exo_core.time import NANOSECONDS_PER_SECOND, stamp_ns
from exo_device.drivers.base import DriverError, Settings
from exo_device.signals import STANDARD_GRAVITY_M_S2, ImuSample

if TYPE_CHECKING:  # ROS only where it is used
    from exo_device.drivers.ros import SpinningThread


class ImuConfig(Settings):
    """Which IMU there is."""

    #: none: there is none. Every sample then says at rest (no rotation, 9.81 m/s^2 upwards) and no orientation, which
    #: is not a measurement: use only policies that do not read the IMU. topic: sensor_msgs/Imu, REP 145, in the pelvis
    #: frame.
    source: Literal["none", "topic"] = "none"
    #: Topic of source `topic`, relative to the node's namespace.
    topic: str = "imu/data"
    #: An IMU sample older than this (s), by the stamp in its header, is a lost IMU.
    max_age_s: Annotated[float, Field(gt=0.0, le=1.0)] = 0.03
    #: Name of the ROS node that listens.
    node_name: str = "_device_imu"
    #: Namespace of that node; empty: as the process's ROS arguments say.
    namespace: str = ""


#: The oldest sample (s) where somebody wears the motors: a fall must show.
LOOSEST_WORN_IMU = {"max_age_s": 0.1}
#: First element of a covariance where there is no such quantity (sensor_msgs/Imu).
UNKNOWN = -1.0
#: A second publisher is looked for this often (s).
PUBLISHERS_PERIOD_S = 0.2
TWO_PUBLISHERS = "{count} nodes publish the IMU's topic '{topic}': end all but its driver"


class ImuSource(ABC):
    """Newest IMU sample. newest() is called from one thread; open and close from the driver's owner."""

    def use_clock(self, ros_ns: Callable[[], int]) -> None:
        """ROS time (ns) that samples are to be fresh in, before open."""

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
    """Stands in where there is no IMU: at rest, always, and without an orientation. Not a measurement."""

    def open(self) -> None:
        pass

    def newest(self) -> ImuSample:
        upright, at_rest = np.array([0.0, 0.0, 0.0, 1.0]), np.array([0.0, 0.0, STANDARD_GRAVITY_M_S2])
        return ImuSample(upright, np.zeros(3), at_rest, has_orientation=False)

    def close(self) -> None:
        pass


class RosImu(ImuSource):
    """An IMU that another node publishes as sensor_msgs/Imu: keeps the newest message, in a thread of its own.

    ROS is imported in open(): who has no such IMU needs none.
    """

    def __init__(self, config: ImuConfig) -> None:
        self._config = config
        self._spinning: SpinningThread | None = None
        self._ros_ns: Callable[[], int] = time.time_ns
        #: Stamp (ns) and sample; one that is repeated with its stamp stays as old as it is.
        self._newest: tuple[int, ImuSample] | None = None
        self._problem = self._lacks = ""
        self._looked_s = -math.inf

    def use_clock(self, ros_ns: Callable[[], int]) -> None:
        self._ros_ns = ros_ns

    def open(self) -> None:
        import rclpy
        from rclpy.qos import qos_profile_sensor_data
        from sensor_msgs.msg import Imu

        from exo_device.drivers.ros import SpinningThread, driver_node

        if not rclpy.ok():
            raise DriverError("an IMU from a topic needs rclpy.init() first")
        node = driver_node(self._config.node_name, self._config.namespace)
        node.create_subscription(Imu, self._config.topic, self._on_imu, qos_profile_sensor_data)
        self._spinning = SpinningThread(node)

    def newest(self) -> ImuSample:
        received, topic = self._newest, self._config.topic
        if self._problem:
            raise DriverError(self._problem)
        if received is None:
            raise DriverError(f"no IMU sample on topic '{topic}' yet; is its driver running?")
        sampled_ns, sample = received
        if self._lacks:
            raise DriverError(f"the IMU on topic '{topic}' says that it has no {self._lacks} (covariance -1)")
        if sampled_ns == 0:
            raise DriverError(f"the IMU on topic '{topic}' leaves the stamp of its header empty: nobody knows its age")
        age_s = (self._ros_ns() - sampled_ns) / NANOSECONDS_PER_SECOND
        if abs(age_s) > self._config.max_age_s:
            how = f"is {age_s:.2f} s old" if age_s > 0.0 else f"is stamped {-age_s:.2f} s in the future"
            raise DriverError(
                f"the newest sample of the IMU on topic '{topic}' {how}, allowed are {self._config.max_age_s:g} s: "
                "it is silent, repeats itself, or has another clock"
            )
        return sample

    def close(self) -> None:
        if self._spinning is not None:
            self._spinning.close()
        self._spinning = self._newest = None

    def _on_imu(self, message: Any) -> None:
        now_s = time.monotonic()
        if now_s - self._looked_s >= PUBLISHERS_PERIOD_S:
            self._looked_s = now_s
            publishers = self._spinning.node.count_publishers(self._config.topic) if self._spinning else 0
            self._problem = "" if publishers < 2 else TWO_PUBLISHERS.format(count=publishers, topic=self._config.topic)
        self.take(message)

    def take(self, message: Any) -> None:
        """Takes in a sensor_msgs/Imu."""
        covariances = {
            "angular velocity": message.angular_velocity_covariance,
            "linear acceleration": message.linear_acceleration_covariance,
        }
        self._lacks = next((what for what, covariance in covariances.items() if covariance[0] == UNKNOWN), "")
        self._newest = stamp_ns(message.header.stamp), ImuSample.of_message(message)


def make_imu_source(config: ImuConfig) -> ImuSource:
    """The source that config asks for."""
    return FixedImu() if config.source == "none" else RosImu(config)
