# SPDX-License-Identifier: Apache-2.0
"""People who walk in a device, as environments: for the device's policy, for the wearer, or for both at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from exo_device.description import DeviceDescription
from exo_lab.rl.env import StepResult
from exo_lab.train.config import HumanTrainingConfig, load_training_config
from exo_lab.train.disturbances import RandomPushes, SensorNoise
from exo_lab.train.exo_config import EXO, HUMAN, ExoTrainingConfig
from exo_lab.train.rewards import (
    DEVICE_TERMS,
    WEARER_TERMS,
    ControlStep,
    StrideAverages,
    control_reward,
    imitation_reward,
)
from exo_policy.manifest import Contract
from exo_sim.human.observation import ACTION_SIZE, COORDINATION_RATE_HZ, PERIODS_PER_ACTION
from exo_sim.human.walkers import Walkers, WalkerState
from exo_sim.world.crowd import Crowd
from exo_sim.world.meters import AT_LIMIT_SHARE


class WearerReward:
    """Judges n walkers over their policy periods.

    Args:
        config: of the walker's own training.
        walkers: whose steps are rewarded.
        random: of pushes and sensor noise.
    """

    def __init__(self, config: HumanTrainingConfig, walkers: Walkers, random: np.random.Generator):
        self._config = config.model_copy(update={"reward": config.reward.model_copy(update={"moment": 0.0})})
        self._walkers = walkers
        self._averages = StrideAverages(walkers.count, config.reward)
        self._effort, self._blocks = np.zeros(walkers.count), 0
        self._pushes = RandomPushes(walkers, config.disturbance, random)
        self._noise = SensorNoise(config.disturbance, random)
        self._pushes.level = self._noise.level = 1.0

    def stop_disturbances(self) -> None:
        """No pushes and no sensor noise from now on."""
        self._pushes.level = self._noise.level = 0.0

    def restart(self, i: int) -> None:
        """Walker i begins anew."""
        self._averages.restart(i, self._walkers.speed_command[i])
        self._pushes.forget(i)

    def observe(self) -> np.ndarray:
        """What the walkers sense (n, O), with errors."""
        return self._noise(self._walkers.observe())

    def begin(self) -> None:
        """A policy period begins: perhaps a push."""
        self._pushes.apply(self._walkers)
        self._effort[:], self._blocks = 0.0, 0

    def add_block(self) -> None:
        """A coordination period of it is over."""
        self._effort += self._walkers.mean_squared_activation()
        self._blocks += 1

    def end(self, state: WalkerState, action: np.ndarray) -> np.ndarray:
        """The policy period with this action (n, 14) led to this state: reward (n,)."""
        self._averages.update(self._walkers, state)
        return imitation_reward(
            self._config, self._walkers, state, action, self._effort / self._blocks, self._averages
        ).reward


#: Metabolic power in the critic's observation (1 / (W/kg)).
POWER_SCALE = 0.1
#: Power of the activation whose mean is the overload, see ExoRewardConfig.
OVERLOAD_EXPONENT = 4


class _AssistedEnv:
    """What all three environments share.

    Where the human learns, it is pushed now and then and its sensors are noisy, as in its own training.

    Args:
        config: of the training.
        device: that is worn.
        human: checkpoint of the human policy; None for the shipped one.
        seed: of people, resets, speeds, fits and sensor errors.
    """

    human_learns = True

    def __init__(self, config: ExoTrainingConfig, device: DeviceDescription, human: str | None, seed: int):
        self._config = config
        random = np.random.default_rng(seed)
        self._crowd = Crowd(device, config, human, random)
        self.contract: Contract = self._crowd.contract
        self.count = self._crowd.count
        self._mean_speed_error = np.zeros(self.count)
        self._power = np.zeros(self.count)
        self._wearer = (
            WearerReward(load_training_config(*config.human_reward.like), self._crowd.walkers, random)
            if self.human_learns
            else None
        )

    def configure(self, settings: dict[str, Any]) -> None:
        """There is no curriculum: people, fits and speeds are drawn from the whole range at once."""

    def _begin(self, phases: np.ndarray | None = None, speeds: np.ndarray | None = None) -> None:
        if phases is None:
            self._crowd.begin()
        else:
            self._crowd.begin_at(phases, speeds)
        self._mean_speed_error[:] = 0.0
        self._restart(range(self.count))

    def _restart(self, begun: Iterable[int]) -> None:
        if self._wearer is not None:
            for i in begun:
                self._wearer.restart(int(i))

    def _period(self, action: np.ndarray, human_action: np.ndarray | None) -> ControlStep:
        """One control period (10 ms) with the device's action (n, J) and the human's (n, 14), or the usual one."""
        people, walkers, reward = self._crowd, self._crowd.walkers, self._config.reward
        end, below = self._config.termination, self._config.termination.terminate_below
        if people.act(action, human_action) and self._wearer is not None:
            self._wearer.begin()
        people.advance()
        power, mechanical, state = people.metabolic_power(), people.mechanical_power(), walkers.state()
        overload = np.minimum(walkers.mean_activation_power(OVERLOAD_EXPONENT), reward.largest_overload)
        error = state.velocity[:, 0] - walkers.speed_command
        self._mean_speed_error += (error - self._mean_speed_error) / (end.lost_speed_time_s * COORDINATION_RATE_HZ)
        terminated = walkers.fallen(state) | ~np.isfinite(power)
        terminated |= ~walkers.is_above(state, below.height_share, below.up_cosine)
        terminated |= ~(np.abs(self._mean_speed_error) < end.lost_speed_mps)
        walking = self._walking(state)
        out_of_time = people.out_of_time & ~terminated
        ended = np.flatnonzero(terminated | out_of_time)
        seconds = [float(people.steps[i] / COORDINATION_RATE_HZ) for i in ended]
        up = ~terminated
        metrics = {
            "metabolic_w_kg": float(np.mean(power[up])) if up.any() else 0.0,
            "overload": float(np.mean(overload[up])) if up.any() else 0.0,
            "mechanical_w_kg": float(mechanical.mean()),
            "torque_share": float(np.abs(people.share).mean()),
            "at_limit": float((np.abs(people.share) > AT_LIMIT_SHARE).mean()),
            "speed_error_mps": float(np.mean(np.abs(self._mean_speed_error[up]))) if up.any() else 0.0,
        }
        metrics |= {f"limited_by_{limit}": float(bites.mean()) for limit, bites in people.limiter.bites.items()}
        step = ControlStep(
            np.where(terminated, 0.0, power),
            overload,
            mechanical,
            people.share,
            people.change,
            people.beyond,
            terminated,
            out_of_time,
            walking,
            metrics,
            seconds,
        )
        self._power = np.minimum(step.power, reward.largest_power_w_kg)
        people.renew(ended)
        self._mean_speed_error[ended] = 0.0
        self._restart(ended)
        return step

    def _device_reward(self, step: ControlStep) -> np.ndarray:
        return control_reward(DEVICE_TERMS, self._config.reward, step, "reward_")

    def _walking(self, state: WalkerState) -> np.ndarray:
        """How well everybody walked (n,): once a period of the human, at its end; 0 at other times."""
        if self._wearer is None:
            return np.zeros(self.count)
        self._wearer.add_block()
        if not self._crowd.human_is_done:
            return np.zeros(self.count)
        return self._wearer.end(state, self._crowd.human_action)

    def _human_reward(self, step: ControlStep) -> np.ndarray:
        return control_reward(WEARER_TERMS, self._config.human_reward, step, "wearer_reward_")

    def _private(self) -> np.ndarray:
        """What no policy sees: metabolic power, torques, and how the device sits."""
        return np.concatenate(
            [
                (POWER_SCALE * self._power[:, None]).astype(np.float32),
                self._crowd.share.astype(np.float32),
                self._crowd.private,
            ],
            axis=1,
        )

    def _for_device(
        self, reward: np.ndarray, terminated: np.ndarray, out_of_time: np.ndarray, metrics=None, seconds=None
    ) -> StepResult:
        return StepResult(
            self._crowd.observation,
            reward,
            terminated,
            out_of_time,
            metrics or {},
            seconds or [],
            np.concatenate([self._crowd.walkers.observe(), self._private()], axis=1),
        )

    def _for_human(
        self, reward: np.ndarray, terminated: np.ndarray, out_of_time: np.ndarray, metrics=None, seconds=None
    ) -> StepResult:
        return StepResult(
            self._wearer.observe(), reward, terminated, out_of_time, metrics or {}, seconds or [], self._private()
        )

    def _nothing(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        no = np.zeros(self.count, dtype=bool)
        return np.zeros(self.count, dtype=np.float32), no, no


class ExoEnv(_AssistedEnv):
    """BatchEnv for the device's policy: the human stays as it is. One step is a control period (10 ms)."""

    human_learns = False

    @property
    def observation_size(self) -> int:
        """Numbers that the device's policy sees."""
        return self.contract.observation_size

    @property
    def action_size(self) -> int:
        """Driven joints."""
        return self._crowd.share.shape[1]

    def reset(self) -> StepResult:
        """Starts every episode."""
        self._begin()
        return self._for_device(*self._nothing())

    def step(self, action: np.ndarray) -> StepResult:
        """One control period with the device's action (n, J)."""
        step = self._period(action, None)
        return self._for_device(
            self._device_reward(step), step.terminated, step.out_of_time, step.metrics, step.seconds
        )


