# SPDX-License-Identifier: Apache-2.0
"""Driver of CubeMars AK motors in MIT mode on a CAN bus."""

from __future__ import annotations

from exo_device.drivers.base import DriverError
from exo_device.drivers.can.driver import CanDriver
from exo_device.drivers.can.port import CanPort
from exo_device.drivers.cubemars_can.config import CubemarsConfig
from exo_device.drivers.cubemars_can.guardian import Guardian
from exo_device.drivers.cubemars_can.master import BusMaster


class CubemarsDriver(CanDriver):
    """AK motors. A thread of its own asks them at the bus rate, and a guardian process watches the thread."""

    name = "cubemars_can"
    config: CubemarsConfig
    master: BusMaster
    _guardian: Guardian | None = None

    def request_zero(self, joint: str) -> None:
        """Makes the present angle of this joint's motor its zero; it is silent for about a second. Raises
        DriverError while the motors are on."""
        self._require_ready()
        self.master.request_zero(joint)

    def _check_joints(self, joint_names: tuple[str, ...]) -> None:
        for name in joint_names:
            if name not in self.config.motors:
                raise DriverError(
                    f"driver 'cubemars_can' has no motor for {name}; its configuration has "
                    f"{', '.join(self.config.motors)}"
                )

    def _make_master(self, joint_names: tuple[str, ...], port: CanPort) -> BusMaster:
        return BusMaster(
            self.config,
            joint_names,
            port,
            self._imu,
            steady_s=self._steady_s,
            ros_ns=self._ros_ns,
            on_sample=self._on_sample,
        )

    def _connected(self) -> None:
        if self.config.uses_guardian:
            self._guardian = Guardian(self.config)

    def _disconnecting(self) -> None:
        if self._guardian is not None:
            self._guardian.close()
            self._guardian = None

    def _watch(self, is_on: bool) -> str:
        return self._guardian.beat(is_on) if self._guardian else ""
