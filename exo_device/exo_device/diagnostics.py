# SPDX-License-Identifier: Apache-2.0
"""/diagnostics of the device: one status for the device and one for each motor."""

from __future__ import annotations

import math

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from exo_device.control_loop import ControlLoop
from exo_device.description import DeviceDescription
from exo_device.messages import to_stamp
from exo_device.safety import Mode, Snapshot, fault_names
from exo_device.safety.limits import TAPER_FROM

#: A motor this close to its temperature limit is worth a warning (degC).
TEMPERATURE_MARGIN_C = 10.0


def diagnostics_message(
    name: str, snapshot: Snapshot, device: DeviceDescription, loop: ControlLoop, loop_rate_hz: float, now_ns: int
) -> DiagnosticArray:
    """name: fully qualified name of the node, which tells two devices apart on the global topic."""
    message = DiagnosticArray(status=[_device_status(name, snapshot, device, loop, loop_rate_hz)])
    if snapshot.state is not None:
        for index, joint in enumerate(device.joint_names):
            message.status.append(_motor_status(name, snapshot, device, joint, index))
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


def _motor_status(name: str, snapshot: Snapshot, device: DeviceDescription, joint: str, index: int) -> DiagnosticStatus:
    state = snapshot.state
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
