# SPDX-License-Identifier: Apache-2.0
"""Why a device stops. The bits are those of exo_msgs/DeviceStatus (a test compares them)."""

from __future__ import annotations

from enum import IntFlag
from typing import NamedTuple


class Fault(IntFlag):
    """Latched causes of a stop, as a bit mask."""

    STALE_COMMAND = 1
    STALE_STATE = 2
    NOT_FINITE = 4
    UNKNOWN_JOINT = 8
    VELOCITY_LIMIT = 16
    OVER_TEMPERATURE = 32
    MOTOR_ERROR = 64
    BUS_LOST = 128
    CLOCK_JUMP = 256
    USER_STOP = 512
    SEQUENCE_GAP = 1024
    POWER_LIMIT = 2048
    SHUTDOWN = 4096
    RANGE_OF_MOTION = 8192
    TORQUE_MISMATCH = 16384
    STOP_NOT_CONFIRMED = 32768
    IMPLAUSIBLE_STATE = 65536
    IMU_FAULT = 131072
    SUPPLY = 262144
    OSCILLATION = 524288


NO_FAULT = Fault(0)


def fault_names(faults: Fault) -> list[str]:
    """Names of the bits that are set, lowest first."""
    return [fault.name for fault in Fault if fault in faults]


class Problem(NamedTuple):
    """Something that must stop the device, with one sentence for a person."""

    fault: Fault
    cause: str
