# SPDX-License-Identifier: Apache-2.0
"""People who learn to drive their muscles: some without a device, some carrying one, some helped by it.

One environment serves both stages. A step is a control period (10 ms); the action is the wanted activation of every
muscle in the order of MUSCLES_BY_SIDE. The reward is that of a walker's training, which looks every 20 ms, less a price on
metabolic power; see REWARD_TERMS for what is added.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from exo_device.devices import find_device
from exo_lab.rl.env import StepResult
from exo_lab.train.check import PATIENTS, Check, Checker
from exo_lab.train.config import DisturbanceConfig as PushConfig
from exo_lab.train.config import HumanTrainingConfig, load_training_config
from exo_lab.train.disturbances import RandomAssistance, RandomPushes
from exo_lab.train.nerves.config import DisturbanceConfig, NervesTrainingConfig
from exo_lab.train.rewards import StrideAverages, imitation_reward, lower_speed
from exo_policy.manifest import NetworkSpec
from exo_policy.networks import MlpPolicy
from exo_sim.body.muscle_groups import MUSCLES_BY_SIDE
from exo_sim.gait.reference import JOINTS
from exo_sim.human.checkpoint import load_human
from exo_sim.human.control import NerveControl
from exo_sim.human.observation import COORDINATION_RATE_HZ, PERIODS_PER_ACTION
from exo_sim.human.pace import approach
from exo_sim.human.senses import SENSES, SENSES_SIZE, Senses
from exo_sim.human.walkers import Walkers
from exo_sim.plant.energetics import CrowdEnergetics
from exo_sim.world.people import People

#: Speeds are drawn as a uniform number to this power: slow walks end in a fall sooner while they are being learned, and
#: would be seen less than fast ones.
SLOW_POWER = 1.25
#: Metabolic power is not taken to be more than this (W/kg): what is more comes from a body that is falling.
MOST_POWER_W_KG = 30.0


@dataclass(frozen=True)
class NervesStep:
    """A control period as the terms of the reward see it, (n,) each.

    Attributes:
        walking: reward of the walker's training.
        power: gross metabolic power, W/kg.
        beyond: squared part of the wanted activations beyond 0 to 1, summed over muscles.
        failed: who has fallen or lost the way.
        price: of power.
    """

    config: NervesTrainingConfig
    walking: np.ndarray
    power: np.ndarray
    beyond: np.ndarray
    failed: np.ndarray
    price: float


#: What a control period is worth (n,), by name; all but a fall, which replaces the rest. Each is logged as it was paid.
REWARD_TERMS: dict[str, Callable[[NervesStep], np.ndarray]] = {
    "walking": lambda s: s.config.reinforcement.walking * s.walking,
    "metabolic": lambda s: s.price * (s.config.reinforcement.power_reference_w_kg - s.power),
    "beyond": lambda s: -s.config.reinforcement.beyond * s.beyond,
}


@dataclass
class Lesson:
    """What a round of imitation gave: T periods of n people.

    Attributes:
        observation: (T n, SENSES_SIZE) float16.
        wanted: (T n, 80) float16, what the teacher would have wanted there.
        squared_error: of what the student wanted, mean.
        falls, walked_s: of those whom the student steered: how many fell, and for how long all walked (s).
    """

    observation: np.ndarray
    wanted: np.ndarray
    squared_error: float
    falls: int
    walked_s: float

    @classmethod
    def joined(cls, parts: list[Lesson]) -> Lesson:
        """Of several workers."""
        return cls(
            np.concatenate([part.observation for part in parts]),
            np.concatenate([part.wanted for part in parts]),
            float(np.mean([part.squared_error for part in parts])),
            sum(part.falls for part in parts),
            sum(part.walked_s for part in parts),
        )


class SenseNoise:
    """White noise on what is sensed."""

    def __init__(self, config: DisturbanceConfig, random: np.random.Generator):
        self._random = random
        self._deviation = np.concatenate(
            [np.full(s.size, config.sense_noise.get(s.name, 0.0) * s.scale, dtype=np.float32) for s in SENSES]
        )

    def __call__(self, observation: np.ndarray) -> np.ndarray:
        """The observation (n, SENSES_SIZE) with noise."""
        return observation + self._deviation * self._random.standard_normal(observation.shape, dtype=np.float32)


@dataclass
class GroupStep:
    """A control period of a group, (n,) each; who ended has been replaced already."""

    reward: np.ndarray
    failed: np.ndarray
    out_of_time: np.ndarray
    metrics: dict[str, float] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)


class Group:
    """n people who wear the same device, or none.

    Args:
        config: of the training.
        like: configuration of the walker's training whose reward counts.
        device: name or path, or "none".
        count: people.
        random: of everything drawn.

    Attributes:
        observation: (n, SENSES_SIZE) with noise, of the present.
    """

    def __init__(
        self,
        config: NervesTrainingConfig,
        like: HumanTrainingConfig,
        device: str,
        count: int,
        random: np.random.Generator,
    ):
        self._config, self._like, self._random, self.count = config, like, random, count
        self._people = People(find_device(device), config.physics_rate_hz, config.people, random)
        self._people.configure(body_spread=1.0, variation=1.0)
        first = self._people.first
        self.walkers = Walkers([first] * count)
        self._senses = Senses(self.walkers)
        assistance = config.assistance
        self._assistance = RandomAssistance(first, count, random, assistance.share, assistance.timing_sd_stride)
        self._assistance.level = assistance.level
        disturbance = config.disturbance
        pushes = PushConfig(
            push_every_s=disturbance.push_every_s,
            push_force_n=disturbance.push_force_n,
            push_duration_s=disturbance.push_duration_s,
            sensor_noise={},
        )
        self._pushes = RandomPushes(self.walkers, pushes, random)
        self._pushes.level = 1.0
        self._noise = SenseNoise(disturbance, random)
        self._energetics = CrowdEnergetics(first, self.walkers.coordinators[0])
        self._mass = np.zeros(count)
        self._averages = StrideAverages(count, like.reward)
        self._effort = np.zeros(count)
        self._walking = np.zeros(count)
        self._metrics: dict[str, float] = {}
        self._target_speed = np.zeros(count)
        self._practised_s = np.full(count, np.inf)
        self.steps = np.zeros(count, dtype=int)
        self._longest = round(config.episode_s * COORDINATION_RATE_HZ)
        self._ticks = 0
        self.price = config.reinforcement.price.first
        self.observation = np.zeros((count, SENSES_SIZE), dtype=np.float32)

    def begin(self) -> None:
        """Everybody's episode begins; the first ones end at different times, so that later ones are spread."""
        self._practised_s[:] = np.inf
        for i in range(self.count):
            self._begin_one(i)
        self.steps[:] = self._random.integers(0, self._longest // 2, self.count)
        self.observation = self._noise(self._senses.sense())

    def _begin_one(self, i: int) -> None:
        walkers, config = self.walkers, self._config
        if self._practised_s[i] >= config.practice_s:
            person = self._people.draw()
            walkers.set_body(i, person.body, person.servo_gain)
            self._mass[i] = person.body.body_mass
            self._practised_s[i] = 0.0
        starting = self._random.random() < config.stops
        self._target_speed[i] = self._draw_speed(i)
        walkers.place(i, self._random.random(), 0.0 if starting else self._target_speed[i])
        self._assistance.draw(i, walkers.bodies[i])
        self._pushes.forget(i)
        self.steps[i] = 0
        self._averages.restart(i, walkers.speed_command[i])
        self._walking[i] = 0.0

    def _draw_speed(self, i: int) -> float:
        low, high = self._config.speed_range_mps
        drawn = low + (high - low) * self._random.random() ** SLOW_POWER
        return lower_speed(self._like.tolerance, drawn, low, self.walkers.deficit[i])

    def _change_speed(self) -> None:
        period, config, random = 1.0 / COORDINATION_RATE_HZ, self._config, self._random
        for i in np.flatnonzero(random.random(self.count) < period / config.speed_change_s):
            self._target_speed[i] = 0.0 if random.random() < config.stops else self._draw_speed(i)
        self.walkers.speed_command = approach(self.walkers.speed_command, self._target_speed, period)

    def teach(self, teachers: tuple[MlpPolicy, MlpPolicy]) -> np.ndarray:
        """What the teacher of healthy or of impaired people would want now, in everybody's own state: (n, 80)."""
        observation, walkers = self.walkers.observe(), self.walkers
        impaired = walkers.deficit.max(axis=1) > 0.0
        action = np.zeros((self.count, len(JOINTS)), dtype=np.float32)
        for who, teacher in ((~impaired, teachers[0]), (impaired, teachers[1])):
            if who.any():
                action[who] = teacher(observation[who])
        return self._senses.from_body(walkers.coordinated_activation(action))

    def advance(self, wanted: np.ndarray, noise: bool) -> GroupStep:
        """One control period in which everybody wants these activations (n, 80), with noise of the motor system or without."""
        config, walkers = self._config, self.walkers
        self._change_speed()
        looks = self._ticks % PERIODS_PER_ACTION == PERIODS_PER_ACTION - 1 or not self._metrics
        if self._ticks % PERIODS_PER_ACTION == 0:
            self._pushes.apply(walkers)
            self._effort[:] = 0.0
        self._ticks += 1
        self._assistance.apply(walkers)
        within = np.clip(wanted, 0.0, 1.0)
        given = within
        if noise:
            deviation = config.disturbance.motor_noise + config.disturbance.motor_noise_share * within
            given = within + deviation * self._random.standard_normal(within.shape)
        walkers.set_activation(self._senses.to_body(given))
        walkers.coordinate_and_step()
        self.steps += 1
        self._effort += walkers.mean_squared_activation() / PERIODS_PER_ACTION
        power = self._energetics.power_per_mass(walkers.datas, walkers.coordinators, self._mass)
        power = np.where(np.isfinite(power), np.minimum(power, MOST_POWER_W_KG), MOST_POWER_W_KG)
        state = walkers.state()
        failed = walkers.fallen(state)
        if looks:
            self._averages.update(walkers, state)
            none = np.zeros((self.count, len(JOINTS)))
            judgement = imitation_reward(self._like, walkers, state, none, self._effort, self._averages)
            self._walking, self._metrics = judgement.reward, judgement.metrics
            failed |= judgement.failed
        step = NervesStep(config, self._walking, power, ((wanted - within) ** 2).sum(axis=1), failed, self.price)
        paid = {name: term(step) for name, term in REWARD_TERMS.items()}
        stage = config.reinforcement
        reward = stage.scale * np.where(failed, -stage.fall, sum(paid.values()))
        out_of_time = (self.steps >= self._longest) & ~failed
        metrics = {
            **self._metrics,
            "power_w_kg": float(power.mean()),
            "price": self.price,
            **{f"nerves_{name}": float(np.mean(value)) for name, value in paid.items()},
        }
        ended = np.flatnonzero(failed | out_of_time)
        seconds = [float(self.steps[i] / COORDINATION_RATE_HZ) for i in ended]
        observation = self._senses.sense(state)
        if len(ended):
            self._practised_s[ended] += seconds
            for i in ended:
                self._begin_one(int(i))
            observation = self._senses.renew(observation)
        self.observation = self._noise(observation)
        return GroupStep(reward.astype(np.float32), failed, out_of_time, metrics, seconds)


class NervesEnv:
    """BatchEnv of exo_lab.rl, and teacher: all groups of a worker.

    Args:
        config: of the training.
        worker: number of this worker, of which each checks its own devices.
        seed: of everything random.
    """

    action_size = len(MUSCLES_BY_SIDE)
    observation_size = SENSES_SIZE

    def __init__(self, config: NervesTrainingConfig, worker: int, seed: int):
        self._config, self._worker = config, worker
        self._random = np.random.default_rng(seed)
        like = load_training_config(*(name for name in config.reinforcement.like if name != "human"))
        # torque at the joints is nobody's to choose here, and a device takes a part of it over
        like = like.model_copy(update={"reward": like.reward.model_copy(update={"moment": 0.0, "action": 0.0})})
        self._groups = [Group(config, like, device, count, self._random) for device, count in config.wearers.items()]
        self.count = sum(group.count for group in self._groups)
        self._bounds = np.cumsum([group.count for group in self._groups])[:-1]
        self._teachers: tuple[MlpPolicy, MlpPolicy] | None = None
        self._checkers: list[Checker] | None = None
        self._steered: list[np.ndarray] | None = None

    def configure(self, settings: dict[str, Any]) -> None:
        """Takes over the price of metabolic power."""
        for group in self._groups:
            group.price = float(settings["price"])

    def reset(self) -> StepResult:
        """Starts every episode."""
        for group in self._groups:
            group.begin()
        nothing = np.zeros(self.count, dtype=bool)
        return StepResult(self._observation(), np.zeros(self.count, dtype=np.float32), nothing, nothing)

    def _observation(self) -> np.ndarray:
        return np.concatenate([group.observation for group in self._groups])

    def step(self, action: np.ndarray) -> StepResult:
        """One control period with these wanted activations (n, 80), which already explore."""
        parts = [
            group.advance(wanted, noise=False)
            for group, wanted in zip(self._groups, np.split(action, self._bounds), strict=True)
        ]
        weights = [group.count / self.count for group in self._groups]
        metrics = {
            name: float(sum(w * part.metrics[name] for w, part in zip(weights, parts, strict=True)))
            for name in parts[0].metrics
        }
        return StepResult(
            self._observation(),
            np.concatenate([part.reward for part in parts]),
            np.concatenate([part.failed for part in parts]),
            np.concatenate([part.out_of_time for part in parts]),
            metrics,
            [seconds for part in parts for seconds in part.seconds],
        )

    def imitate(self, sizes: tuple[int, ...] | None, tensors: dict[str, np.ndarray], teacher_share: float, steps: int):
        """A round of imitation, in which the student steers all but a share of the episodes.

        Args:
            sizes, tensors: of the student (exo_policy.networks); None for one that has not begun to learn.
            teacher_share: of episodes that the teacher steers.
            steps: control periods.

        Returns:
            the Lesson.
        """
        if self._teachers is None:
            teacher = self._config.teacher
            self._teachers = load_human(teacher.healthy), load_human(teacher.impaired, impaired=True)
        if self._steered is None:
            self.reset()
            self._steered = [np.ones(group.count, dtype=bool) for group in self._groups]
        student = None if sizes is None else MlpPolicy(NetworkSpec(sizes=sizes, observation_clip=None), tensors)
        if student is None:
            teacher_share = 1.0
        seen, wished, errors, falls, walked = [], [], [], 0, 0.0
        for _ in range(steps):
            for group, taught in zip(self._groups, self._steered, strict=True):
                observation, wanted = group.observation, group.teach(self._teachers)
                own = wanted if student is None else np.clip(student(observation), 0.0, 1.0)
                errors.append(float(((own - wanted) ** 2).mean()))
                seen.append(observation.astype(np.float16))
                wished.append(wanted.astype(np.float16))
                step = group.advance(np.where(taught[:, None], wanted, own), noise=True)
                falls += int((step.failed & ~taught).sum())
                walked += float((~taught).sum()) / COORDINATION_RATE_HZ
                ended = step.failed | step.out_of_time
                taught[ended] = self._random.random(int(ended.sum())) < teacher_share
                if teacher_share == 0.0:
                    taught[:] = False
        finite = np.isfinite(np.concatenate(wished)).all(axis=1) & np.isfinite(np.concatenate(seen)).all(axis=1)
        return Lesson(
            np.concatenate(seen)[finite], np.concatenate(wished)[finite], float(np.nanmean(errors)), falls, walked
        )

    def check(self, sizes: tuple[int, ...], tensors: dict[str, np.ndarray]) -> Check | None:
        """How well the nerves of these layer sizes and tensors walk, without noise, in this worker's share of the devices."""
        config = self._config
        if self._checkers is None:
            patients = PATIENTS if config.people.impairments.share else ()
            own = [device for k, device in enumerate(config.wearers) if k % config.workers == self._worker]
            self._checkers = [Checker(find_device(d), config.physics_rate_hz, patients=patients) for d in own]
        policy = MlpPolicy(NetworkSpec(sizes=sizes, observation_clip=None), tensors)
        checks = [checker(policy, NerveControl) for checker in self._checkers]
        return Check.joined(checks) if checks else None


class NervesEnvFactory:
    """Makes worker k's environments; picklable."""

    def __init__(self, config: NervesTrainingConfig):
        self._config = config

    def __call__(self, worker: int, seed: int) -> NervesEnv:
        return NervesEnv(self._config, worker, seed)
