# SPDX-License-Identifier: Apache-2.0
"""Programs of this package, quiet about a signal that comes while they are imported."""

from __future__ import annotations

from exo_core.programs import start


def device_node() -> int:
    """The device node."""
    return start("exo_device.device_node")


def motor_emulator() -> int:
    """Emulated motors."""
    return start("exo_device.emulator.command_line")


def bench() -> int:
    """First steps with real motors."""
    return start("exo_device.bench")


def guardian() -> int:
    """Takes the torque away when the device node cannot."""
    return start("exo_device.guardian")
