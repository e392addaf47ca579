# SPDX-License-Identifier: Apache-2.0
"""Shows a BatchEnv to rsl_rl."""

from __future__ import annotations

import numpy as np
import torch
from rsl_rl.env import VecEnv
from tensordict import TensorDict

from exo_lab.rl.batch_env import StepResult

OBSERVATION_GROUP, PRIVILEGED_GROUP = "policy", "privileged"


class LearnerView(VecEnv):
    """What one learner sees of the environments: numpy batches as TensorDicts. `last` is the newest result.

    Args:
        first: result of the reset.
        actions: numbers in this learner's action.
        max_episode_steps: length of an episode that does not fail, in steps of this learner.
    """

    def __init__(self, first: StepResult, actions: int, max_episode_steps: int) -> None:
        self.num_envs, self.num_actions = len(first.reward), actions
        self.max_episode_length = max_episode_steps
        self.episode_length_buf = torch.zeros(self.num_envs, dtype=torch.long)
        self.device, self.cfg = "cpu", {}
        self.last = first
        self._observation = self._pack(first)

    def get_observations(self) -> TensorDict:
        return self._observation

    def take(self, result: StepResult):
        """Takes in a step; returns observation, reward, done and extras as rsl_rl wants them."""
        self.last = result
        self._observation = self._pack(result)
        done = torch.from_numpy(result.terminated | result.truncated)
        self.episode_length_buf += 1
        self.episode_length_buf[done] = 0
        extras = {"time_outs": torch.from_numpy(result.truncated.astype(np.float32))}
        return self._observation, torch.from_numpy(result.reward), done.float(), extras

    def show(self, observation: np.ndarray, privileged: np.ndarray | None) -> TensorDict:
        """Takes in observations over time (T + 1, n, ...) and returns them; the last ones are the present ones."""
        groups = {OBSERVATION_GROUP: torch.from_numpy(observation)}
        if privileged is not None:
            groups[PRIVILEGED_GROUP] = torch.from_numpy(privileged)
        whole = TensorDict(groups, batch_size=observation.shape[:2])
        self._observation = whole[-1]
        return whole

    def step(self, actions: torch.Tensor):
        """A view does not step: whoever owns the environments does."""
        raise NotImplementedError("step the environments and hand the result to take()")

    def _pack(self, result: StepResult) -> TensorDict:
        groups = {OBSERVATION_GROUP: torch.from_numpy(result.observation)}
        if result.privileged is not None:
            groups[PRIVILEGED_GROUP] = torch.from_numpy(result.privileged)
        return TensorDict(groups, batch_size=[self.num_envs])
