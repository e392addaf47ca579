# SPDX-License-Identifier: Apache-2.0
"""This module converts between the package's own types and ROS messages: states, commands, exo/status, /diagnostics."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from sensor_msgs.msg import Imu, JointState

from exo_core.errors import one_line
from exo_core.time import NANOSECONDS_PER_SECOND, stamp_ns
from exo_device.description import DeviceDescription
from exo_device.safety import Mode, Snapshot, fault_names
from exo_device.safety.limits import TAPER_FROM
from exo_device.signals import NO_ORIENTATION, Command, DeviceState, ImuSample, MotorTorque
from exo_msgs.msg import DeviceStatus, MotorCommand, MotorStates, TorqueCommand

if TYPE_CHECKING:  # drivers import messages, and the loop imports drivers
    from exo_device.control_loop import ControlLoop

#: A motor this close to its temperature limit is worth a warning (degC).
TEMPERATURE_MARGIN_C = 10.0


def to_stamp(nanoseconds: int) -> Time:
    """Whole nanoseconds as a ROS stamp."""
    seconds, rest = divmod(nanoseconds, NANOSECONDS_PER_SECOND)
    return Time(sec=seconds, nanosec=rest)


def state_from_message(message: MotorStates) -> DeviceState:
    """MotorStates as it came; nothing is checked here."""
    imu = message.imu
    return DeviceState(
        stamp_ns=stamp_ns(message.header.stamp),
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


def motor_command_message(motor: MotorTorque) -> MotorCommand:
    """The motor torque as MotorCommand, which answers its state."""
    message = MotorCommand(
        sequence=motor.sequence, enable=motor.enable, names=list(motor.names), torque=motor.torque.tolist()
    )
    message.header.stamp = to_stamp(motor.state_stamp_ns)
    return message


def command_from_message(message: TorqueCommand) -> Command:
    """TorqueCommand as it came; nothing is checked here."""
    return Command(stamp_ns(message.state_stamp), message.sequence, tuple(message.names), np.array(message.torque))


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


def _set(vector: Any, values: np.ndarray) -> None:
    vector.x, vector.y, vector.z = map(float, values)


def _diagonal(standard_deviation: float) -> list[float]:
    variance = standard_deviation**2
    return [variance, 0.0, 0.0, 0.0, variance, 0.0, 0.0, 0.0, variance]


def diagnostics_message(
    name: str, snapshot: Snapshot, device: DeviceDescription, loop: ControlLoop, loop_rate_hz: float, now_ns: int
) -> DiagnosticArray:
    """name: fully qualified name of the node, which tells two devices apart on the global topic."""
    message = DiagnosticArray(status=[_device_status(name, snapshot, device, loop, loop_rate_hz)])
    if snapshot.state is not None:
        for index, joint in enumerate(device.joint_names):
            message.status.append(_motor_status(name, snapshot, snapshot.state, device, joint, index))
    message.header.stamp = to_stamp(now_ns)
    return message


def _device_status(
    name: str, snapshot: Snapshot, device: DeviceDescription, loop: ControlLoop, loop_rate_hz: float
) -> DiagnosticStatus:
    faulty = snapshot.mode in (Mode.FAULT, Mode.STOPPING)
    level = DiagnosticStatus.ERROR if faulty else DiagnosticStatus.OK
    if snapshot.state is None:
        level = max(level, DiagnosticStatus.STALE)
    text = snapshot.mode.name.lower() + (f": {snapshot.cause}" if snapshot.cause else "")
    values = {
        "device": device.name,
        "driver": loop.driver.name,
        "faults": ", ".join(fault_names(snapshot.faults)) or "none",
        "loop rate (Hz)": f"{loop_rate_hz:.1f}",
        "state to command's torque, median (ms)": _number(loop.answer_latency.percentile_ms(50.0)),
        "state to command's torque, p99 (ms)": _number(loop.answer_latency.percentile_ms(99.0)),
        "command to torque, median (ms)": _number(loop.command_latency.percentile_ms(50.0)),
        "command to torque, p99 (ms)": _number(loop.command_latency.percentile_ms(99.0)),
        "command age (s)": _number(snapshot.command_age_s),
        "state age (s)": _number(snapshot.state_age_s),
        "dropped states": str(snapshot.dropped_states),
        "dropped commands": str(snapshot.dropped_commands),
        "refused commands of a second publisher": str(snapshot.foreign_commands),
        "assistance gain": f"{snapshot.assistance_gain:.2f}",
        "wearer mass (kg)": f"{snapshot.wearer_mass_kg:g}",
    }
    return _status(name, device.name, level, text, values)


def _motor_status(
    name: str, snapshot: Snapshot, state: DeviceState, device: DeviceDescription, joint: str, index: int
) -> DiagnosticStatus:
    temperature, error = float(state.temperature[index]), int(state.error[index])
    level, text = DiagnosticStatus.OK, "ok"
    if error:
        level, text = DiagnosticStatus.ERROR, f"motor error {error}"
    elif temperature > device.temperature_limit_c:
        level, text = DiagnosticStatus.ERROR, "too hot"
    elif temperature > device.temperature_limit_c - TEMPERATURE_MARGIN_C or snapshot.heat[index] > TAPER_FROM:
        level, text = DiagnosticStatus.WARN, "hot"
    values = {
        "temperature (degC)": _number(temperature),
        "error code": str(error),
        "i2t budget used (%)": f"{100.0 * snapshot.heat[index]:.0f}",
        "torque limit (Nm)": f"{snapshot.torque_limit[index]:.1f}",
    }
    return _status(f"{name}: motor {joint}", device.name, level, text, values)


def _status(name: str, hardware: str, level: bytes, text: str, values: dict[str, str]) -> DiagnosticStatus:
    return DiagnosticStatus(
        name=name,
        hardware_id=hardware,
        level=level,
        message=text,
        values=[KeyValue(key=key, value=value) for key, value in values.items()],
    )


def _number(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{value:.3f}"
