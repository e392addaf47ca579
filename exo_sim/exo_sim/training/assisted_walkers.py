# SPDX-License-Identifier: Apache-2.0
"""Walkers of one body who wear a device, with its sensors' errors and the commands' delay drawn per episode."""
from __future__ import annotations

import numpy as np
from exo_device.description import DeviceDescription
from exo_policy.networks import MlpPolicy
from exo_policy.observation import up_from_orientation

from exo_sim.body.model import build_body
from exo_sim.body.subject import Subject
from exo_sim.human.observation import COORDINATION_RATE_HZ, POLICY_RATE_HZ
from exo_sim.human.walkers import Walkers
from exo_sim.plant.energetics import Energetics
from exo_sim.training.exo_config import ExoTrainingConfig

#: The person has fallen below this share of standing height, or beyond this tilt (cosine): early enough that the
#: steps of a hopeless stumble are not learned from.
FALL_HEIGHT_SHARE = 0.78
FALL_UP_COSINE = 0.85


class AssistedWalkers:
    """n walkers of one body in a device.

    Args:
        subject: who walks.
        device: what they wear.
        policy: the human's.
        config: of the training.
        random: of everything drawn.
    """

    def __init__(self, subject: Subject, device: DeviceDescription, policy: MlpPolicy, config: ExoTrainingConfig,
                 random: np.random.Generator):
        self.body = build_body(subject, device, config.physics_rate_hz)
        self.count = config.envs_per_body
        self.walkers = Walkers([self.body] * self.count)
        self.limit = np.array(device.torque_limits(self.body.body_mass))
        self._policy, self._config, self._random, self._device = policy, config, random, device
        self._energetics = Energetics(self.body, self.walkers.coordinators[0])
        joints = self.body.exo_joint_index
        self._qpos, self._dof = self.body.joint_qpos[joints], self.body.joint_dof[joints]
        low, high = (round(delay * COORDINATION_RATE_HZ) for delay in config.extra_delay_s)
        self._delays = (low, high)
        self._delay = np.zeros(self.count, dtype=int)
        self._pending = np.zeros((high + 1, self.count, len(joints)))     # newest first
        self._offset = np.zeros((self.count, len(joints)))
        self._blocks_per_action = round(COORDINATION_RATE_HZ / POLICY_RATE_HZ)
        self._block = 0

    def reset(self, i: int) -> None:
        """Walker i starts anew, with another speed, delay and sensor error."""
        random = self._random
        self.walkers.place(i, random.random(), random.uniform(*self._config.speed_range_mps))
        self._delay[i] = random.integers(self._delays[0], self._delays[1] + 1)
        self._offset[i] = random.normal(0.0, self._config.position_offset_rad, self._offset.shape[1])
        self._pending[:, i] = 0.0

    def advance(self, torque: np.ndarray) -> None:
        """One control period with torques (n, J) in Nm asked of the motors."""
        self._pending = np.roll(self._pending, 1, axis=0)
        self._pending[0] = torque
        arrived = self._pending[self._delay, np.arange(self.count)]
        for data, row in zip(self.walkers.datas, arrived):
            data.ctrl[self.body.exo_actuators] = row
        if self._block % self._blocks_per_action == 0:
            self.walkers.set_action(self._policy(self.walkers.observe()))
        self._block += 1
        self.walkers.coordinate_and_step()

    def sense(self) -> dict[str, np.ndarray]:
        """What the device senses: values (n, size) by name of the observation terms, and the torque (n, J) in Nm."""
        datas, at, random = self.walkers.datas, self.body.imu_sensor, self._random
        sensors = np.stack([data.sensordata for data in datas])
        position = np.stack([data.qpos[self._qpos] for data in datas])
        velocity = np.stack([data.qvel[self._dof] for data in datas])
        torque = np.stack([data.actuator_force[self.body.exo_actuators] for data in datas])
        noise, imu = self._device.joint_sensors, self._device.imu
        wxyz = sensors[:, at["orientation"]:at["orientation"] + 4]
        # "up" is the same in MyoLegs' and in REP-103's world; before the first step the sensor is still zero
        wxyz = np.where(np.abs(wxyz).sum(axis=1, keepdims=True) > 0.0, wxyz, [1.0, 0.0, 0.0, 0.0])
        up = up_from_orientation(wxyz[:, [1, 2, 3, 0]])
        return {
            "joint_position": position + self._offset
            + noise.position_noise_rad * random.standard_normal(position.shape),
            "joint_velocity": velocity + noise.velocity_noise_rad_s * random.standard_normal(velocity.shape),
            "up_vector": up + imu.orientation_noise_rad * random.standard_normal(up.shape),
            "angular_velocity": sensors[:, at["gyro"]:at["gyro"] + 3]
            + imu.gyro_noise_rad_s * random.standard_normal((self.count, 3)),
            "torque": torque + noise.torque_noise_nm * random.standard_normal(torque.shape),
        }

    def metabolic_power(self) -> np.ndarray:
        """Gross metabolic power (n,) in W/kg after Bhargava 2004."""
        return self._energetics.batch_power(self.walkers.datas) / self.body.body_mass

    def mechanical_power(self) -> np.ndarray:
        """Power (n,) in W/kg that the device gives to the joints; negative where it takes it."""
        return np.array([data.actuator_force[self.body.exo_actuators] @ data.qvel[self._dof]
                         for data in self.walkers.datas]) / self.body.body_mass

    def fallen(self) -> np.ndarray:
        """Who has fallen (n,), or broken down numerically."""
        state = self.walkers.state()
        return ~((state.height > FALL_HEIGHT_SHARE * self.walkers.standing_height) & (state.up[:, 2] > FALL_UP_COSINE))
