# SPDX-License-Identifier: Apache-2.0
"""Driver of CubeMars AK motors in MIT mode on a CAN bus: every set point is answered, and motors can be zeroed."""

from __future__ import annotations

from exo_device.drivers.base import DriverError
from exo_device.drivers.can.bus import CanMaster
from exo_device.drivers.can.driver import CanDriver
from exo_device.drivers.can.port import Frame
from exo_device.drivers.cubemars_can.config import CubemarsConfig
from exo_device.drivers.cubemars_can.motor import MotorChannel


class BusMaster(CanMaster):
    """AK motors; arguments as of CanMaster."""

    motors: list[MotorChannel]

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
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
            self.zeros.confirm([motor.joint])
            return [motor.zero_frame(now_s)]
        return super()._frames(motor, torque, enable, now_s)


class CubemarsDriver(CanDriver):
    """AK motors. A thread of its own asks them at the bus rate, and a guardian process watches the thread."""

    name = "cubemars_can"
    advice = "check power, wiring, id and firmware"
    master_type = BusMaster
    config: CubemarsConfig
    master: BusMaster

    def largest_torque_nm(self, joint: str) -> float:
        motor = self.config.motors[joint]
        return motor.torque_range_nm * motor.torque_scale * motor.transmission_ratio

    def request_zero(self, joint: str) -> None:
        """Makes the present angle of this joint's motor its zero; it is silent for about a second. Raises
        DriverError while the motors are on."""
        self._require_ready()
        self.master.request_zero(joint)

    def _make_motors(self, joint_names: tuple[str, ...]) -> list[MotorChannel]:
        now_s, motors = self._steady_s(), self.config.motors
        return [MotorChannel(name, motors[name], now_s, self.config.plausibility) for name in joint_names]

    @property
    def _motor_names(self) -> tuple[str, ...]:
        return tuple(self.config.motors)
