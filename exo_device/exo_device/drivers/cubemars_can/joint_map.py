# SPDX-License-Identifier: Apache-2.0
"""Between a motor's output shaft and its joint: sign, offset, transmission, torque scale."""

from __future__ import annotations

from dataclasses import dataclass

from exo_device.drivers.cubemars_can.config import MotorConfig


@dataclass(frozen=True)
class JointMap:
    """Motor side: what frames carry. Joint side: MyoLegs sign, rad, rad/s, Nm."""

    sign: int
    offset: float
    ratio: float
    torque_scale: float

    @staticmethod
    def of(motor: MotorConfig) -> JointMap:
        """The map that a configuration describes."""
        return JointMap(motor.sign, motor.joint_offset_rad, motor.transmission_ratio, motor.torque_scale)

    def joint_position(self, motor: float) -> float:
        """Joint angle (rad) at this output angle (rad)."""
        return self.sign * motor / self.ratio + self.offset

    def joint_velocity(self, motor: float) -> float:
        """Joint speed (rad/s) at this output speed (rad/s)."""
        return self.sign * motor / self.ratio

    def joint_torque(self, motor: float) -> float:
        """Torque (Nm) at the joint for this number in a frame."""
        return self.sign * motor * self.torque_scale * self.ratio

    def motor_position(self, joint: float) -> float:
        """Inverse of joint_position."""
        return self.sign * (joint - self.offset) * self.ratio

    def motor_velocity(self, joint: float) -> float:
        """Inverse of joint_velocity."""
        return self.sign * joint * self.ratio

    def motor_torque(self, joint: float) -> float:
        """Inverse of joint_torque."""
        return self.sign * joint / (self.torque_scale * self.ratio)
