# SPDX-License-Identifier: Apache-2.0
"""A batch of people who learn to walk: reference state initialisation, early termination, changing speed."""

from __future__ import annotations

from typing import Any

import numpy as np

from exo_device.devices import find_device
from exo_lab.rl.env import StepResult
from exo_lab.train.check import PATIENTS, Check, Checker
from exo_lab.train.config import CurriculumStage, HumanTrainingConfig
from exo_lab.train.disturbances import RandomAssistance, RandomPushes, SensorNoise
from exo_lab.train.rewards import StrideAverages, imitation_reward, lower_speed
from exo_policy.manifest import NetworkSpec
from exo_policy.networks import MlpPolicy
from exo_sim.human.observation import ACTION_SIZE, OBSERVATION_SIZE, PERIODS_PER_ACTION, POLICY_RATE_HZ
from exo_sim.human.pace import approach
from exo_sim.human.walkers import Walkers, WalkerState
from exo_sim.world.people import People


class Curriculum:
    """Maps training progress to settings of the environments.

    Args:
        stages: in order of `after_episode_s`.
    """

    def __init__(self, stages: tuple[CurriculumStage, ...]):
        self._stages, self._reached = stages, 0

    def __call__(self, samples: int, episode_s: float) -> dict[str, Any]:
        """Settings of the stage reached with this mean duration of episodes (s)."""
        while self._reached + 1 < len(self._stages) and episode_s >= self._stages[self._reached + 1].after_episode_s:
            self._reached += 1
        return self._settings()

    def resume(self, settings: dict[str, Any]) -> None:
        """Goes on from the stage with these settings; an unknown one starts at the first.

        What a stage has more today than when the settings were written is not compared.
        """
        for index, _ in enumerate(self._stages):
            self._reached = index
            if settings and settings == {name: self._settings().get(name) for name in settings}:
                return
        self._reached = 0

    def _settings(self) -> dict[str, Any]:
        return self._stages[self._reached].model_dump(mode="json", exclude={"after_episode_s"})


#: Speeds are drawn as a uniform number to this power: slow walks end in a fall sooner while they are being learned,
#: and would be seen less than fast ones.
SLOW_POWER = 1.25


