# SPDX-License-Identifier: Apache-2.0
"""Shows a BatchEnv to rsl_rl."""

from __future__ import annotations

import numpy as np
import torch
from rsl_rl.env import VecEnv
from tensordict import TensorDict

from exo_policy.training.batch_env import BatchEnv, StepResult

OBSERVATION_GROUP, PRIVILEGED_GROUP = "policy", "privileged"


class RslEnv(VecEnv):
    """Adapter: numpy batches to TensorDicts. `last` keeps the newest StepResult for the log."""

    def __init__(self, env: BatchEnv, max_episode_steps: int) -> None:
        self.env = env
        self.num_envs, self.num_actions = env.count, env.action_size
        self.max_episode_length = max_episode_steps
        self.episode_length_buf = torch.zeros(self.num_envs, dtype=torch.long)
        self.device, self.cfg = "cpu", {}
        self.last: StepResult | None = None
        self._observation = self._pack(env.reset())

    def get_observations(self) -> TensorDict:
        return self._observation

    def step(self, actions: torch.Tensor):
        result = self.env.step(actions.numpy())
        self.last = result
        self._observation = self._pack(result)
        done = torch.from_numpy(result.terminated | result.truncated)
        self.episode_length_buf += 1
        self.episode_length_buf[done] = 0
        extras = {"time_outs": torch.from_numpy(result.truncated.astype(np.float32))}
        return self._observation, torch.from_numpy(result.reward), done.float(), extras

    def _pack(self, result: StepResult) -> TensorDict:
        groups = {OBSERVATION_GROUP: torch.from_numpy(result.observation)}
        if result.privileged is not None:
            groups[PRIVILEGED_GROUP] = torch.from_numpy(result.privileged)
        return TensorDict(groups, batch_size=[self.num_envs])
