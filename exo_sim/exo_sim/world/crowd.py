# SPDX-License-Identifier: Apache-2.0
"""Many people who wear a device: somebody else, in another fit of the device, at another speed after every episode.

Torque passes the safety supervisor's own limits and the wearers are sensed by the simulator's own sensor model, so
that a policy is trained in the device that it is deployed in. Only the decision to stop is left out: no fault is
latched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import mujoco
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from exo_core.time import to_ns
from exo_device.description import DeviceDescription
from exo_device.safety.config import SafetyConfig
from exo_device.safety.limits import CommandLimiter
from exo_device.safety.stride_gate import Assistance
from exo_policy.action import ActionFilter
from exo_policy.manifest import Contract
from exo_policy.observation import ExoObservation, exo_contract
from exo_sim.body.model import BodyModel
from exo_sim.body.muscle_groups import GROUPS_BY_SIDE
from exo_sim.body.subject import MODEL_MASS_KG, Subject
from exo_sim.human.checkpoint import load_any_human
from exo_sim.human.control import HumanControl
from exo_sim.human.observation import ACTION_SIZE, COORDINATION_RATE_HZ, PERIODS_PER_ACTION, POLICY_RATE_HZ
from exo_sim.human.pace import Pace, approach
from exo_sim.human.walkers import Walkers, WalkerState
from exo_sim.plant.energetics import CrowdEnergetics
from exo_sim.plant.sample import MotorSample
from exo_sim.plant.sensors import DeviceSensors
from exo_sim.world.people import People, PeopleConfig, SingleWearer

Count = Annotated[int, Field(ge=1)]
NotNegative = Annotated[float, Field(ge=0.0)]
Positive = Annotated[float, Field(gt=0.0)]
Speed = Annotated[float, Field(ge=0.5, le=2.0)]
#: The payload lies on this body, at its centre of mass, as a well packed rucksack nearly does.
PAYLOAD_BODY = "torso"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DeviceFitConfig(_Model):
    """Ranges of what differs each time that a device is put on; drawn anew for every episode."""

    delay_s: tuple[NotNegative, Annotated[float, Field(le=0.1)]]  #: command to first torque
    bandwidth_factor: tuple[Positive, Positive]  #: on the motors' bandwidth
    strap_stiffness_nm_per_rad: tuple[Positive, Positive]  #: between actuator and limb
    payload_kg: tuple[NotNegative, Annotated[float, Field(le=30.0)]]  #: carried on the trunk
    position_offset_rad: Annotated[float, Field(le=0.2, ge=0)]  #: SD of a joint sensor's constant error
    tilt_offset_rad: Annotated[float, Field(le=0.2, ge=0)]  #: SD of the IMU's alignment
    gyro_offset_rad_s: NotNegative  #: SD of the gyro's constant error
    noise_factor: tuple[NotNegative, Positive]  #: on the device's sensor noise
    mass_error: Annotated[float, Field(ge=0, le=0.5)]  #: SD of the assumed mass, share of the true one


class LimitsConfig(_Model):
    """How an episode finds the safety layer, whose limits themselves are the device's."""

    #: Share of the episodes that begin with full assistance, as after some walking; in the others the stride gate first
    #: waits for a full stride.
    already_walking: Annotated[float, Field(ge=0.0, le=1.0)] = 0.7
    #: Heat of the motors at the beginning, share of what continuous torque leads to; an episode is too short for it.
    heat: tuple[Annotated[float, Field(ge=0.0, le=1.0)], Annotated[float, Field(ge=0.0, le=1.0)]] = (0.0, 0.9)


