# SPDX-License-Identifier: Apache-2.0
"""Driver of ODrives on a CAN bus (CANSimple).

SIGKILL: the ODrive's own watchdog must switch the motor off (`axis0.config.enable_watchdog`, 0.1 s), which
every torque frame feeds. docs/bench.md says how to set an ODrive up.
"""

from __future__ import annotations

from exo_device.drivers.base import DriverError
from exo_device.drivers.can.driver import CanDriver
from exo_device.drivers.can.port import CanPort
from exo_device.drivers.odrive_can.config import ODriveConfig
from exo_device.drivers.odrive_can.master import ODriveMaster


class ODriveDriver(CanDriver):
    """ODrives. A thread of its own sends torque at the bus rate, and listens."""

    name = "odrive_can"
    config: ODriveConfig
    master: ODriveMaster

    def _check_joints(self, joint_names: tuple[str, ...]) -> None:
        for name in joint_names:
            if name not in self.config.axes:
                raise DriverError(
                    f"driver 'odrive_can' has no axis for {name}; its configuration has {', '.join(self.config.axes)}"
                )

    def _make_master(self, joint_names: tuple[str, ...], port: CanPort) -> ODriveMaster:
        return ODriveMaster(
            self.config,
            joint_names,
            port,
            self._imu,
            steady_s=self._steady_s,
            ros_ns=self._ros_ns,
            on_sample=self._on_sample,
        )
