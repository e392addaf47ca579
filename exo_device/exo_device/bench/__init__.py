# SPDX-License-Identifier: Apache-2.0
"""The first hours with real motors: ids, signs, zeros, first torque. Not for a device that is worn."""

from exo_device.bench.command_line import main

__all__ = ["main"]
