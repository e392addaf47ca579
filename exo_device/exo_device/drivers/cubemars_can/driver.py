# SPDX-License-Identifier: Apache-2.0
"""Driver of CubeMars AK motors in MIT mode on a CAN bus: every set point is answered, and motors can be zeroed."""

from __future__ import annotations

from collections.abc import Callable

from exo_device.drivers.base import DriverError
from exo_device.drivers.can.bus import CanMaster
from exo_device.drivers.can.driver import CanDriver
from exo_device.drivers.can.port import CanPort, Frame
from exo_device.drivers.cubemars_can.config import CubemarsConfig
from exo_device.drivers.cubemars_can.guardian import Guardian
from exo_device.drivers.cubemars_can.motor import MotorChannel
from exo_device.drivers.imu import ImuSource
from exo_device.state import DeviceState


class BusMaster(CanMaster):
    """AK motors of the given joints; further arguments as of CanMaster."""

    advice = "check power, wiring, id and firmware"
    motors: list[MotorChannel]

    def __init__(
        self,
        config: CubemarsConfig,
        joints: tuple[str, ...],
        port: CanPort,
        imu: ImuSource,
        *,
        steady_s: Callable[[], float],
        ros_ns: Callable[[], int],
        on_sample: Callable[[DeviceState], None],
    ) -> None:
        now_s = steady_s()
        channels = [MotorChannel(joint, config.motors[joint], now_s, config.plausibility) for joint in joints]
        super().__init__(config, channels, port, imu, steady_s=steady_s, ros_ns=ros_ns, on_sample=on_sample)
        self._to_zero: list[str] = []

    def request_zero(self, joint: str) -> None:
        """Makes the present angle of this joint's motor its zero, in one of the next cycles. From any thread.

        Raises DriverError while the motors are on.
        """
        with self._lock:
            if self._enable or self.is_on:
                raise DriverError("a motor can only be zeroed while the motors are off")
            self._to_zero.append(joint)

    def _frames(self, motor: MotorChannel, torque: float, enable: bool, now_s: float) -> list[Frame]:
        with self._lock:
            is_to_zero = motor.joint in self._to_zero
            if is_to_zero:
                self._to_zero.remove(motor.joint)
        if is_to_zero and not enable:
            return [motor.zero_frame(now_s)]
        return super()._frames(motor, torque, enable, now_s)


class CubemarsDriver(CanDriver):
    """AK motors. A thread of its own asks them at the bus rate, and a guardian process watches the thread."""

    name = "cubemars_can"
    config: CubemarsConfig
    master: BusMaster
    _guardian: Guardian | None = None

    def largest_torque_nm(self, joint: str) -> float:
        motor = self.config.motors[joint]
        return motor.torque_range_nm * motor.torque_scale * motor.transmission_ratio

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
