# SPDX-License-Identifier: Apache-2.0
"""Driver of CubeMars AK motors in MIT mode on a CAN bus."""

from __future__ import annotations

import time
from collections.abc import Callable

from exo_device.drivers.base import DriverError
from exo_device.drivers.bus_driver import BusDriver
from exo_device.drivers.cubemars_can.bus_thread import BusThread
from exo_device.drivers.cubemars_can.channel import MotorChannel
from exo_device.drivers.cubemars_can.config import CubemarsConfig
from exo_device.drivers.cubemars_can.guardian import Guardian
from exo_device.drivers.cubemars_can.master import BusMaster
from exo_device.drivers.cubemars_can.port import CanPort, PythonCanPort, drain
from exo_device.drivers.imu import ImuSource, make_imu_source


def open_port(config: CubemarsConfig) -> CanPort:
    """The bus that config describes. Raises DriverError when it cannot be opened."""
    return PythonCanPort(config.interface, config.channel, config.bitrate, config.bus_options)


class CubemarsDriver(BusDriver):
    """AK motors. A thread of its own asks them at the bus rate; read() and write() meet it in memory.

    port_factory, imu, steady_s, ros_ns: other bus, IMU and clocks (s; ns of ROS time) than the real ones.
    """

    name = "cubemars_can"

    def __init__(self, config: CubemarsConfig, *,
                 port_factory: Callable[[CubemarsConfig], CanPort] = open_port,
                 imu: ImuSource | None = None, steady_s: Callable[[], float] = time.monotonic,
                 ros_ns: Callable[[], int] = time.time_ns) -> None:
        super().__init__(ros_ns)
        self.config = config
        self._port_factory, self._steady_s = port_factory, steady_s
        self._imu = imu or make_imu_source(config.imu)
        self._port: CanPort | None = None
        self._guardian: Guardian | None = None

    def connect(self) -> None:
        if self._port is not None:
            return
        self._port = self._port_factory(self.config)
        try:
            self._imu.open()
            if self.config.uses_guardian:
                self._guardian = Guardian(self.config)
        except DriverError:
            self.disconnect()
            raise

    def configure(self, joint_names: tuple[str, ...]) -> None:
        if self._port is None:
            raise DriverError("driver 'cubemars_can': connect it first")
        if not joint_names:
            raise DriverError("driver 'cubemars_can': configure needs at least one joint")
        for name in joint_names:
            if name not in self.config.motors:
                raise DriverError(f"driver 'cubemars_can' has no motor for {name}; its configuration has "
                                  f"{', '.join(self.config.motors)}")
        self._end_thread()
        drain(self._port)  # answers from before
        self._newest = None
        self.master = BusMaster(self.config, tuple(joint_names), self._port, self._imu,
                                steady_s=self._steady_s, ros_ns=self._ros_ns, on_sample=self._on_sample)
        self._thread = self._make_runner(self.master)
        self._thread.start()

    def _make_runner(self, master: BusMaster) -> BusThread:
        return BusThread(master, self.config.bus_rate_hz, self._after_cycle)

    def _after_cycle(self, is_on: bool) -> str:
        """In the bus thread: the guardian's heartbeat; somebody who waits hears of a problem at once."""
        problem = self._guardian.beat(is_on) if self._guardian else ""
        if problem or self.master.problem:
            with self._condition:
                self._condition.notify()
        return problem

    def request_zero(self, joint: str) -> None:
        """Makes the present angle of this joint's motor its zero; it is silent for about a second. Raises
        DriverError while the motors are on."""
        self._require_ready()
        self.master.request_zero(joint)

    def disconnect(self) -> None:
        if self._port is None:
            return
        self._end_thread()
        if self._guardian is not None:
            self._guardian.close()
            self._guardian = None
        self._imu.close()
        self._port.close()
        self._port = None

    def _motors(self) -> list[MotorChannel]:
        return self.master.channels