class WalkingEnv:
    """BatchEnv of exo_lab.rl: n people in one device, somebody else after every episode, or after so much practice.

    Args:
        config: of the training.
        device: name of a device worn, or "none".
        seed: of resets, speeds and assistance.
    """

    action_size = ACTION_SIZE
    observation_size = OBSERVATION_SIZE

    def __init__(self, config: HumanTrainingConfig, device: str, seed: int):
        self._config = config
        self.count = config.envs_per_worker
        self._random = np.random.default_rng(seed)
        self._people = People(find_device(device), config.physics_rate_hz, config.people, self._random)
        self._walkers = Walkers([self._people.first] * self.count)
        self._assistance = RandomAssistance(self._people.first, self.count, self._random)
        self._pushes = RandomPushes(self._walkers, config.disturbance, self._random)
        self._noise = SensorNoise(config.disturbance, self._random)
        self._steps = np.zeros(self.count, dtype=int)
        self._practised_s = np.full(self.count, np.inf)  # of whoever walks now, over all their episodes
        self._target_speed = np.zeros(self.count)
        self._averages = StrideAverages(self.count, config.reward)
        self._max_steps = round(config.episode_s * POLICY_RATE_HZ)
        self._stage = config.curriculum[0]
        self._checker: Checker | None = None

    def configure(self, settings: dict[str, Any]) -> None:
        """Takes over a stage of the curriculum (fields of CurriculumStage but for when it begins)."""
        stage = self._stage = CurriculumStage(after_episode_s=0.0, **settings)
        self._assistance.level = stage.assistance
        self._people.configure(stage.body_spread, stage.variation, stage.deficit)
        self._pushes.level = self._noise.level = stage.disturbance

    def check(self, sizes: tuple[int, ...], tensors: dict[str, np.ndarray]) -> Check:
        """How well the policy of these layer sizes and tensors (exo_policy.networks) walks without exploration."""
        if self._checker is None:
            patients = PATIENTS if self._config.people.impairments.share else ()
            self._checker = Checker(self._people.first.device, self._config.physics_rate_hz, patients=patients)
        return self._checker(MlpPolicy(NetworkSpec(sizes=sizes, observation_clip=None), tensors))

    def reset(self) -> StepResult:
        """Starts every episode; the first ones end at different times, so that later resets are spread."""
        self._practised_s[:] = np.inf
        for i in range(self.count):
            self._reset_one(i)
        self._steps[:] = self._random.integers(0, self._max_steps // 2, self.count)
        nothing = np.zeros(self.count, dtype=bool)
        return StepResult(self._observe(), np.zeros(self.count, dtype=np.float32), nothing, nothing)

    def _reset_one(self, i: int) -> None:
        walkers = self._walkers
        if self._practised_s[i] >= self._config.practice_s:
            person = self._people.draw()
            walkers.set_body(i, person.body, person.servo_gain)
            self._practised_s[i] = 0.0
        starting = self._random.random() < self._stage.stops
        self._target_speed[i] = self._draw_speed(i)
        walkers.place(i, self._random.random(), 0.0 if starting else self._target_speed[i])
        self._assistance.draw(i, walkers.bodies[i])
        self._pushes.forget(i)
        self._steps[i] = 0
        self._averages.restart(i, walkers.speed_command[i])

    def step(self, action: np.ndarray) -> StepResult:
        """One policy period (20 ms)."""
        walkers, config = self._walkers, self._config
        self._change_speed()
        walkers.set_action(action)
        self._pushes.apply(walkers)
        effort = np.zeros(self.count)
        for _ in range(PERIODS_PER_ACTION):
            self._assistance.apply(walkers)
            walkers.coordinate_and_step()
            effort += walkers.mean_squared_activation() / PERIODS_PER_ACTION
        self._steps += 1
        state = walkers.state()
        self._averages.update(walkers, state)
        result = imitation_reward(config, walkers, state, action, effort, self._averages)
        out_of_time = (self._steps >= self._max_steps) & ~result.failed
        ended = np.flatnonzero(result.failed | out_of_time)
        seconds = [float(self._steps[i] / POLICY_RATE_HZ) for i in ended]
        self._practised_s[ended] += seconds
        for i in ended:
            self._reset_one(i)
        observation = self._observe(state if len(ended) == 0 else None)
        return StepResult(observation, result.reward, result.failed, out_of_time, result.metrics, seconds)

    def _observe(self, state: WalkerState | None = None) -> np.ndarray:
        return self._noise(self._walkers.observe(state))

    def _draw_speed(self, i: int) -> float:
        """A speed (m/s) that person i can be asked for."""
        low, high = self._stage.speed_range_mps
        drawn = low + (high - low) * self._random.random() ** SLOW_POWER
        return lower_speed(self._config.tolerance, drawn, low, self._walkers.deficit[i])

    def _change_speed(self) -> None:
        """Now and then a new speed or a stop, which the command approaches by a ramp."""
        period, stage, random = 1.0 / POLICY_RATE_HZ, self._stage, self._random
        for i in np.flatnonzero(random.random(self.count) < period / self._config.speed_change_s):
            stops = random.random() < stage.stops
            self._target_speed[i] = 0.0 if stops else self._draw_speed(i)
        self._walkers.speed_command = approach(self._walkers.speed_command, self._target_speed, period)


class WalkingEnvFactory:
    """Makes worker k's environments; picklable."""

    def __init__(self, config: HumanTrainingConfig):
        self._config = config

    def __call__(self, worker: int, seed: int) -> WalkingEnv:
        return WalkingEnv(self._config, self._config.devices[worker % len(self._config.devices)], seed)
