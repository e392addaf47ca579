# SPDX-License-Identifier: Apache-2.0
"""The device's sensors: encoders, torque estimate, temperature and the pelvis IMU, with their noise."""

from __future__ import annotations

import mujoco
import numpy as np

from exo_sim.body.model import MYO_TO_REP103, BodyModel
from exo_sim.plant.frames import multiply, quaternion_xyzw_from_wxyz, rotation_quaternion
from exo_sim.plant.sample import MotorSample

#: Motors in the simulation stay at room temperature (degC): their heat is not modelled.
AMBIENT_TEMPERATURE_C = 25.0

_WORLD_TURN = rotation_quaternion(MYO_TO_REP103)


class DeviceSensors:
    """Reads a device's sensors from the physics.

    Args:
        body: with a device.
        random: source of the noise.
    """

    def __init__(self, body: BodyModel, random: np.random.Generator):
        self._body, self._random = body, random
        joints = body.exo_joint_index
        self._qpos, self._dof = body.joint_qpos[joints], body.joint_dof[joints]
        straps = [body.device.joints[name].strap for name in body.exo_joints] if body.device else []
        # a compliant strap lets the actuator run ahead of the limb by torque over stiffness
        self._compliance = np.array([0.0 if s is None else 1.0 / s.stiffness_nm_per_rad for s in straps])

    def read(self, data: mujoco.MjData) -> MotorSample:
        """Sensor readings of the present state."""
        body, random = self._body, self._random
        count = len(body.exo_joints)
        torque = data.actuator_force[body.exo_actuators]
        at = body.imu_sensor
        orientation = quaternion_xyzw_from_wxyz(data.sensordata[at["orientation"] : at["orientation"] + 4])
        gyro = data.sensordata[at["gyro"] : at["gyro"] + 3].copy()
        acceleration = data.sensordata[at["accelerometer"] : at["accelerometer"] + 3].copy()
        orientation = multiply(_WORLD_TURN, orientation)
        position = data.qpos[self._qpos] + torque * self._compliance
        velocity = data.qvel[self._dof].copy()
        voltage = 0.0
        if body.device is not None:
            noise, imu, voltage = body.device.joint_sensors, body.device.imu, body.device.bus_voltage_v
            position = position + noise.position_noise_rad * random.standard_normal(count)
            velocity = velocity + noise.velocity_noise_rad_s * random.standard_normal(count)
            torque = torque + noise.torque_noise_nm * random.standard_normal(count)
            gyro += imu.gyro_noise_rad_s * random.standard_normal(3)
            acceleration += imu.accel_noise_m_s2 * random.standard_normal(3)
            tilt = 0.5 * imu.orientation_noise_rad * random.standard_normal(3)
            orientation = multiply(orientation, np.r_[tilt, 1.0])
            orientation /= np.linalg.norm(orientation)
        return MotorSample(
            body.exo_joints,
            position,
            velocity,
            torque,
            np.full(count, AMBIENT_TEMPERATURE_C),
            voltage,
            orientation,
            gyro,
            acceleration,
        )
