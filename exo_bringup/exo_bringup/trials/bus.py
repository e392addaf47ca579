# SPDX-License-Identifier: Apache-2.0
"""A CAN bus between processes of this machine, for trials."""

from __future__ import annotations

import os

from exo_device.drivers.config_file import read_driver_config
from exo_device.emulator.command_line import MULTICAST

from exo_bringup.paths import share_folder

#: A group of addresses that stay on this machine's site (RFC 2365), and ports that two trials do not share.
GROUP = "239.74.163.90"
FIRST_PORT, PORTS = 43_200, 2_000


def bus_settings(**changes) -> dict:
    """Settings of the driver cubemars_can: the example's motors, on a bus of this process and its children."""
    settings = read_driver_config(share_folder() / "config/drivers/cubemars_example.yaml", "cubemars_can")
    port = FIRST_PORT + os.getpid() % PORTS
    return {**settings, "interface": MULTICAST, "channel": GROUP, "bus_options": {"port": port}, **changes}
