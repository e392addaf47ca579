# SPDX-License-Identifier: Apache-2.0
"""A short, small torque on one motor, and which way the joint went."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np

from exo_device.drivers.base import Driver, DriverError
from exo_device.signals import MotorTorque

#: More than this (Nm) is no first torque.
LARGEST_PULSE_NM = 3.0
#: The pulse ends early beyond this motion (rad) or speed (rad/s).
LARGEST_MOTION_RAD = math.radians(20.0)
LARGEST_SPEED_RAD_S = 3.0
#: Torque comes and goes over this time (s).
RAMP_S = 0.1
#: Less motion than this (rad) says nothing about a sign.
SMALLEST_MOTION_RAD = math.radians(0.5)
READ_TIMEOUT_S = 0.2


@dataclass(frozen=True)
class PulseResult:
    """What came of a pulse."""

    #: Angle from the start to the end of the torque (rad).
    motion_rad: float
    #: Why it ended before its time, or "".
    ended_by: str

    def verdict(self, torque_nm: float) -> str:
        """One sentence for a person."""
        moved = f"moved {math.degrees(self.motion_rad):+.1f} deg"
        if self.ended_by:
            moved += f" ({self.ended_by})"
        if abs(self.motion_rad) < SMALLEST_MOTION_RAD:
            return f"{moved}: too little to tell; is the joint free, and the torque above its friction?"
        if self.motion_rad * torque_nm > 0.0:
            return f"{moved}: torque and angle have the same sign, as they must"
        return f"{moved}: torque and angle have OPPOSITE signs; do not go on"


def pulse(driver: Driver, joint: str, torque_nm: float, duration_s: float) -> PulseResult:
    """Gives torque to one joint of a connected driver and switches it off again, whatever happens.

    Raises DriverError for a torque that is too large, and when the bus is lost or the motor reports an error.
    """
    if not 0.0 < abs(torque_nm) <= LARGEST_PULSE_NM:
        raise DriverError(f"a pulse is at most {LARGEST_PULSE_NM:g} Nm, got {torque_nm:g}")
    driver.configure((joint,))
    start = _read(driver)
    last, ended_by, begin_s = start, "", time.monotonic()
    try:
        while not ended_by and (t := time.monotonic() - begin_s) < duration_s:
            share = min(1.0, t / RAMP_S, (duration_s - t) / RAMP_S)
            torque = np.array([torque_nm * share])
            driver.write(MotorTorque(last.stamp_ns, last.sequence, True, (joint,), torque))
            last = _read(driver)
            ended_by = _reason_to_end(start, last)
    finally:
        driver.write(MotorTorque.off((joint,)))
    return PulseResult(float(last.position[0] - start.position[0]), ended_by)


def _read(driver: Driver):
    state = driver.read(READ_TIMEOUT_S)
    if state is None:
        raise DriverError("the motor sends nothing")
    if state.error[0]:
        raise DriverError(f"the motor reports error {int(state.error[0])}")
    return state


def _reason_to_end(start, state) -> str:
    if abs(state.position[0] - start.position[0]) > LARGEST_MOTION_RAD:
        return f"ended after {math.degrees(LARGEST_MOTION_RAD):.0f} deg"
    if abs(state.velocity[0]) > LARGEST_SPEED_RAD_S:
        return f"ended above {LARGEST_SPEED_RAD_S:g} rad/s"
    return ""
