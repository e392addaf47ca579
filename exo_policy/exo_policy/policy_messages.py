# SPDX-License-Identifier: Apache-2.0
"""This module converts between ROS messages and the package's own types, and pairs joint states with IMU samples."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import Imu, JointState

from exo_core.joints import named_twice
from exo_core.time import NANOSECONDS_PER_SECOND, stamp_ns
from exo_msgs.msg import DeviceStatus, TorqueCommand
from exo_policy.observation import DeviceObservation, ObservationError
from exo_policy.policy_runtime import Device

SEQUENCE_MODULUS = 2**32
"""TorqueCommand.sequence is a uint32."""
AnyMessage = TypeVar("AnyMessage", JointState, Imu)
MOST_JOINTS, LONGEST_NAME_BYTES = 16, 64
"""Bounds of TorqueCommand.names: publishing more would raise."""


def device_from_status(status: DeviceStatus, wearer_mass_kg: float) -> Device:
    """Joints, limits and mode; a ``wearer_mass_kg`` above zero stands in for the status's mass."""
    return Device(
        joint_names=tuple(status.names),
        torque_limit=tuple(status.torque_limit),
        wearer_mass=wearer_mass_kg if wearer_mass_kg > 0.0 else status.wearer_mass,
        active=status.mode == DeviceStatus.ACTIVE,
    )


def observation_from_messages(joints: JointState, imu: Imu, joint_names: tuple[str, ...]) -> DeviceObservation:
    """A pair as an observation with the joints in the order of ``joint_names``.

    Raises ObservationError for a missing joint or value, and for a joint that is named twice.
    """
    sent = list(joints.name)
    if twice := named_twice(sent):
        raise ObservationError(f"exo/joint_states names {', '.join(twice)} twice; which value counts is not known")
    missing = [name for name in joint_names if name not in sent]
    if missing:
        raise ObservationError(f"exo/joint_states lacks {', '.join(missing)}, which exo/status names")
    order = [sent.index(name) for name in joint_names]
    arrays = {}
    for field in ("position", "velocity", "effort"):
        value = np.array(getattr(joints, field), float)
        if len(value) != len(sent):
            raise ObservationError(f"exo/joint_states has {len(value)} values of {field} for {len(sent)} joints")
        arrays[field] = value[order]
    q, w, a = imu.orientation, imu.angular_velocity, imu.linear_acceleration
    # sensor_msgs/Imu: a first covariance of -1 says that there is no orientation
    known = imu.orientation_covariance[0] != -1.0
    return DeviceObservation(
        stamp_s=stamp_ns(joints.header.stamp) / NANOSECONDS_PER_SECOND,
        joint_names=joint_names,
        position=arrays["position"],
        velocity=arrays["velocity"],
        torque=arrays["effort"],
        orientation_xyzw=np.array([q.x, q.y, q.z, q.w]) if known else None,
        angular_velocity=np.array([w.x, w.y, w.z]),
        linear_acceleration=np.array([a.x, a.y, a.z]),
    )


def command_message(
    now: Time, state_stamp: Time, sequence: int, joint_names: tuple[str, ...], torque: np.ndarray
) -> TorqueCommand:
    """exo/command for one pair; one without joints, which asks for no torque, where they do not fit into it."""
    if len(joint_names) > MOST_JOINTS or any(len(name.encode()) > LONGEST_NAME_BYTES for name in joint_names):
        joint_names, torque = (), np.zeros(0)
    message = TorqueCommand(
        state_stamp=state_stamp,
        sequence=sequence % SEQUENCE_MODULUS,
        names=list(joint_names),
        torque=[float(value) for value in torque],
    )
    message.header.stamp = now
    return message


class Pairing:
    """Joins joint states and IMU samples of equal stamp, whichever comes first; keeps ``depth`` of each."""

    def __init__(self, depth: int = 5) -> None:
        self._depth = depth
        self._joints: dict[int, JointState] = {}
        self._imus: dict[int, Imu] = {}

    def add_joints(self, message: JointState) -> tuple[JointState, Imu] | None:
        """Returns the pair if this completes one."""
        return self._add(message, self._joints)

    def add_imu(self, message: Imu) -> tuple[JointState, Imu] | None:
        """Returns the pair if this completes one."""
        return self._add(message, self._imus)

    def pop_unpaired(self) -> JointState | None:
        """The oldest joint state that waited for its IMU sample in vain, if there is one."""
        if len(self._joints) < self._depth:
            return None
        return self._joints.pop(next(iter(self._joints)))

    def _add(self, message: AnyMessage, mine: dict[int, AnyMessage]) -> tuple[JointState, Imu] | None:
        key = stamp_ns(message.header.stamp)
        mine[key] = message
        while len(mine) > self._depth:
            mine.pop(next(iter(mine)))
        if key not in self._joints or key not in self._imus:
            return None
        pair = self._joints[key], self._imus[key]
        for waiting in (self._joints, self._imus):  # what came before the pair will not be answered any more
            for old in list(waiting):
                del waiting[old]
                if old == key:
                    break
        return pair
