# SPDX-License-Identifier: Apache-2.0
"""What the training loop asks of a batch of environments: numpy in, numpy out, no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np


@dataclass
class StepResult:
    """One step of n environments; ended ones have been reset already and `observation` is their first.

    `terminated` ended by failing, `truncated` by running out of time; `metrics` are means over the batch, for the
    log; `episode_seconds` lists how long the episodes lasted that ended in this step. `privileged` is what only the
    critic sees besides, where there is such a thing. `partner` is what the same step was for a second learner in
    the same environments; its observations are those of the same bodies, its rewards its own.
    """

    observation: np.ndarray  # (n, O) float32
    reward: np.ndarray  # (n,) float32
    terminated: np.ndarray  # (n,) bool
    truncated: np.ndarray  # (n,) bool
    metrics: dict[str, float] = field(default_factory=dict)
    episode_seconds: list[float] = field(default_factory=list)
    privileged: np.ndarray | None = None  # (n, P) float32
    partner: StepResult | None = None


class BatchEnv(Protocol):
    """n environments that live in one process."""

    count: int
    observation_size: int
    action_size: int

    def reset(self) -> StepResult:
        """Starts every episode anew; of the result only the observations count."""

    def step(self, action: np.ndarray) -> StepResult:
        """Applies actions (n, A) for one policy period."""

    def configure(self, settings: dict[str, Any]) -> None:
        """Takes over a stage of the curriculum; holds for episodes that start after it."""


@dataclass(frozen=True)
class MirrorMap:
    """Mirror image of observation and action: value[..., index] * sign, indices and signs as tuples."""

    observation_index: tuple[int, ...]
    observation_sign: tuple[float, ...]
    action_index: tuple[int, ...]
    action_sign: tuple[float, ...]
