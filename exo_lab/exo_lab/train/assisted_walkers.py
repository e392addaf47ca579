# SPDX-License-Identifier: Apache-2.0
"""People who wear a device: somebody else, in another fit of the device, at another speed after every episode.

Torque passes the safety supervisor's own limits and the wearers are sensed by the simulator's own sensor model, so that a
policy is trained in the device that it is deployed in. Only the decision to stop is left out: no fault is latched.
"""

from __future__ import annotations

import numpy as np

from exo_device.description import DeviceDescription
from exo_device.safety.config import SafetyConfig
from exo_device.safety.limits import RequestLimiter
from exo_device.safety.stride_gate import Assistance
from exo_device.state import to_ns
from exo_lab.train.exo_config import ExoTrainingConfig
from exo_lab.train.one_wearer import OneWearer
from exo_lab.train.people import People
from exo_lab.train.wearing import Wearing
from exo_sim.body.muscle_groups import GROUPS_BY_SIDE
from exo_sim.human.observation import COORDINATION_RATE_HZ
from exo_sim.human.pace import Pace
from exo_sim.human.walkers import Walkers, WalkerState
from exo_sim.plant.energetics import CrowdEnergetics
from exo_sim.plant.sample import MotorSample
from exo_sim.plant.sensors import DeviceSensors

#: Stands in until the first wearer is drawn (kg).
ANY_MASS_KG = 75.0


class AssistedWalkers:
    """n people in a device.

    Args:
        device: what everybody wears.
        config: of the training.
        random: of everything drawn.

    Attributes:
        walkers: the people.
        told_mass: (n,) kg, what the device takes for the wearer's mass.
        limit: (n, J) Nm, torque limits for that mass.
        limiter: what takes torque from the policy's.
        strengths: (n, 16) of everybody, order of GROUPS_BY_SIDE.
    """

    def __init__(self, device: DeviceDescription, config: ExoTrainingConfig, random: np.random.Generator):
        self._device, self._config, self._random = device, config, random
        if config.wearer is None:
            self._people = People(device, config.physics_rate_hz, config.people, random, sensed=True)
            self._people.configure(body_spread=1.0, variation=1.0)
        else:
            self._people = OneWearer(device, config.physics_rate_hz, config.wearer, config.people, random)
        self.count = count = config.envs_per_worker
        first, joints = self._people.first, len(device.joint_names)
        self.walkers = Walkers([first] * count)
        self._energetics = CrowdEnergetics(first, self.walkers.coordinators[0])
        self._motors, self._dof = first.exo_actuators, first.joint_dof[first.exo_joint_index]
        self._mass, self.told_mass = np.zeros(count), np.full(count, ANY_MASS_KG)
        safety = SafetyConfig(lockstep=True)
        self.limiter = RequestLimiter(device, self.told_mass, safety)
        self.limit = self.limiter.limits.cap
        self._assistance = [Assistance(safety, device.joint_names) for _ in range(count)]
        self._sensors = DeviceSensors(first, random, count)
        self._reading: MotorSample | None = None
        self._ticks = 0
        self.strengths = np.ones((count, len(GROUPS_BY_SIDE)))
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
        wearing = Wearing.draw(config.wearing, len(self._motors), random)
        self.strengths[i] = person.body.strengths
        self._mass[i] = person.body.body_mass  # before the payload, which is not the person
        wearing.fit(person.body)
        self.walkers.give_body(i, person.body, person.servo_gain)
        speed = self._draw_speed()
        self.place(i, random.random(), speed)
        self.private[i] = wearing.for_critic()
        self.told_mass[i] = wearing.mass_factor * self._mass[i]
        self._sensors.mount(
            i,
            compliance=wearing.compliance,
            position_offset=wearing.position_offset,
            tilt_offset=wearing.tilt_offset,
            gyro_offset=wearing.gyro_offset,
            noise_factor=wearing.noise_factor,
        )
        self.limiter.restart(i, self.told_mass[i], random.uniform(*config.limits.heat))
        self._assistance[i].pop_news()
        self._assistance[i].begin(self._now_ns, walking=random.random() < config.limits.already_walking)

    def place(self, i: int, phase: float, speed: float) -> None:
        """Person i sets out in a phase of the stride at a speed (m/s)."""
        self._target_speed[i] = speed
        self.walkers.place(i, phase, speed)
        self._pace.place(i, speed)
        self._sensors.restart(i)

    @property
    def _now_ns(self) -> int:
        return to_ns(self._ticks / COORDINATION_RATE_HZ)

    def advance(self, torque: np.ndarray) -> None:
        """One control period with torques (n, J) in Nm asked of the device, which may give less; `sense` must follow."""
        self._change_speed()
        for data, row in zip(self.walkers.datas, self._limited(torque)):
            data.ctrl[self._motors] = row
        self.walkers.coordinate_and_step()
        self._ticks += 1

    def _limited(self, torque: np.ndarray) -> np.ndarray:
        """What the device lets through (n, J) after the newest reading, in the supervisor's order of events."""
        reading, now_ns, period = self._reading, self._now_ns, self.walkers.period_s
        self.limiter.thermal.advance(period, reading.torque, self.limiter.slew.torque)
        gain = np.zeros((self.count, 1))
        for i, assistance in enumerate(self._assistance):
            assistance.see(reading.of(i).device_state(now_ns, self._ticks))
            gain[i] = assistance.gain(now_ns)
        self.limiter.slew.refill(period)
        return self.limiter.follow(torque, gain, reading.position, reading.velocity)

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

    def sense(self) -> MotorSample:
        """What the devices sense (n, ...): once after every period, and after everybody has begun."""
        self._reading = self._sensors.read(self.walkers.datas)
        return self._reading

    def metabolic_power(self) -> np.ndarray:
        """Gross metabolic power (n,) in W/kg after Bhargava 2004."""
        return self._energetics.power_per_mass(self.walkers.datas, self.walkers.coordinators, self._mass)

    def mechanical_power(self) -> np.ndarray:
        """Power (n,) in W/kg that the device gives to the joints; negative where it takes it."""
        torque = np.stack([data.actuator_force[self._motors] for data in self.walkers.datas])
        velocity = np.stack([data.qvel[self._dof] for data in self.walkers.datas])
        return (torque * velocity).sum(axis=1) / self._mass

    def fallen(self, state: WalkerState) -> np.ndarray:
        """Who has fallen (n,), or broken down numerically."""
        return self.walkers.fallen(state)
