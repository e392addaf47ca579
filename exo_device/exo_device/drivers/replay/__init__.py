# SPDX-License-Identifier: Apache-2.0
"""A recording plays the device."""

from exo_device.drivers.replay.driver import ReplayDriver
from exo_device.drivers.replay.tape import ReplayConfig, Tape, load_tape

__all__ = ["ReplayConfig", "ReplayDriver", "Tape", "load_tape"]
