# SPDX-License-Identifier: Apache-2.0
"""Between the package's own types and ROS messages."""

from __future__ import annotations

import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import Imu, JointState

from exo_core.errors import one_line
from exo_core.time import NANOSECONDS_PER_SECOND
from exo_device.description import DeviceDescription
from exo_device.safety import Snapshot, fault_names
from exo_device.signals import NO_ORIENTATION, DeviceState, ImuSample, MotorTorque, TorqueRequest
from exo_msgs.msg import DeviceStatus, MotorCommand, MotorStates, TorqueCommand


def to_stamp(nanoseconds: int) -> Time:
    """Whole nanoseconds as a ROS stamp."""
    seconds, rest = divmod(nanoseconds, NANOSECONDS_PER_SECOND)
    return Time(sec=seconds, nanosec=rest)


def from_stamp(stamp: Time) -> int:
    """A ROS stamp as whole nanoseconds."""
    return stamp.sec * NANOSECONDS_PER_SECOND + stamp.nanosec


def state_from_message(message: MotorStates) -> DeviceState:
    """MotorStates as it came; nothing is checked here."""
    imu = message.imu
    return DeviceState(
        stamp_ns=from_stamp(message.header.stamp),
        sequence=message.sequence,
        names=tuple(message.names),
        position=np.array(message.position),
        velocity=np.array(message.velocity),
        torque=np.array(message.torque),
        temperature=np.array(message.temperature),
        error=np.array(message.error),
        bus_voltage=message.bus_voltage,
        imu=ImuSample.of_message(imu),
    )


def motor_command_message(command: MotorTorque) -> MotorCommand:
    """MotorCommand that answers command's state."""
    message = MotorCommand(
        sequence=command.sequence, enable=command.enable, names=list(command.names), torque=command.torque.tolist()
    )
    message.header.stamp = to_stamp(command.state_stamp_ns)
    return message


def request_from_message(message: TorqueCommand) -> TorqueRequest:
    """TorqueCommand as it came; nothing is checked here."""
    return TorqueRequest(
        from_stamp(message.state_stamp), message.sequence, tuple(message.names), np.array(message.torque)
    )


def joint_state_message(state: DeviceState) -> JointState:
    """exo/joint_states: rad, rad/s, Nm that the motors apply."""
    message = JointState(
        name=list(state.names),
        position=state.position.tolist(),
        velocity=state.velocity.tolist(),
        effort=state.torque.tolist(),
    )
    message.header.stamp = to_stamp(state.stamp_ns)
    return message


def imu_message(state: DeviceState, device: DeviceDescription) -> Imu:
    """exo/imu (REP-145), with the same stamp as the joint states; covariances from the device's noise."""
    message = Imu()
    message.header.stamp = to_stamp(state.stamp_ns)
    message.header.frame_id = device.imu.frame_id
    orientation, sample = message.orientation, state.imu
    orientation.x, orientation.y, orientation.z, orientation.w = map(float, sample.orientation_xyzw)
    _set(message.angular_velocity, sample.angular_velocity)
    _set(message.linear_acceleration, sample.linear_acceleration)
    message.orientation_covariance = _diagonal(device.imu.orientation_noise_rad)
    if not sample.has_orientation:
        message.orientation_covariance[0] = NO_ORIENTATION
    message.angular_velocity_covariance = _diagonal(device.imu.gyro_noise_rad_s)
    message.linear_acceleration_covariance = _diagonal(device.imu.accel_noise_m_s2)
    return message


def status_message(
    snapshot: Snapshot,
    device: DeviceDescription,
    driver: str,
    loop_rate_hz: float,
    now_ns: int,
    sha256: tuple[str, str] = ("", ""),
) -> DeviceStatus:
    """exo/status; sha256: of the device file and of the driver's."""
    state = snapshot.state
    unknown = np.full(len(device.joint_names), np.nan)
    message = DeviceStatus(
        mode=int(snapshot.mode),
        faults=int(snapshot.faults),
        fault_names=fault_names(snapshot.faults),
        cause=one_line(snapshot.cause),
        driver=one_line(driver, 64),
        names=list(device.joint_names),
        torque_limit=snapshot.torque_limit.tolist(),
        wearer_mass=snapshot.wearer_mass_kg,
        assistance_gain=snapshot.assistance_gain,
        temperature=(state.temperature if state else unknown).astype(float).tolist(),
        bus_voltage=float(state.bus_voltage if state else np.nan),
        command_age=snapshot.command_age_s,
        state_age=snapshot.state_age_s,
        loop_rate=loop_rate_hz,
        dropped_states=snapshot.dropped_states,
        dropped_commands=snapshot.dropped_commands,
        device_sha256=sha256[0],
        driver_sha256=sha256[1],
    )
    message.header.stamp = to_stamp(now_ns)
    return message


def _array(vector) -> np.ndarray:
    return np.array([vector.x, vector.y, vector.z])


def _set(vector, values: np.ndarray) -> None:
    vector.x, vector.y, vector.z = map(float, values)


def _diagonal(standard_deviation: float) -> list[float]:
    variance = standard_deviation**2
    return [variance, 0.0, 0.0, 0.0, variance, 0.0, 0.0, 0.0, variance]
