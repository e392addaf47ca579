# SPDX-License-Identifier: Apache-2.0
"""Settings of an exoskeleton policy's training, checked; the defaults are in exo.yaml beside this file."""
from __future__ import annotations

from pathlib import Path
from typing import Annotated

from exo_policy.training.config import PpoConfig
from pydantic import BaseModel, ConfigDict, Field

from exo_sim.training.config import load_config

Price = Annotated[float, Field(ge=0.0, le=1000.0)]
Count = Annotated[int, Field(ge=1)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ExoRewardConfig(_Model):
    """What assistance is worth and what it costs. No gait phase, no profile and no target gait is in it."""

    metabolic: Price                   #: per W/kg of gross metabolic power below the reference
    metabolic_reference_w_kg: Annotated[float, Field(ge=0.0)]
    alive: Price                       #: per step without a fall
    fall: Price                        #: once, for a fall
    torque: Price                      #: per mean squared share of the torque limits
    torque_rate: Price                 #: per mean squared change of share in a control period
    mechanical_power: Price            #: per W/kg of absolute mechanical power


class ExoTrainingConfig(_Model):
    """Everything that decides a training of an exoskeleton policy, but for device and human."""

    envs_per_body: Count
    bodies_per_worker: Count
    workers: Count
    physics_rate_hz: Annotated[float, Field(ge=200, le=2000)]
    episode_s: Annotated[float, Field(gt=1)]
    samples: Count
    speed_range_mps: tuple[float, float]
    height_range_m: tuple[float, float]
    mass_range_kg: tuple[float, float]
    extra_delay_s: tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(le=0.1)]]
    position_offset_rad: Annotated[float, Field(ge=0, le=0.2)]
    history: Count
    reward: ExoRewardConfig
    ppo: PpoConfig = PpoConfig()


def load_exo_config(path: str | Path | None) -> ExoTrainingConfig:
    """Reads a training configuration; fields that it leaves out keep the shipped defaults.

    Raises:
        SimError: unreadable, an unknown field or a value out of range; says which.
    """
    return load_config(ExoTrainingConfig, "exo.yaml", path)
