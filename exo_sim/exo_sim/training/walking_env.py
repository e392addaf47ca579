# SPDX-License-Identifier: Apache-2.0
"""A batch of people who learn to walk: reference state initialisation, early termination, changing speed."""
from __future__ import annotations

from typing import Any

import numpy as np
from exo_policy.training.batch_env import StepResult

from exo_sim.body.model import BodyModel, build_body
from exo_sim.body.subject import Subject
from exo_sim.human.observation import ACTION_SIZE, COORDINATION_RATE_HZ, OBSERVATION_SIZE, POLICY_RATE_HZ
from exo_sim.human.walkers import Walkers
from exo_sim.training.assistance import RandomAssistance
from exo_sim.training.config import HumanTrainingConfig
from exo_sim.body.devices import find_device
from exo_sim.training.rewards import judge

#: Time constant of the mean speed that is rewarded (s): half a stride.
MEAN_SPEED_TIME_S = 0.5


class WalkingEnv:
    """BatchEnv of exo_policy.training: n bodies of one model.

    Args:
        config: of the training.
        device: name of a device worn, or "none".
        seed: of resets, speeds and assistance.
    """

    action_size = ACTION_SIZE
    observation_size = OBSERVATION_SIZE

    def __init__(self, config: HumanTrainingConfig, device: str, seed: int):
        self._config = config
        body: BodyModel = build_body(Subject(), find_device(device), config.physics_rate_hz)
        self.count = config.envs_per_worker
        self._walkers = Walkers(body, self.count)
        self._random = np.random.default_rng(seed)
        self._assistance = RandomAssistance(body, self.count, self._random)
        self._steps = np.zeros(self.count, dtype=int)
        self._target_speed = np.zeros(self.count)
        self._mean_speed = np.zeros(self.count)
        self._blocks = round(COORDINATION_RATE_HZ / POLICY_RATE_HZ)
        self._max_steps = round(config.episode_s * POLICY_RATE_HZ)
        self._speed_range = config.curriculum[0].speed_range_mps

    def configure(self, settings: dict[str, Any]) -> None:
        """Takes over speed_range_mps and assistance of a curriculum stage."""
        self._speed_range = tuple(settings["speed_range_mps"])
        self._assistance.level = settings["assistance"]

    def reset(self) -> StepResult:
        """Starts every episode; the first ones end at different times, so that later resets are spread."""
        for i in range(self.count):
            self._reset_one(i)
        self._steps[:] = self._random.integers(0, self._max_steps // 2, self.count)
        nothing = np.zeros(self.count, dtype=bool)
        return StepResult(self._walkers.observe(), np.zeros(self.count, dtype=np.float32), nothing, nothing)

    def _reset_one(self, i: int) -> None:
        self._target_speed[i] = self._random.uniform(*self._speed_range)
        self._walkers.place(i, self._random.random(), self._target_speed[i])
        self._assistance.draw(i)
        self._steps[i] = 0
        self._mean_speed[i] = self._target_speed[i]

    def step(self, action: np.ndarray) -> StepResult:
        """One policy period (20 ms)."""
        walkers, config = self._walkers, self._config
        self._change_speed()
        walkers.set_action(action)
        effort = np.zeros(self.count)
        for _ in range(self._blocks):
            self._assistance.apply(walkers)
            walkers.coordinate_and_step()
            effort += walkers.mean_squared_activation() / self._blocks
        self._steps += 1
        state = walkers.state()
        self._mean_speed += (state.velocity[:, 0] - self._mean_speed) / (MEAN_SPEED_TIME_S * POLICY_RATE_HZ)
        judgement = judge(config, walkers, state, action, effort, self._mean_speed)
        out_of_time = (self._steps >= self._max_steps) & ~judgement.failed
        ended = np.flatnonzero(judgement.failed | out_of_time)
        seconds = [float(self._steps[i] / POLICY_RATE_HZ) for i in ended]
        for i in ended:
            self._reset_one(i)
        observation = walkers.observe(state if len(ended) == 0 else None)
        return StepResult(observation, judgement.reward, judgement.failed, out_of_time, judgement.metrics, seconds)

    def _change_speed(self) -> None:
        """Now and then a new speed, which the command approaches by a ramp."""
        period = 1.0 / POLICY_RATE_HZ
        new = self._random.random(self.count) < period / self._config.speed_change_s
        self._target_speed[new] = self._random.uniform(*self._speed_range, size=int(new.sum()))
        ramp = self._config.speed_ramp_mps2 * period
        self._walkers.speed_command += np.clip(self._target_speed - self._walkers.speed_command, -ramp, ramp)
