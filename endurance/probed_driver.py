# SPDX-License-Identifier: Apache-2.0
"""device_node whose bus thread's cycles are written down: `python -m endurance.probed_driver`.

Everything else is device_node itself, with its ROS arguments. The environment variable TIMES_FILE names the
file that gets the steady time (ns) of each cycle's end, int64, when the driver is disconnected.
"""

from __future__ import annotations

import os
import sys
import time
from array import array

import numpy as np

from exo_device.drivers import DRIVERS
from exo_device.drivers.cubemars_can.config import CubemarsConfig
from exo_device.drivers.cubemars_can.driver import CubemarsDriver

TIMES_FILE = "EXO_TRIAL_TIMES_FILE"


class ProbedDriver(CubemarsDriver):
    """Writes down when its bus thread's cycles end."""

    def __init__(self, config: CubemarsConfig) -> None:
        super().__init__(config)
        self._times = array("q")

    def _after_cycle(self, is_on: bool) -> str:
        self._times.append(time.monotonic_ns())
        return super()._after_cycle(is_on)

    def disconnect(self) -> None:
        super().disconnect()
        if self._times and os.environ.get(TIMES_FILE):
            np.save(os.environ[TIMES_FILE], np.array(self._times, dtype=np.int64))
            self._times = array("q")


def main() -> int:
    """device_node with the probe in place of its CAN driver."""
    from exo_device.device_node import main as device_node

    DRIVERS["cubemars_can"] = ("endurance.probed_driver", "ProbedDriver", "CubemarsConfig")
    return device_node()


if __name__ == "__main__":
    sys.exit(main())
