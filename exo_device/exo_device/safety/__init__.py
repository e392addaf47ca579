# SPDX-License-Identifier: Apache-2.0
"""Safety supervisor: limits, watchdogs and the state machine of a device, in plain Python."""

from exo_device.safety.config import SafetyConfig, SafetyError
from exo_device.safety.modes import Answer, Event, Fault, Mode, fault_names
from exo_device.safety.supervisor import SafetySupervisor, Snapshot
from exo_device.timing import Instant

__all__ = [
    "Answer",
    "Event",
    "Fault",
    "Instant",
    "Mode",
    "SafetyConfig",
    "SafetyError",
    "SafetySupervisor",
    "Snapshot",
    "fault_names",
]