class PairEnv(_AssistedEnv):
    """BatchEnv for device and human at once: the human's results are the partner's, its action comes second."""

    @property
    def observation_size(self) -> int:
        """Numbers that the device's policy sees."""
        return self.contract.observation_size

    @property
    def action_size(self) -> int:
        """Driven joints and the human's joints."""
        return self.device_joints + ACTION_SIZE

    def reset(self) -> StepResult:
        """Starts every episode."""
        self._begin()
        return self._both()

    @property
    def device_joints(self) -> int:
        """Actions of the device: the first ones."""
        return self._crowd.share.shape[1]

    def stop_disturbances(self) -> None:
        """From now on nobody is pushed, and the human's sensors have no noise."""
        self._wearer.stop_disturbances()

    def reset_at(self, phases: np.ndarray, speeds: np.ndarray) -> StepResult:
        """Starts every episode, everybody at a phase of the stride (n,) and a speed (n,) in m/s of their own."""
        self._begin(phases, speeds)
        return self._both()

    def _both(self) -> StepResult:
        result = self._for_device(*self._nothing())
        result.partner = self._for_human(*self._nothing())
        return result

    def step(self, action: np.ndarray) -> StepResult:
        """One control period with the device's action (n, J) and the human's (n, 14) beside it."""
        joints = self.device_joints
        step = self._period(action[:, :joints], action[:, joints:])
        result = self._for_device(
            self._device_reward(step), step.terminated, step.out_of_time, step.metrics, step.seconds
        )
        result.partner = self._for_human(self._human_reward(step), step.terminated, step.out_of_time)
        return result


