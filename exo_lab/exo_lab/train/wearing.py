# SPDX-License-Identifier: Apache-2.0
"""How a device sits this time: motors, straps, sensors and what the wearer carries, drawn for every episode."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from exo_lab.train.exo_config import WearingConfig
from exo_sim.body.model import BodyModel

#: The payload lies on this body, at its centre of mass, as a well packed rucksack nearly does.
PAYLOAD_BODY = "torso"


@dataclass(frozen=True)
class Wearing:
    """One wearing; joints (J,) in the device's order.

    Attributes:
        delay_s: command to first torque.
        bandwidth_factor: on the motors' bandwidth.
        compliance: rad/Nm of the straps.
        payload_kg: on the trunk.
        position_offset: (J,) rad.
        tilt_offset: (3,) rad, rotation of the IMU.
        gyro_offset: (3,) rad/s.
        noise_factor: on the sensor noise of the device.
        mass_factor: mass told over true mass.
    """

    delay_s: float
    bandwidth_factor: float
    compliance: float
    payload_kg: float
    position_offset: np.ndarray
    tilt_offset: np.ndarray
    gyro_offset: np.ndarray
    noise_factor: float
    mass_factor: float

    @classmethod
    def draw(cls, config: WearingConfig, joints: int, random: np.random.Generator) -> Wearing:
        """Another wearing of a device with so many joints."""
        soft, stiff = config.strap_stiffness_nm_per_rad
        return cls(
            delay_s=random.uniform(*config.delay_s),
            bandwidth_factor=random.uniform(*config.bandwidth_factor),
            # evenly in compliance: half as stiff matters as much as the angle that it adds
            compliance=random.uniform(1.0 / stiff, 1.0 / soft),
            payload_kg=random.uniform(*config.payload_kg),
            position_offset=config.position_offset_rad * random.standard_normal(joints),
            tilt_offset=config.tilt_offset_rad * random.standard_normal(3),
            gyro_offset=config.gyro_offset_rad_s * random.standard_normal(3),
            noise_factor=random.uniform(*config.noise_factor),
            mass_factor=max(1.0 + config.mass_error * random.standard_normal(), 0.5),
        )

    def fit(self, body: BodyModel) -> None:
        """Changes motors and load of a body that has a model of its own, before its first step."""
        model, motors = body.model, body.exo_actuators
        model.actuator_delay[motors] = np.where(model.actuator_history[motors, 0] > 0, self.delay_s, 0.0)
        model.actuator_dynprm[motors, 0] /= self.bandwidth_factor
        if self.payload_kg > 0.0:
            trunk = model.body(PAYLOAD_BODY).id
            # as wide as the trunk: moments grow in the same proportion
            model.body_inertia[trunk] *= 1.0 + self.payload_kg / model.body_mass[trunk]
            model.body_mass[trunk] += self.payload_kg
            mujoco.mj_setConst(model, mujoco.MjData(model))

    def for_critic(self) -> np.ndarray:
        """What the critic is told (5,), each near 1."""
        return np.array(
            [
                50.0 * self.delay_s,
                self.bandwidth_factor,
                300.0 * self.compliance,
                0.1 * self.payload_kg,
                self.mass_factor,
            ],
            dtype=np.float32,
        )