class CrowdConfig(_Model):
    """Who walks in a crowd, how their devices sit, and what its policy is like."""

    envs_per_worker: Count  #: people who walk at a time
    physics_rate_hz: Annotated[float, Field(ge=200, le=2000)]
    episode_s: Annotated[float, Field(gt=1)]
    speed_range_mps: tuple[Speed, Speed]
    speed_change_s: Positive  #: every how many seconds on average the commanded speed changes
    stop_share: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0  #: of speed changes and starts that are standing
    people: PeopleConfig
    wearing: DeviceFitConfig
    limits: LimitsConfig = LimitsConfig()
    history: Count
    low_pass_hz: Positive  #: cut-off of the low-pass behind the policy; without it torque is white noise at first
    #: Whether the policy may push the ankle into plantarflexion only, as a cable at the heel does.
    plantarflexion_only: bool = True
    #: Whether the policy is told the wearer's strengths; else it must find out from what it senses.
    tells_strengths: bool = False
    #: The one person who wears the device; None for people drawn from `people`.
    wearer: Subject | None = None

    def contract(self, joint_names: tuple[str, ...]) -> Contract:
        """The contract of a policy that is trained so, for a device with these joints."""
        return exo_contract(
            joint_names,
            history=self.history,
            rate_hz=COORDINATION_RATE_HZ,
            low_pass_hz=self.low_pass_hz,
            plantarflexion_only=self.plantarflexion_only,
            strengths=self.tells_strengths,
        )


