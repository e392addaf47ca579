# SPDX-License-Identifier: Apache-2.0
"""Driver of ODrives on a CAN bus (CANSimple).

SIGKILL: the ODrive's own watchdog must switch the motor off (`axis0.config.enable_watchdog`, 0.1 s), which
every torque frame feeds. docs/bench.md says how to set an ODrive up.
"""

from __future__ import annotations

import time

from exo_device.drivers.base import DriverError
from exo_device.drivers.bus_driver import BusDriver
from exo_device.drivers.cubemars_can.bus_thread import BusThread
from exo_device.drivers.cubemars_can.port import CanPort, PythonCanPort, drain
from exo_device.drivers.imu import make_imu_source
from exo_device.drivers.odrive_can.axis import Axis
from exo_device.drivers.odrive_can.config import ODriveConfig
from exo_device.drivers.odrive_can.master import ODriveMaster


class ODriveDriver(BusDriver):
    """ODrives. A thread of its own sends torque at the bus rate; read() and write() meet it in memory."""

    name = "odrive_can"

    def __init__(self, config: ODriveConfig) -> None:
        super().__init__()
        self.config = config
        self._imu = make_imu_source(config.imu)
        self._port: CanPort | None = None

    def connect(self) -> None:
        if self._port is not None:
            return
        config = self.config
        self._port = PythonCanPort(config.interface, config.channel, config.bitrate, config.bus_options)
        try:
            self._imu.open()
        except DriverError:
            self.disconnect()
            raise

    def configure(self, joint_names: tuple[str, ...]) -> None:
        if self._port is None:
            raise DriverError("driver 'odrive_can': connect it first")
        if not joint_names:
            raise DriverError("driver 'odrive_can': configure needs at least one joint")
        for name in joint_names:
            if name not in self.config.axes:
                raise DriverError(f"driver 'odrive_can' has no axis for {name}; its configuration has "
                                  f"{', '.join(self.config.axes)}")
        self._end_thread()
        drain(self._port)
        self._newest = None
        self.master = ODriveMaster(self.config, tuple(joint_names), self._port, self._imu,
                                   steady_s=time.monotonic, ros_ns=self._ros_ns, on_sample=self._on_sample)
        self._thread = BusThread(self.master, self.config.bus_rate_hz, self._after_cycle)
        self._thread.start()

    def disconnect(self) -> None:
        if self._port is None:
            return
        self._end_thread()
        self._imu.close()
        self._port.close()
        self._port = None

    def _after_cycle(self, is_on: bool) -> str:
        """In the bus thread: somebody who waits hears of a problem at once."""
        master = self.master
        if master is not None and master.problem:
            with self._condition:
                self._condition.notify()
        return ""

    def _motors(self) -> list[Axis]:
        return self.master.axes
