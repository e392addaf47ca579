# SPDX-License-Identifier: Apache-2.0
"""Settings of PPO, checked."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

#: In the folder of a training: its whole state, and what it logged.
STATE_FILE, METRICS_FILE = "state.safetensors", "metrics.csv"

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class PpoConfig(BaseModel):
    """Proximal policy optimisation (Schulman et al. 2017). Defaults: what made the human learn fastest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hidden_layers: tuple[int, ...] = (256, 256)
    steps_per_iteration: Annotated[int, Field(ge=8)] = 64
    epochs: Annotated[int, Field(ge=1)] = 4
    mini_batches: Annotated[int, Field(ge=1)] = 6
    #: Discount per policy step.
    gamma: Share = 0.97
    #: Decay of the generalised advantage estimate.
    gae_lambda: Share = 0.95
    clip: Share = 0.2
    learning_rate: Annotated[float, Field(gt=0.0, le=0.1)] = 3e-4
    #: Of the critic alone; None: the policy's, which adapts. A policy that begins trained moves in small steps, at which
    #: a critic that begins from nothing would take millions of samples.
    critic_learning_rate: Annotated[float, Field(gt=0.0, le=0.1)] | None = None
    #: Bounds of the step size's adaptation.
    min_learning_rate: Annotated[float, Field(gt=0.0, le=0.1)] = 1e-5
    max_learning_rate: Annotated[float, Field(gt=0.0, le=0.1)] = 1e-3
    #: Kullback-Leibler divergence per update that the step size is adapted to.
    desired_kl: Annotated[float, Field(gt=0.0)] = 0.03
    entropy_weight: Annotated[float, Field(ge=0.0)] = 3e-4
    value_weight: Annotated[float, Field(gt=0.0)] = 1.0
    gradient_norm: Annotated[float, Field(gt=0.0)] = 1.0
    #: The policy that is saved is the mean over about so many of the last iterations; 1: the last one.
    averaged_iterations: Annotated[int, Field(ge=1)] = 1
    #: Standard deviation of exploration at the start and its floor, in units of action.
    initial_std: Annotated[float, Field(gt=0.0)] = 0.135
    min_std: Annotated[float, Field(gt=0.0)] = 0.04