@dataclass(frozen=True)
class DeviceFit:
    """How a device sits on one wearer; joints (J,) in the device's order.

    Attributes:
        delay_s: command to first torque.
        bandwidth_factor: on the motors' bandwidth.
        compliance: rad/Nm of the straps.
        payload_kg: on the trunk.
        position_offset: (J,) rad.
        tilt_offset: (3,) rad, rotation of the IMU.
        gyro_offset: (3,) rad/s.
        noise_factor: on the sensor noise of the device.
        mass_factor: assumed mass over true mass.
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
    def draw(cls, config: DeviceFitConfig, joints: int, random: np.random.Generator) -> DeviceFit:
        """Another fit of a device with so many joints."""
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

    def apply(self, body: BodyModel) -> None:
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
        """What the critic observes of it (5,), each near 1."""
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


class Crowd:
    """n people in a device, who walk as a policy of the human tells them, under a policy of the device.

    A control period (10 ms) is `act`, then `advance`, then `look`, or `renew` where somebody's episode is over.

    Args:
        device: what everybody wears.
        config: who walks.
        human: checkpoint of the human policy, of either kind, or a shipped one's name; None for the shipped one.
        random: of everything drawn.

    Attributes:
        walkers: the people.
        contract: of the device's policy.
        human: the human policy's network.
        observation: (n, O) what the device's policy sees.
        share: (n, J) of the torque limits that it asks for after its low-pass.
        change, beyond: (n, J) of share since the period before; of its action beyond what the joint may do.
        human_action: (n, 14) in force, or (n, 80) where nerves drive the muscles.
        steps: (n,) periods of everybody's episode.
        assumed_mass: (n,) kg, what the device takes for the wearer's mass.
        limit: (n, J) Nm, torque limits for that mass.
        limiter: what takes torque from the policy's.
        strengths: (n, 16) of everybody, order of GROUPS_BY_SIDE.
    """

    def __init__(self, device: DeviceDescription, config: CrowdConfig, human: str | None, random: np.random.Generator):
        self._device, self._config, self._random = device, config, random
        if config.wearer is None:
            self._people = People(device, config.physics_rate_hz, config.people, random, sensed=True)
            self._people.configure(body_spread=1.0, variation=1.0)
        else:
            self._people = SingleWearer(device, config.physics_rate_hz, config.wearer, config.people, random)
        self.count = count = config.envs_per_worker
        first, joints = self._people.first, len(device.joint_names)
        self.walkers = Walkers([first] * count)
        self._energetics = CrowdEnergetics(first, self.walkers.coordinators[0])
        self._motors, self._dof = first.exo_actuators, first.joint_dof[first.exo_joint_index]
        self._mass, self.assumed_mass = np.zeros(count), np.full(count, MODEL_MASS_KG)
        self._safety = safety = SafetyConfig(lockstep=True)
        self.limiter = CommandLimiter(device, self.assumed_mass, safety)
        self.limit = self.limiter.limits.cap
        self._assistance = [Assistance(safety, device.joint_names) for _ in range(count)]
        self._sensors = DeviceSensors(first, random, count)
        self._reading: MotorSample | None = None
        self._ticks = self._blocks = 0
        self.contract, chosen = config.contract(device.joint_names), load_any_human(human)
        self.human, self._control = chosen.policy, chosen.control(self.walkers)
        self._filter = ActionFilter(self.contract.action, COORDINATION_RATE_HZ)
        action = self.contract.action
        self._lowest = -np.inf if action.minimum is None else np.array(action.minimum, dtype=np.float32)
        self._highest = np.inf if action.maximum is None else np.array(action.maximum, dtype=np.float32)
        self._observer = ExoObservation(self.contract, device.joint_names, self.assumed_mass, self.limit, count=count)
        self.observation = np.zeros((count, self.contract.observation_size), dtype=np.float32)
        self.share, self.change, self.beyond = (np.zeros((count, joints)) for _ in range(3))
        self.human_action = np.zeros((count, ACTION_SIZE), dtype=np.float32)
        self.steps, self._longest = np.zeros(count, dtype=int), round(config.episode_s * COORDINATION_RATE_HZ)
        self.strengths = np.ones((count, len(GROUPS_BY_SIDE)))
        self._target_speed, self._pace = np.zeros(count), Pace(count)
        self.private = np.zeros(
            (count, len(DeviceFit.draw(config.wearing, joints, random).for_critic())), dtype=np.float32
        )
        for i in range(count):
            self._draw(i)

    def begin(self) -> None:
        """Everybody's episode begins; the first ones end at different times."""
        for i in range(self.count):
            self._draw(i)
        self._filter.reset()
        self.share[:] = 0.0
        self.steps = self._random.integers(0, self._longest // 2, self.count)
        self._blocks = 0
        self._observer.reset()
        self.look()

    def begin_at(self, phases: np.ndarray, speeds: np.ndarray) -> None:
        """Everybody's episode begins, at a phase of the stride (n,) and a speed (n,) in m/s of their own."""
        self.begin()
        self.steps[:] = 0
        for i in range(self.count):
            self._place(i, float(phases[i]), float(speeds[i]))
        self._observer.reset()
        self.look()

    def renew(self, ended: np.ndarray) -> None:
        """Somebody else begins in the places (indices) of those whose episode is over; then everybody is looked at."""
        for i in ended:
            self._draw(int(i))
        self._filter.reset(ended)
        self.share[ended], self.steps[ended] = 0.0, 0
        self._observer.restart(ended)
        self.look()

    def _draw(self, i: int) -> None:
        """Somebody else starts to walk in place i."""
        random, config = self._random, self._config
        person = self._people.draw()
        fit = DeviceFit.draw(config.wearing, len(self._motors), random)
        self.strengths[i] = person.body.strengths
        self._mass[i] = person.body.body_mass  # before the payload, which is not the person
        fit.apply(person.body)
        self.walkers.set_body(i, person.body, person.servo_gain)
        speed = self._draw_speed()
        self._place(i, random.random(), speed)
        self.private[i] = fit.for_critic()
        self.assumed_mass[i] = fit.mass_factor * self._mass[i]
        self._sensors.mount(
            i,
            compliance=fit.compliance,
            position_offset=fit.position_offset,
            tilt_offset=fit.tilt_offset,
            gyro_offset=fit.gyro_offset,
            noise_factor=fit.noise_factor,
        )
        self.limiter.restart(i, self.assumed_mass[i], random.uniform(*config.limits.heat))
        self._assistance[i] = Assistance(self._safety, self._device.joint_names)
        self._assistance[i].begin(self._now_ns, walking=random.random() < config.limits.already_walking)

    def _place(self, i: int, phase: float, speed: float) -> None:
        """Person i sets out in a phase of the stride at a speed (m/s)."""
        self._target_speed[i] = speed
        self.walkers.place(i, phase, speed)
        self._pace.place(i, speed)
        self._sensors.restart(i)

    @property
    def _now_ns(self) -> int:
        return to_ns(self._ticks / COORDINATION_RATE_HZ)

    def act(self, action: np.ndarray, human_action: np.ndarray | None = None) -> bool:
        """Takes the action of the device's policy (n, J), and the human's (n, 14) or, for None, its own policy's.

        Returns:
            whether the human acts now; otherwise its action of the period before holds.
        """
        share = self._filter.update(action)
        self.change, self.share = share - self.share, share
        self.beyond = action - np.clip(action, self._lowest, self._highest)
        acts = self._blocks % self._control.periods == 0
        if acts and human_action is None:
            self.human_action = self._control.decide()
        elif acts:
            self.human_action = human_action
            self.walkers.set_action(human_action)
        self._blocks += 1
        return acts

    @property
    def human_is_done(self) -> bool:
        """Whether with this period a period of the human is over."""
        return self._blocks % self._control.periods == 0

    def advance(self) -> None:
        """One control period."""
        self._change_speed()
        for data, row in zip(self.walkers.datas, self._limited(self.share * self.limit), strict=True):
            data.ctrl[self._motors] = row
        self.walkers.coordinate_and_step()
        self.steps += 1
        self._ticks += 1

    @property
    def out_of_time(self) -> np.ndarray:
        """Whose (n,) episode is as long as episodes are."""
        return self.steps >= self._longest

    def _limited(self, torque: np.ndarray) -> np.ndarray:
        """What the device lets through (n, J) after the newest reading, in the supervisor's order of events."""
        reading, now_ns, period = self._reading, self._now_ns, self.walkers.period_s
        self.limiter.thermal.advance(period, reading.torque, self.limiter.slew.torque)
        gain = np.zeros((self.count, 1))
        for i, assistance in enumerate(self._assistance):
            state = reading.of(i).device_state(now_ns, self._ticks)
            assistance.upright.see(state.stamp_s, state.imu)
            assistance.see(state)
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

    def look(self) -> None:
        """The devices' sensors are read, once a period: `observation` and the limits follow them."""
        self._reading = self._sensors.read(self.walkers.datas)
        self._observer.set_wearer(self.assumed_mass, self.limit)
        self._observer.set_strengths(self.strengths)
        self.observation = self._observer.update(self._reading.observation(self._ticks / COORDINATION_RATE_HZ))

    def metabolic_power(self) -> np.ndarray:
        """Gross metabolic power (n,) in W/kg after Bhargava 2004."""
        return self._energetics.power_per_mass(self.walkers.datas, self.walkers.coordinators, self._mass)

    def mechanical_power(self) -> np.ndarray:
        """Power (n,) in W/kg that the device gives to the joints; negative where it takes it."""
        torque = np.stack([data.actuator_force[self._motors] for data in self.walkers.datas])
        velocity = np.stack([data.qvel[self._dof] for data in self.walkers.datas])
        return (torque * velocity).sum(axis=1) / self._mass


class Period(NamedTuple):
    """20 ms of n people who walk together.

    Attributes:
        action: (n, A) in force at its end.
        effort: (n,) mean squared activation over it.
        upright: (n,) who has not fallen yet; who is taken out of it here is out from now on.
    """

    step: int
    state: WalkerState
    action: np.ndarray
    effort: np.ndarray
    upright: np.ndarray


def walk_together(
    walkers: Walkers,
    control: HumanControl,
    steps: int,
    target: Callable[[int], np.ndarray] | None = None,
) -> Iterator[Period]:
    """Lets n people walk, who give or get no torque of a device, and yields every 20 ms.

    Whoever falls is out, and is put on their feet again: a body on the floor would blow up.

    Args:
        walkers: placed.
        control: of them.
        steps: periods of 20 ms.
        target: of the period's number to the commanded speeds (n,), which are approached by ramps; None: they stay.
    """
    upright = np.ones(walkers.count, dtype=bool)
    for step in range(steps):
        if target is not None:
            walkers.speed_command = approach(walkers.speed_command, target(step), 1.0 / POLICY_RATE_HZ)
        effort = np.zeros(walkers.count)
        for period in range(PERIODS_PER_ACTION):
            if period % control.periods == 0:
                action = control.decide()
            walkers.coordinate_and_step()
            effort += walkers.mean_squared_activation() / PERIODS_PER_ACTION
        state = walkers.state()
        upright &= ~walkers.fallen(state)
        yield Period(step, state, action, effort, upright)
        for i in np.flatnonzero(~upright):
            walkers.place(i, 0.0, 0.0)
