# SPDX-License-Identifier: Apache-2.0
"""Motors that are not there: the frames of the real ones, with mechanics, and faults on command."""

from exo_device.emulator.command_line import main
from exo_device.emulator.motor import (
    FAULTS,
    EmulatedBus,
    EmulatedMotor,
    EmulatorError,
    Fault,
    FaultPlan,
    Followed,
    Mechanics,
    SpringDamper,
)

__all__ = [
    "FAULTS",
    "EmulatedBus",
    "EmulatedMotor",
    "EmulatorError",
    "Fault",
    "FaultPlan",
    "Followed",
    "Mechanics",
    "SpringDamper",
    "main",
]
