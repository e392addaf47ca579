# SPDX-License-Identifier: Apache-2.0
"""What this driver finds wrong with a motor by itself, in DeviceState.error above the motor's own code."""

from __future__ import annotations

from enum import IntFlag

#: The lowest byte of DeviceState.error is the motor's own code; see its manual.
OWN_CODE_MASK = 0xFF


class MotorFault(IntFlag):
    """Found by the driver. Each stays until the motors are switched off, POSITION_JUMP until configure()."""

    #: The position leapt farther than the motor can have turned: it was reset or zeroed, and its zero is
    #: lost.
    POSITION_JUMP = 1 << 8
    #: The same old answer again and again: position and speed contradict each other, or replies are equal to
    #: the last bit where they cannot be.
    FROZEN = 1 << 9
    #: The motor does not give the torque that it was asked for: it is off, or was reset.
    NOT_FOLLOWING = 1 << 10
    #: The device node fell silent with the motors on; the bus thread brought the torque down.
    HOST_SILENT = 1 << 11


NO_MOTOR_FAULT = MotorFault(0)
