# SPDX-License-Identifier: Apache-2.0
"""Signals pass between a policy, the supervisor and the motors: states, commands and motor torques.

They need no ROS.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from exo_core.time import NANOSECONDS_PER_SECOND

#: Sequence numbers of states and commands start anew here: they are uint32 in exo_msgs.
SEQUENCE_WRAP = 2**32
#: What an IMU at rest measures upwards (m/s^2): standard gravity (3rd CGPM, 1901).
STANDARD_GRAVITY_M_S2 = 9.80665
#: First element of sensor_msgs/Imu's orientation_covariance where there is no orientation.
NO_ORIENTATION = -1.0


@dataclass(frozen=True)
class ImuSample:
    """A sample of the pelvis IMU (REP-145), whose frame is x forward, y left, z up in upright stance."""

    #: Orientation of the IMU frame in the world, unit quaternion x, y, z, w; shape (4,).
    orientation_xyzw: np.ndarray
    #: rad/s in the IMU frame; shape (3,).
    angular_velocity: np.ndarray
    #: Specific force in m/s^2 in the IMU frame, +9.81 on z at rest; shape (3,).
    linear_acceleration: np.ndarray
    #: False: the IMU estimates no orientation (orientation_covariance[0] = -1), and orientation_xyzw means nothing.
    has_orientation: bool = True

    @property
    def up(self) -> np.ndarray:
        """The world's up direction (3,) in the IMU's frame, by its orientation."""
        x, y, z, w = self.orientation_xyzw
        return np.array([2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)])

    @classmethod
    def of_message(cls, message: Any) -> ImuSample:
        """The sample in a sensor_msgs/Imu, from whatever library the message comes."""
        orientation, rate, force = message.orientation, message.angular_velocity, message.linear_acceleration
        return cls(
            np.array([orientation.x, orientation.y, orientation.z, orientation.w]),
            np.array([rate.x, rate.y, rate.z]),
            np.array([force.x, force.y, force.z]),
            bool(message.orientation_covariance[0] != NO_ORIENTATION),
        )


@dataclass(frozen=True)
class DeviceState:
    """One sample of the device. Arrays by joint have shape (J,), in the order of names."""

    #: When the sample was taken (ns, ROS time). An integer: float seconds since 1970 cannot hold nanoseconds.
    stamp_ns: int
    #: Number of the sample at its source, counting up by one, wrapping at 2^32.
    sequence: int
    names: tuple[str, ...]
    #: rad, sign of the MyoLegs joint.
    position: np.ndarray
    #: rad/s.
    velocity: np.ndarray
    #: Applied torque: what the motor gives to the joint (Nm), as measured or reported.
    torque: np.ndarray
    #: degC; NaN for a motor without a sensor.
    temperature: np.ndarray
    #: The motor's own error code; 0 is none.
    error: np.ndarray
    #: V; NaN where it is not measured.
    bus_voltage: float
    imu: ImuSample

    @property
    def stamp_s(self) -> float:
        """Time when the sample was taken (s, ROS time)."""
        return self.stamp_ns / NANOSECONDS_PER_SECOND

    def contradiction(self) -> str:
        """Tells how names and arrays contradict each other, as `4 names, but 3 of torque`; empty where they do not."""
        for field in ("position", "velocity", "torque", "temperature", "error"):
            if (count := len(getattr(self, field))) != len(self.names):
                return f"{len(self.names)} names, but {count} of {field}"
        return ""

    def select(self, names: tuple[str, ...]) -> DeviceState:
        """The same sample with these joints, in this order.

        Raises KeyError with the first name that is missing, or stands twice, so that its value is not known.
        """
        if names == self.names:
            return self
        for name in names:
            if self.names.count(name) > 1:
                raise KeyError(f"{name} (it stands there twice)")
        place = {name: index for index, name in enumerate(self.names)}
        order = [place[name] for name in names]
        return replace(
            self,
            names=names,
            position=self.position[order],
            velocity=self.velocity[order],
            torque=self.torque[order],
            temperature=self.temperature[order],
            error=self.error[order],
        )


@dataclass(frozen=True)
class Command:
    """The torques that a policy asks for. Nothing in it is trusted: the supervisor checks names, numbers and times."""

    #: Stamp of the state that the command answers (ns, ROS time).
    state_stamp_ns: int
    #: Counts the commands of one policy up by one, wrapping at SEQUENCE_WRAP.
    sequence: int
    #: A command without any names asks for no torque on any joint.
    names: tuple[str, ...]
    #: Nm, sign of the joint, in the order of names; shape (len(names),).
    torque: np.ndarray


@dataclass(frozen=True)
class MotorTorque:
    """The torque that goes to the motors. A driver returns the same with the torque that is really applied."""

    #: Stamp (ns, ROS time) and number of the state that it answers.
    state_stamp_ns: int
    sequence: int
    #: False: the motors are off, and torque is zero.
    enable: bool
    names: tuple[str, ...]
    #: Nm, sign of the joint, in the order of names; shape (J,).
    torque: np.ndarray

    @staticmethod
    def off(names: tuple[str, ...], state_stamp_ns: int = 0, sequence: int = 0) -> MotorTorque:
        """No torque, and the motors disabled."""
        return MotorTorque(state_stamp_ns, sequence, False, names, np.zeros(len(names)))
