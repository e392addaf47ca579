# SPDX-License-Identifier: Apache-2.0
"""These checks say whether what a state or a command contains is possible and allowed."""

from __future__ import annotations

import numpy as np

from exo_core.errors import one_line
from exo_device.safety.config import SafetyConfig
from exo_device.safety.limits import TorqueLimits
from exo_device.safety.modes import Fault, Problem
from exo_device.signals import Command, DeviceState

#: The motors' supply may be between these shares of the device's nominal voltage, for all but so many states in a row:
#: a lithium battery of nominally 48 V ends at 39 and is charged at 54.6, and one more cell or less makes 7 %.
SUPPLY_SHARE, SUPPLY_SAMPLES = (0.7, 1.3), 5
#: Bound of a joint's name in exo_msgs.
LONGEST_NAME_BYTES = 64


def command_problem(command: Command, joint_names: tuple[str, ...]) -> Problem | None:
    """Says why this command cannot be followed: joints unknown, named twice or missing, numbers that are none."""
    unknown = [name for name in command.names if name not in joint_names]
    if unknown:
        return Problem(
            Fault.UNKNOWN_JOINT,
            f"a command names joint '{one_line(unknown[0], LONGEST_NAME_BYTES)}'; this device has "
            f"{', '.join(joint_names)}",
        )
    if len(set(command.names)) != len(command.names):
        return Problem(Fault.UNKNOWN_JOINT, "a command names a joint twice")
    if len(command.torque) != len(command.names):
        return Problem(
            Fault.UNKNOWN_JOINT, f"a command has {len(command.names)} names and {len(command.torque)} torques"
        )
    missing = [name for name in joint_names if name not in command.names]
    if missing and command.names:
        return Problem(Fault.UNKNOWN_JOINT, f"a command leaves out joint '{missing[0]}': all joints or none")
    for name, torque in zip(command.names, command.torque, strict=True):
        if not np.isfinite(torque):
            return Problem(Fault.NOT_FINITE, f"a command asks for {torque} Nm on {name}")
    return None


def commanded_torque(command: Command, joint_names: tuple[str, ...]) -> np.ndarray:
    """Torque (Nm) of a command without problems, in the device's order; shape (J,)."""
    by_name = dict(zip(command.names, command.torque, strict=True))
    return np.array([float(by_name.get(name, 0.0)) for name in joint_names])


class StateCheck:
    """Checks states against the limits, counting those that break one in a row."""

    def __init__(self, limits: TorqueLimits, config: SafetyConfig) -> None:
        self._limits = limits
        self._config = config
        self._too_fast = 0
        self._too_strong = 0
        self._bad_supply = 0

    def problem(self, state: DeviceState) -> Problem | None:
        """The first thing in this state that must stop the device."""
        return (
            self._not_finite(state)
            or self._motor_error(state)
            or self._over_temperature(state)
            or self._out_of_range(state)
            or self._velocity(state)
            or self._power(state)
            or self._supply(state)
        )

    def _not_finite(self, state: DeviceState) -> Problem | None:
        for what in ("position", "velocity", "torque"):
            bad = ~np.isfinite(getattr(state, what))
            if bad.any():
                joint = state.names[bad.argmax()]
                return Problem(Fault.NOT_FINITE, f"the motor of {joint} reports no finite {what}")
        imu = state.imu
        known = ("orientation_xyzw",) if imu.has_orientation else ()
        for what in (*known, "angular_velocity", "linear_acceleration"):
            if not np.isfinite(getattr(imu, what)).all():
                return Problem(Fault.NOT_FINITE, f"the IMU reports no finite {what}")
        return None

    def _motor_error(self, state: DeviceState) -> Problem | None:
        bad = state.error != 0
        if bad.any():
            joint = int(bad.argmax())
            return Problem(
                Fault.MOTOR_ERROR, f"the motor of {state.names[joint]} reports error {int(state.error[joint])}"
            )
        return None

    def _over_temperature(self, state: DeviceState) -> Problem | None:
        hot = state.temperature > self._limits.temperature  # NaN, a motor without a sensor, is never hot
        if hot.any():
            joint = int(hot.argmax())
            return Problem(
                Fault.OVER_TEMPERATURE,
                f"the motor of {state.names[joint]} is at {state.temperature[joint]:.0f} degC, "
                f"limit {self._limits.temperature:.0f}",
            )
        return None

    def _out_of_range(self, state: DeviceState) -> Problem | None:
        beyond = np.maximum(self._limits.low - state.position, state.position - self._limits.high)
        joint = int(beyond.argmax())
        if beyond[joint] > self._config.range_margin_rad:
            return Problem(
                Fault.RANGE_OF_MOTION,
                f"{state.names[joint]} is at {state.position[joint]:.2f} rad, range "
                f"{self._limits.low[joint]:.2f} to {self._limits.high[joint]:.2f}",
            )
        return None

    def _velocity(self, state: DeviceState) -> Problem | None:
        share = np.abs(state.velocity) / self._limits.velocity
        self._too_fast = self._too_fast + 1 if share.max() > 1.0 else 0
        if self._too_fast < self._config.limit_samples:
            return None
        joint = int(share.argmax())
        return Problem(
            Fault.VELOCITY_LIMIT,
            f"{state.names[joint]} turns at {state.velocity[joint]:.1f} rad/s, "
            f"limit {self._limits.velocity[joint]:.1f}",
        )

    def _power(self, state: DeviceState) -> Problem | None:
        with np.errstate(over="ignore"):  # an absurd reading may overflow to infinity: over any limit
            power = np.abs(state.torque * state.velocity)
        share = power / self._limits.power
        self._too_strong = self._too_strong + 1 if share.max() > self._config.power_fault_ratio else 0
        if self._too_strong < self._config.limit_samples:
            return None
        joint = int(share.argmax())
        return Problem(
            Fault.POWER_LIMIT,
            f"{state.names[joint]} works at {power[joint]:.0f} W, limit {self._limits.power[joint]:.0f}",
        )

    def _supply(self, state: DeviceState) -> Problem | None:
        low, high = (share * self._limits.bus_voltage for share in SUPPLY_SHARE)
        is_bad = not low <= state.bus_voltage <= high and not np.isnan(state.bus_voltage)  # NaN is not measured
        self._bad_supply = self._bad_supply + 1 if is_bad else 0
        if self._bad_supply < SUPPLY_SAMPLES:
            return None
        return Problem(
            Fault.SUPPLY,
            f"the motors' supply is at {state.bus_voltage:.1f} V, the device's at {self._limits.bus_voltage:g} V "
            f"({low:.0f} to {high:.0f}): battery empty, another battery, or it cannot take what braking gives back",
        )
