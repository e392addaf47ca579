# SPDX-License-Identifier: Apache-2.0
"""A batch of people who walk in a device: the exoskeleton policy acts, the human policy is part of the world."""
from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from exo_device.description import DeviceDescription
from exo_policy.action import ActionFilter
from exo_policy.manifest import Contract
from exo_policy.observation import exo_contract, pack_terms, torque_share
from exo_policy.training.batch_env import StepResult

from exo_sim.body.subject import Subject
from exo_sim.human.checkpoint import load_human
from exo_sim.human.observation import COORDINATION_RATE_HZ, OBSERVATION_SIZE
from exo_sim.training.assisted_walkers import AssistedWalkers
from exo_sim.training.exo_config import ExoTrainingConfig

#: Metabolic power in the critic's observation (1 / (W/kg)).
POWER_SCALE = 0.1


class ExoEnv:
    """BatchEnv of exo_policy.training: several bodies of different size, several walkers each.

    Args:
        config: of the training.
        device: that is worn.
        human: checkpoint of the human policy; None for the shipped one.
        seed: of bodies, resets, speeds, delays and sensor errors.
    """

    def __init__(self, config: ExoTrainingConfig, device: DeviceDescription, human: str | None, seed: int):
        self._config, self._random = config, np.random.default_rng(seed)
        self.contract: Contract = exo_contract(device.joint_names, history=config.history,
                                               rate_hz=COORDINATION_RATE_HZ)
        policy = load_human(human)
        self._groups = [AssistedWalkers(self._subject(k), device, policy, config, self._random)
                        for k in range(config.bodies_per_worker)]
        self.count = sum(group.count for group in self._groups)
        self.observation_size, self.action_size = self.contract.observation_size, len(device.joint_names)
        self._limit = np.concatenate([np.tile(group.limit, (group.count, 1)) for group in self._groups])
        self._mass = np.concatenate([np.full((group.count, 1), group.body.body_mass) for group in self._groups])
        self._filter = ActionFilter(self.contract.action, COORDINATION_RATE_HZ)
        self._share = np.zeros((self.count, self.action_size))
        self._frames: deque[np.ndarray] = deque(maxlen=config.history)
        self._steps = np.zeros(self.count, dtype=int)
        self._max_steps = round(config.episode_s * COORDINATION_RATE_HZ)

    def configure(self, settings: dict[str, Any]) -> None:
        """There is no curriculum: speeds, sizes and delays are drawn from the whole range at once."""

    def reset(self) -> StepResult:
        """Starts every episode; the first ones end at different times."""
        for group in self._groups:
            for i in range(group.count):
                group.reset(i)
        self._filter.reset()
        self._share[:] = 0.0
        self._steps = self._random.integers(0, self._max_steps // 2, self.count)
        frame = self._frame()
        self._frames.extend([frame] * self._config.history)
        nothing = np.zeros(self.count, dtype=bool)
        return StepResult(self._observation(), np.zeros(self.count, dtype=np.float32), nothing, nothing,
                          privileged=self._privileged(np.zeros(self.count)))

    def step(self, action: np.ndarray) -> StepResult:
        """One control period (10 ms)."""
        share = self._filter.update(action)
        change, self._share = share - self._share, share
        start, power, mechanical, fallen = 0, [], [], []
        for group in self._groups:
            rows = slice(start, start + group.count)
            group.advance(share[rows] * self._limit[rows])
            power.append(group.metabolic_power())
            mechanical.append(group.mechanical_power())
            fallen.append(group.fallen())
            start += group.count
        power, mechanical, fallen = map(np.concatenate, (power, mechanical, fallen))
        price = self._config.reward
        reward = (price.metabolic * (price.metabolic_reference_w_kg - power) + price.alive
                  - price.torque * (share ** 2).mean(axis=1) - price.torque_rate * (change ** 2).mean(axis=1)
                  - price.mechanical_power * np.abs(mechanical))
        reward = np.where(fallen | ~np.isfinite(reward), -price.fall, reward)
        self._steps += 1
        out_of_time = (self._steps >= self._max_steps) & ~fallen
        ended = np.flatnonzero(fallen | out_of_time)
        seconds = [float(self._steps[i] / COORDINATION_RATE_HZ) for i in ended]
        metrics = {"metabolic_w_kg": float(np.mean(power[~fallen])) if not fallen.all() else 0.0,
                   "mechanical_w_kg": float(mechanical.mean()), "torque_share": float(np.abs(share).mean()),
                   "at_limit": float((np.abs(share) > 0.98).mean())}
        self._restart(ended)
        frame = self._frame()
        self._frames.append(frame)
        for old in self._frames:
            old[ended] = frame[ended]                 # a new episode has no past
        return StepResult(self._observation(), reward.astype(np.float32), fallen, out_of_time, metrics, seconds,
                          self._privileged(power))

    def _subject(self, index: int) -> Subject:
        if index == 0:
            return Subject()
        config = self._config
        return Subject(name="drawn", height_m=self._random.uniform(*config.height_range_m),
                       mass_kg=self._random.uniform(*config.mass_range_kg))

    def _restart(self, ended: np.ndarray) -> None:
        for i in ended:
            k = int(i)
            for group in self._groups:
                if k < group.count:
                    group.reset(k)
                    break
                k -= group.count
        self._filter.reset(ended)
        self._share[ended] = 0.0
        self._steps[ended] = 0

    def _frame(self) -> np.ndarray:
        signals = [group.sense() for group in self._groups]
        values = {name: np.concatenate([signal[name] for signal in signals]) for name in signals[0]}
        values["torque_share"] = torque_share(values.pop("torque"), self._limit)
        return pack_terms([term for term in self.contract.observation if term.per_frame], values)

    def _observation(self) -> np.ndarray:
        once = pack_terms([term for term in self.contract.observation if not term.per_frame],
                          {"wearer_mass": self._mass, "torque_limit": self._limit / self._mass})
        return np.concatenate([*self._frames, once], axis=1)

    def _privileged(self, power: np.ndarray) -> np.ndarray:
        """What the critic sees besides: the human's whole state and the metabolic power."""
        state = np.concatenate([group.walkers.observe() for group in self._groups])
        assert state.shape == (self.count, OBSERVATION_SIZE)
        return np.concatenate([state, (POWER_SCALE * power[:, None]).astype(np.float32)], axis=1)
