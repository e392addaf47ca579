# SPDX-License-Identifier: Apache-2.0
"""Safety supervisor: limits, watchdogs and the state machine of a device, in plain Python."""

from exo_device.safety.clock import Instant
from exo_device.safety.config import SafetyConfig, SafetyError
from exo_device.safety.faults import Fault, fault_names
from exo_device.safety.state_machine import Answer, Event, Mode
from exo_device.safety.supervisor import SafetySupervisor, Snapshot

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