class CarryingEnv(_AssistedEnv):
    """BatchEnv for the human, who carries the unpowered device. One step is a period of the human (20 ms)."""

    action_size = ACTION_SIZE

    @property
    def observation_size(self) -> int:
        """Numbers that the human's policy sees."""
        return self._crowd.human.input_size

    def reset(self) -> StepResult:
        """Starts every episode."""
        self._begin()
        return self._for_human(*self._nothing())

    def step(self, action: np.ndarray) -> StepResult:
        """One period of the human with its action (n, 14)."""
        no_torque = np.zeros_like(self._crowd.share)
        reward, terminated, out_of_time, metrics, seconds = *self._nothing(), [], []
        for _ in range(PERIODS_PER_ACTION):
            step = self._period(no_torque, action)
            over = terminated | out_of_time  # what follows within this action belongs to the next episode
            reward = reward + np.where(over, 0.0, self._human_reward(step)).astype(np.float32)
            terminated, out_of_time = terminated | (step.terminated & ~over), out_of_time | (step.out_of_time & ~over)
            metrics.append(step.metrics)
            seconds += step.seconds
        means = {name: float(np.mean([m[name] for m in metrics])) for name in metrics[0]}
        return self._for_human(reward, terminated, out_of_time, means, seconds)


#: Environment by who learns.
ENVIRONMENTS: dict[frozenset[str], type[_AssistedEnv]] = {
    frozenset({EXO}): ExoEnv,
    frozenset({HUMAN}): CarryingEnv,
    frozenset({EXO, HUMAN}): PairEnv,
}
