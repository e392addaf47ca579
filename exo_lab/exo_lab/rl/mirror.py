# SPDX-License-Identifier: Apache-2.0
"""Networks that are left-right symmetric by construction, for rsl_rl.

f(o) = 1/2 (g(o) + M g(M o)): what is learned on one leg holds for the other at once, and no weight of a mirror loss
needs to be chosen. Asymmetric people stay possible: what makes them asymmetric is part of the observation and is
mirrored with it. Abdolhosseini et al. 2019 (On learning symmetric locomotion) compare the alternatives.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from rsl_rl.models import MLPModel


@dataclass(frozen=True)
class MirrorMap:
    """Mirror image of observation and action: value[..., index] * sign, indices and signs as tuples."""

    observation_index: tuple[int, ...]
    observation_sign: tuple[float, ...]
    action_index: tuple[int, ...]
    action_sign: tuple[float, ...]


class MirrorModel(MLPModel):
    """An MLPModel averaged with its mirror image.

    Args:
        mirror: of the task.
        invariant: the output is the same for the mirror image (a value), instead of its mirror image (an action).
    """

    def __init__(self, *args, mirror: MirrorMap, invariant: bool, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.mirror = mirror
        self._observation_index = torch.tensor(mirror.observation_index)
        self._observation_sign = torch.tensor(mirror.observation_sign)
        self._output = None if invariant else (torch.tensor(mirror.action_index), torch.tensor(mirror.action_sign))

    def forward(self, obs, masks=None, hidden_state=None, stochastic_output=False) -> torch.Tensor:
        """As MLPModel.forward, for feed-forward networks."""
        own = torch.cat([obs[group] for group in self.obs_groups], dim=-1)
        mirrored = own[..., self._observation_index] * self._observation_sign
        direct, other = self.mlp(self.obs_normalizer(torch.cat([own, mirrored]))).chunk(2)
        if self._output is not None:
            index, sign = self._output
            other = other[..., index] * sign
        output = 0.5 * (direct + other)
        if self.distribution is None:
            return output
        if stochastic_output:
            self.distribution.update(output)
            return self.distribution.sample()
        return self.distribution.deterministic_output(output)
