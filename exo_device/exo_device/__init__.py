# SPDX-License-Identifier: Apache-2.0
"""The device side of exo_gait: description, drivers, safety supervisor and the node that joins them.

The functions are the package's programs. Each is imported when it is started, quiet about a signal that comes
meanwhile.
"""

from exo_core.programs import start


def start_device_node() -> int:
    """The device node."""
    return start("exo_device.device_node")


def start_motor_emulator() -> int:
    """Emulated motors."""
    return start("exo_device.emulator.command_line")


def start_bench() -> int:
    """First steps with real motors."""
    return start("exo_device.bench")


def start_guardian() -> int:
    """The process that takes the torque away when the device node cannot."""
    return start("exo_device.guardian")
