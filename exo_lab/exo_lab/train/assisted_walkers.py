# SPDX-License-Identifier: Apache-2.0
"""People who wear a device: somebody else, in another fit of the device, at another speed after every episode."""

from __future__ import annotations

import numpy as np

from exo_device.description import DeviceDescription
from exo_lab.train.exo_config import ExoTrainingConfig
from exo_lab.train.one_wearer import OneWearer
from exo_lab.train.people import People
from exo_lab.train.wearing import Wearing
from exo_policy.observation import up_from_orientation
from exo_sim.body.muscle_groups import GROUPS_BY_SIDE
from exo_sim.human.observation import COORDINATION_RATE_HZ
from exo_sim.human.pace import Pace
from exo_sim.human.walkers import Walkers, WalkerState
from exo_sim.plant.energetics import CrowdEnergetics


class AssistedWalkers:
    """n people in a device.

    Args:
        device: what everybody wears.
        config: of the training.
        random: of everything drawn.

    Attributes:
        walkers: the people.
        told_mass: (n, 1) kg, what the device takes for the wearer's mass.
        limit: (n, J) Nm, torque limits for that mass.
        strengths: (n, 16) of everybody, order of GROUPS_BY_SIDE.
    """

    def __init__(self, device: DeviceDescription, config: ExoTrainingConfig, random: np.random.Generator):
        self._device, self._config, self._random = device, config, random
        if config.wearer is None:
            self._people = People(device, config.physics_rate_hz, config.people, random)
            self._people.configure(body_spread=1.0, variation=1.0)
        else:
            self._people = OneWearer(device, config.physics_rate_hz, config.wearer, config.people, random)
        self.count = count = config.envs_per_worker
        first, joints = self._people.first, len(device.joint_names)
        self.walkers = Walkers([first] * count)
        self._energetics = CrowdEnergetics(first, self.walkers.coordinators[0])
        self._imu, self._motors = first.imu_sensor, first.exo_actuators
        self._qpos, self._dof = first.joint_qpos[first.exo_joint_index], first.joint_dof[first.exo_joint_index]
        self._wearing: list[Wearing | None] = [None] * count
        self._mass = np.zeros(count)
        self.told_mass, self.limit = np.zeros((count, 1)), np.zeros((count, joints))
        self.strengths = np.ones((count, len(GROUPS_BY_SIDE)))
        self._compliance, self._noise = np.zeros((count, 1)), np.zeros((count, 1))
        self._position_offset = np.zeros((count, joints))
        self._tilt_offset, self._gyro_offset = np.zeros((count, 3)), np.zeros((count, 3))
        self._torque, self._torque_before = np.zeros((count, joints)), np.zeros((count, joints))
        self._target_speed, self._pace = np.zeros(count), Pace(count)
        self.private = np.zeros(
            (count, len(Wearing.draw(config.wearing, joints, random).for_critic())), dtype=np.float32
        )
        for i in range(count):
            self.reset(i)

    def reset(self, i: int) -> None:
        """Somebody else starts to walk in place i."""
        random, config = self._random, self._config
        person = self._people.draw()
        wearing = Wearing.draw(config.wearing, self.limit.shape[1], random)
        self.strengths[i] = person.body.strengths
        self._mass[i] = person.body.body_mass  # before the payload, which is not the person
        wearing.fit(person.body)
        self.walkers.give_body(i, person.body, person.servo_gain)
        speed = self._draw_speed()
        self.place(i, random.random(), speed)
        self._wearing[i] = wearing
        self.private[i] = wearing.for_critic()
        self.told_mass[i] = wearing.mass_factor * self._mass[i]
        self.limit[i] = self._device.torque_limits(self.told_mass[i, 0])
        self._compliance[i], self._noise[i] = wearing.compliance, wearing.noise_factor
        self._position_offset[i] = wearing.position_offset
        self._tilt_offset[i], self._gyro_offset[i] = wearing.tilt_offset, wearing.gyro_offset
        self._torque[i] = self._torque_before[i] = 0.0

    def place(self, i: int, phase: float, speed: float) -> None:
        """Person i sets out in a phase of the stride at a speed (m/s)."""
        self._target_speed[i] = speed
        self.walkers.place(i, phase, speed)
        self._pace.place(i, speed)

    def advance(self, torque: np.ndarray) -> None:
        """One control period with torques (n, J) in Nm asked of the motors."""
        self._change_speed()
        for data, row in zip(self.walkers.datas, torque):
            data.ctrl[self._motors] = row
        self.walkers.coordinate_and_step()
        self._torque_before = self._torque
        self._torque = np.stack([data.actuator_force[self._motors] for data in self.walkers.datas])

    def _draw_speed(self) -> float:
        stands = self._random.random() < self._config.stop_share
        return 0.0 if stands else self._random.uniform(*self._config.speed_range_mps)

    def _change_speed(self) -> None:
        """Now and then a new speed, or a stop, which the command approaches by a ramp."""
        period, random = self.walkers.period_s, self._random
        changing = random.random(self.count) < period / self._config.speed_change_s
        self._target_speed[changing] = [self._draw_speed() for _ in range(int(changing.sum()))]
        velocity = np.array([-data.qvel[1] for data in self.walkers.datas])  # MyoLegs walks along -y
        self.walkers.speed_command = self._pace.advance(self._target_speed, velocity, period)

    def sense(self) -> dict[str, np.ndarray]:
        """What the device senses: values (n, size) by name of the observation terms, and the torque (n, J) in Nm."""
        datas, at, random = self.walkers.datas, self._imu, self._random
        sensors = np.stack([data.sensordata for data in datas])
        # the encoder sits on the motor's side of the straps, which give way under torque
        stretch = self._torque * self._compliance
        stretching = (self._torque - self._torque_before) * self._compliance * COORDINATION_RATE_HZ
        position = np.stack([data.qpos[self._qpos] for data in datas]) + stretch
        velocity = np.stack([data.qvel[self._dof] for data in datas]) + stretching
        noise, imu = self._device.joint_sensors, self._device.imu
        wxyz = sensors[:, at["orientation"] : at["orientation"] + 4]
        # "up" is the same in MyoLegs' and in REP-103's world; before the first step the sensor is still zero
        wxyz = np.where(np.abs(wxyz).sum(axis=1, keepdims=True) > 0.0, wxyz, [1.0, 0.0, 0.0, 0.0])
        up = up_from_orientation(wxyz[:, [1, 2, 3, 0]])
        up = up + np.cross(self._tilt_offset, up)

        def noisy(value: np.ndarray, deviation: float) -> np.ndarray:
            return value + deviation * self._noise * random.standard_normal(value.shape)

        return {
            "joint_position": noisy(position + self._position_offset, noise.position_noise_rad),
            "joint_velocity": noisy(velocity, noise.velocity_noise_rad_s),
            "up_vector": noisy(up, imu.orientation_noise_rad),
            "angular_velocity": noisy(
                sensors[:, at["gyro"] : at["gyro"] + 3] + self._gyro_offset, imu.gyro_noise_rad_s
            ),
            "torque": noisy(self._torque, noise.torque_noise_nm),
        }

    def metabolic_power(self) -> np.ndarray:
        """Gross metabolic power (n,) in W/kg after Bhargava 2004."""
        return self._energetics.power_per_mass(self.walkers.datas, self.walkers.coordinators, self._mass)

    def mechanical_power(self) -> np.ndarray:
        """Power (n,) in W/kg that the device gives to the joints; negative where it takes it."""
        velocity = np.stack([data.qvel[self._dof] for data in self.walkers.datas])
        return (self._torque * velocity).sum(axis=1) / self._mass

    def fallen(self, state: WalkerState) -> np.ndarray:
        """Who has fallen (n,), or broken down numerically."""
        return ~self.walkers.upright(state)
