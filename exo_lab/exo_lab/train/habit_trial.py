# SPDX-License-Identifier: Apache-2.0
"""How well one wearer walks with each of several habits, all on the same ordinary day."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from exo_device.description import DeviceDescription
from exo_lab.train.exo_config import EXO, ExoTrainingConfig
from exo_lab.train.exo_env import PairEnv
from exo_policy.networks import MlpPolicy
from exo_sim.human.checkpoint import load_human
from exo_sim.human.habits import Habits
from exo_sim.human.observation import BLOCKS_PER_ACTION, COORDINATION_RATE_HZ

#: Speeds of a trial relative to the middle of the configured range, and the phase of the stride each begins in.
SPEED_SHARES, PHASES = (0.0, 0.5, 1.0), (0.1, 0.4, 0.75)


def ordinary_day(config: ExoTrainingConfig) -> ExoTrainingConfig:
    """The configuration without what differs from day to day: candidates must differ by their habits alone."""
    wearing, people = config.wearing, config.people

    def middle(pair: tuple[float, float]) -> tuple[float, float]:
        return (sum(pair) / 2.0,) * 2

    return config.model_copy(
        update={
            "stop_share": 0.0,
            "speed_change_s": 1e9,
            "episode_s": 1e3,
            "wearing": wearing.model_copy(
                update={
                    "delay_s": middle(wearing.delay_s),
                    "bandwidth_factor": (1.0, 1.0),
                    "strap_stiffness_nm_per_rad": middle(wearing.strap_stiffness_nm_per_rad),
                    "payload_kg": (0.0, 0.0),
                    "position_offset_rad": 0.0,
                    "tilt_offset_rad": 0.0,
                    "gyro_offset_rad_s": 0.0,
                    "noise_factor": (1.0, 1.0),
                    "mass_error": 0.0,
                }
            ),
            "limits": config.limits.model_copy(update={"already_walking": 1.0, "heat": (0.0, 0.0)}),
            "people": people.model_copy(update={"friction_range": (1.0, 1.0), "servo_gain_range": (1.0, 1.0)}),
        }
    )


class HabitTrial:
    """A batch of one wearer's doubles, who walk with different habits.

    Args:
        config: of the fitting, with its wearer.
        device: that is worn.
        human: checkpoint of the walker whose habits are tried.
        exo: checkpoint of the device's policy; None for a device without power.
        count: habits at a time.
        seed: of sensor noise.
    """

    def __init__(
        self, config: ExoTrainingConfig, device: DeviceDescription, human: Path, exo: Path | None, count: int, seed: int
    ):
        self.count, self._walks = count, len(SPEED_SHARES)
        day = ordinary_day(config).model_copy(update={"envs_per_worker": count * self._walks})
        self._env = PairEnv(day, device, str(human), seed)
        self._env.be_undisturbed()
        self._human = load_human(human)
        self._exo: Callable | None = None if exo is None else MlpPolicy.from_checkpoint(exo, kind=EXO)[0]
        low, high = config.speed_range_mps
        self._speeds = np.tile([low + share * (high - low) for share in SPEED_SHARES], count)
        self._phases = np.tile(PHASES, count)
        self._steps, self._settled = (
            round(seconds * COORDINATION_RATE_HZ) for seconds in (config.habits.trial_s, config.habits.settle_s)
        )

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        """Reward (count,) per control period for habits (count, HABIT_SIZE); who has fallen gets nothing more."""
        habits = Habits.of(np.repeat(numbers, self._walks, axis=0))
        env = self._env
        result = env.reset_at(self._phases, self._speeds)
        upright = np.ones(env.count, dtype=bool)
        total = np.zeros(env.count)
        idle = np.zeros((env.count, env.device_joints), dtype=np.float32)
        for step in range(self._steps):
            if step % BLOCKS_PER_ACTION == 0:
                action = self._human(habits.feel(result.partner.observation)) + habits.posture
            torque = idle if self._exo is None else self._exo(result.observation)
            result = env.step(np.concatenate([torque, action], axis=1))
            upright &= ~result.terminated
            if step >= self._settled:
                total += np.where(upright, result.partner.reward, 0.0)
        return (total / (self._steps - self._settled)).reshape(-1, self._walks).mean(axis=1)
