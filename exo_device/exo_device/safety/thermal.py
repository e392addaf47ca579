# SPDX-License-Identifier: Apache-2.0
"""The i2t budget: how hot a motor's winding is by the torque it gave, when its own sensor lags or is missing.

A winding's loss grows with the square of the current, hence of the torque, and heats it with one time
constant: heat' = ((torque / continuous_torque)^2 - heat) / thermal_time_constant, with heat 1 where the
continuous torque leads in the end. Allowed torque falls before heat reaches 1, so that no command can
overheat a motor.
"""

from __future__ import annotations

import numpy as np

from exo_device.description import DeviceDescription
from exo_device.safety.faults import Fault, Problem
from exo_device.state import NANOSECONDS_PER_SECOND, DeviceState

#: From this heat on the allowed torque falls from the cap, and is the continuous torque at 1.
TAPER_FROM = 0.8
#: More than the commands allow: the motor gives torque of its own accord. No torque is allowed, and it stops.
FAULT_HEAT = 1.2
#: A longer step between two states (s) tells nothing of the torque in between.
LONGEST_STEP_S = 0.5
#: An absurd reading counts as this heat, which is a number.
HOTTEST = 1e6


class ThermalBudget:
    """Heat of every motor; arrays have shape (J,), of n devices (n, J). Motors are cold at the start of the process."""

    def __init__(self, device: DeviceDescription, cap: np.ndarray) -> None:
        """cap: largest torque of a cold motor (Nm)."""
        joints = device.joints.values()
        self._names = device.joint_names
        self._cap = cap
        #: Infinite without a budget.
        self._continuous = np.array([joint.continuous_torque_nm or np.inf for joint in joints])
        self._time_constant = np.array([joint.thermal_time_constant_s for joint in joints])
        self._last_ns: int | None = None
        #: Share of the heat that continuous torque leads to.
        self.heat = np.zeros(np.shape(cap))

    def see(self, state: DeviceState, output: np.ndarray) -> Problem | None:
        """Takes in a new state; output: the torque (Nm) that was last asked of the motors.

        The larger of it and the measured torque heats. Returns what must stop the device.
        """
        step_s = 0.0 if self._last_ns is None else (state.stamp_ns - self._last_ns) / NANOSECONDS_PER_SECOND
        self._last_ns = state.stamp_ns
        self.advance(step_s, state.torque, output)
        if self.heat.max() < FAULT_HEAT:
            return None
        joint = int(self.heat.argmax())
        return Problem(
            Fault.OVER_TEMPERATURE,
            f"the motor of {self._names[joint]} has used up its i2t budget "
            f"({100.0 * self.heat[joint]:.0f} % of what {self._continuous[joint]:g} Nm make)",
        )

    def advance(self, step_s: float, measured: np.ndarray, output: np.ndarray) -> None:
        """This long the motors gave the larger of these torques (Nm): measured, and asked of them."""
        torque = np.maximum(np.nan_to_num(np.abs(measured), nan=0.0), np.abs(output))
        with np.errstate(over="ignore"):
            goal = np.minimum((torque / self._continuous) ** 2, HOTTEST)
        share = -np.expm1(-min(max(step_s, 0.0), LONGEST_STEP_S) / self._time_constant)
        self.heat = self.heat + share * (goal - self.heat)

    def restart(self, row: int, heat: float = 0.0) -> None:
        """Of n devices, this one begins anew with motors of this heat."""
        self.heat[row] = heat

    def allowed(self) -> np.ndarray:
        """Largest torque (Nm) now: the cap while cool, the continuous torque when hot, none when too hot."""
        continuous = np.minimum(self._continuous, self._cap)
        left = np.clip((1.0 - self.heat) / (1.0 - TAPER_FROM), 0.0, 1.0)
        beyond = np.clip((FAULT_HEAT - self.heat) / (FAULT_HEAT - 1.0), 0.0, 1.0)
        return (continuous + left * (self._cap - continuous)) * beyond
