# SPDX-License-Identifier: Apache-2.0
"""The device's sensors: encoders, torque estimate, temperature and the pelvis IMU, with their noise.

One model for the one person in the simulator and the many in training: a policy is trained on what it will read.
"""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np

from exo_sim.body.model import MYO_TO_REP103, BodyModel
from exo_sim.human.observation import COORDINATION_RATE_HZ
from exo_sim.plant.sample import MotorSample


def quaternion_xyzw_from_wxyz(quaternion: np.ndarray) -> np.ndarray:
    """(..., 4) w, x, y, z to (..., 4) x, y, z, w."""
    return np.asarray(quaternion)[..., [1, 2, 3, 0]]


def rotation_quaternion(matrix: np.ndarray) -> np.ndarray:
    """Quaternion (4,) x, y, z, w of a rotation matrix (3, 3)."""
    wxyz = np.empty(4)
    mujoco.mju_mat2Quat(wxyz, np.asarray(matrix, dtype=float).reshape(9))
    return quaternion_xyzw_from_wxyz(wxyz)


def multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Product (..., 4) of quaternions x, y, z, w: first b, then a."""
    ax, ay, az, aw = np.moveaxis(np.asarray(a), -1, 0)
    bx, by, bz, bw = np.moveaxis(np.asarray(b), -1, 0)
    return np.stack(
        [
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
            aw * bw - ax * bx - ay * by - az * bz,
        ],
        axis=-1,
    )


def conjugate(q: np.ndarray) -> np.ndarray:
    """Inverse (..., 4) of a unit quaternion x, y, z, w."""
    return np.asarray(q) * [-1.0, -1.0, -1.0, 1.0]


def small_rotation(vector: np.ndarray) -> np.ndarray:
    """Quaternion (..., 4) x, y, z, w of a small rotation vector (..., 3) in rad; its norm is 1 to first order."""
    return np.concatenate([0.5 * vector, np.ones((*np.shape(vector)[:-1], 1))], axis=-1)


def rotate_back(q: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """A vector (..., 3) in the axes that the rotation q (..., 4) leads to; q of any norm."""
    axis, w = -q[..., :3], q[..., 3:]
    turned = np.cross(axis, vector)
    return vector + 2.0 * (w * turned + np.cross(axis, turned)) / (q**2).sum(axis=-1, keepdims=True)


#: Motors in the simulation stay at room temperature (degC): their heat is not modelled.
AMBIENT_TEMPERATURE_C = 25.0

_WORLD_TURN = rotation_quaternion(MYO_TO_REP103)


class DeviceSensors:
    """Reads the sensors of n people's devices from the physics, once a control period.

    How the device sits (`mount`) is that of the description until something else is said.

    Args:
        body: of the first person; the device and the addresses of its sensors are everybody's. Its model has the IMU's
            accelerometer.
        random: source of the noise.
        count: people (n).
    """

    def __init__(self, body: BodyModel, random: np.random.Generator, count: int = 1):
        self._body, self._random, self._count = body, random, count
        driven, joints = body.exo_joint_index, len(body.exo_joints)
        self._qpos, self._dof = body.joint_qpos[driven], body.joint_dof[driven]
        straps = [body.device.joints[name].strap for name in body.exo_joints] if body.device else []
        own = np.array([0.0 if s is None else 1.0 / s.stiffness_nm_per_rad for s in straps])
        # a compliant strap lets the actuator run ahead of the limb by torque over stiffness
        self._compliance = np.tile(own, (count, 1))
        self._position_offset = np.zeros((count, joints))
        self._gyro_offset = np.zeros((count, 3))
        self._tilt = np.tile([0.0, 0.0, 0.0, 1.0], (count, 1))
        self._noise = np.ones((count, 1))
        self._torque = np.full((count, joints), np.nan)

    def mount(
        self,
        i: int,
        *,
        compliance: np.ndarray | float,
        position_offset: np.ndarray,
        tilt_offset: np.ndarray,
        gyro_offset: np.ndarray,
        noise_factor: float,
    ) -> None:
        """Says how the device sits on person i.

        Args:
            compliance: of the straps (rad/Nm), of every joint or (J,).
            position_offset: (J,) rad, constant error of the joint sensors.
            tilt_offset: (3,) rad, rotation vector of the IMU in its own axes.
            gyro_offset: (3,) rad/s.
            noise_factor: on all standard deviations.
        """
        self._compliance[i], self._position_offset[i] = compliance, position_offset
        self._gyro_offset[i], self._noise[i] = gyro_offset, noise_factor
        self._tilt[i] = small_rotation(np.asarray(tilt_offset))

    def restart(self, i: int) -> None:
        """Person i begins anew: nothing is known of the torque before."""
        self._torque[i] = np.nan

    def read(self, datas: Sequence[mujoco.MjData]) -> MotorSample:
        """Readings (n, ...) of the present states of n people, one control period after the last call."""
        body, count = self._body, len(self._body.exo_joints)
        torque = np.stack([data.actuator_force[body.exo_actuators] for data in datas])
        before = np.where(np.isnan(self._torque), torque, self._torque)
        self._torque = torque
        sensors, at = np.stack([data.sensordata for data in datas]), body.imu_sensor
        orientation = quaternion_xyzw_from_wxyz(sensors[:, at["orientation"] : at["orientation"] + 4])
        orientation = multiply(multiply(_WORLD_TURN, orientation), self._tilt)
        gyro = rotate_back(self._tilt, sensors[:, at["gyro"] : at["gyro"] + 3]) + self._gyro_offset
        acceleration = rotate_back(self._tilt, sensors[:, at["accelerometer"] : at["accelerometer"] + 3])
        # the encoder sits on the motor's side of the straps, which give way under torque
        stretch, rate = torque * self._compliance, (torque - before) * self._compliance * COORDINATION_RATE_HZ
        position = np.stack([data.qpos[self._qpos] for data in datas]) + stretch + self._position_offset
        velocity = np.stack([data.qvel[self._dof] for data in datas]) + rate
        voltage = 0.0
        if body.device is not None:
            noise, imu, voltage = body.device.joint_sensors, body.device.imu, body.device.bus_voltage_v
            position = position + self._error(noise.position_noise_rad, count)
            velocity = velocity + self._error(noise.velocity_noise_rad_s, count)
            torque = torque + self._error(noise.torque_noise_nm, count)
            gyro = gyro + self._error(imu.gyro_noise_rad_s, 3)
            acceleration = acceleration + self._error(imu.accel_noise_m_s2, 3)
            orientation = multiply(orientation, small_rotation(self._error(imu.orientation_noise_rad, 3)))
            orientation /= np.linalg.norm(orientation, axis=1, keepdims=True)
        return MotorSample(
            body.exo_joints,
            position,
            velocity,
            torque,
            np.full((self._count, count), AMBIENT_TEMPERATURE_C),
            voltage,
            orientation,
            gyro,
            acceleration,
        )

    def _error(self, deviation: float, size: int) -> np.ndarray:
        """Errors (n, size) of this standard deviation on a device as described."""
        return deviation * self._noise * self._random.standard_normal((self._count, size))
