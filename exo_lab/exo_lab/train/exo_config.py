# SPDX-License-Identifier: Apache-2.0
"""Settings of an exoskeleton policy's training, checked; the defaults are in exo.yaml beside this file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from exo_lab.rl.config import PpoConfig
from exo_lab.train.config import TerminateBelow, load_config
from exo_sim.world.crowd import CrowdConfig

Price = Annotated[float, Field(ge=0.0, le=1000.0)]
Count = Annotated[int, Field(ge=1)]
NotNegative = Annotated[float, Field(ge=0.0)]
Positive = Annotated[float, Field(gt=0.0)]
Speed = Annotated[float, Field(ge=0.5, le=2.0)]
HUMAN, EXO = "human", "exo"
EXO_DEFAULTS = "exo.yaml"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ExoRewardConfig(_Model):
    """What assistance is worth and what it costs. No gait phase, no profile and no target gait is in it."""

    metabolic: Price  #: per W/kg of gross metabolic power below the reference
    metabolic_reference_w_kg: NotNegative
    #: What a step costs at most: a stumble's fast stretches cost many times more for an instant, which would drown
    #: everything else in what the critic learns. Walking at 1.8 m/s costs 9 W/kg.
    largest_power_w_kg: Positive
    alive: Price  #: per step without a fall
    fall: Price  #: once, for a fall
    torque: Price  #: per mean squared share of the torque limits
    torque_rate: Price  #: per mean squared change of share in a control period
    beyond: Price  #: per mean squared part of the action beyond what the joint may do
    mechanical_power: Price  #: per W/kg of absolute mechanical power
    #: Per mean fourth power of muscle activation below the reference: how near to their limits muscles work, which is how
    #: soon they tire (Crowninshield and Brand 1981, J Biomech 14:793: endurance falls with a power of 1.4 to 5.1 of the
    #: stress). For the same force a muscle of half the strength counts 16 times.
    overload: Price
    overload_reference: NotNegative
    largest_overload: Positive  #: the most of it that counts; walking at 1 m/s makes 0.013


class HumanRewardConfig(_Model):
    """The reward of a wearer who learns: walking as people do, at little metabolic power (WearerReward)."""

    #: Whose reward counts: configurations of a walker's training, as `human`, of which later ones win; or one's name.
    like: Annotated[
        tuple[Annotated[str, Field(min_length=1)], ...],
        Field(min_length=1),
        BeforeValidator(lambda like: (like,) if isinstance(like, str) else like),
    ]
    walking: Price  #: on that reward, per period of the human
    metabolic: Price  #: per W/kg of gross metabolic power below the reference, per control period
    metabolic_reference_w_kg: NotNegative
    largest_power_w_kg: Positive  #: as in ExoRewardConfig
    fall: Price  #: once, for a fall


class ExoTerminationConfig(_Model):
    """Where an episode of training ends before anybody has fallen."""

    terminate_below: TerminateBelow = TerminateBelow(height_share=0.78, up_cosine=0.85)
    #: An episode ends where the mean speed is so far off the commanded one (m/s): that person stumbles, and walks no more.
    lost_speed_mps: Positive = 1.0
    lost_speed_time_s: Positive = 0.5  #: time constant of that mean: half a stride


class AdaptationConfig(_Model):
    """How one wearer gets used to a device; see motor_adaptation.py."""

    candidates: Annotated[int, Field(ge=4)] = 12  #: adaptations tried in a generation
    generations: Count = 40  #: at most
    trial_s: Positive = 5.0  #: walk with each of them
    settle_s: NotNegative = 1.2  #: its beginning, which does not count
    strength_sd: Positive = 0.15  #: of the first candidates: fraction of healthy force
    posture_sd: Positive = 0.05  #: of the first candidates: units of action
    #: Reward a period that a number of an adaptation costs at one SD, squared: without it the many numbers that hardly matter end
    #: anywhere, and even steps became uneven (dorsiflexors at half strength: 8 %, with it 2 %, at the same cost of walking).
    change_price: NotNegative = 0.005


class StageConfig(_Model):
    """A stage of the training: who learns. What does not learn stays as the stage before left it."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    learns: tuple[Literal["human", "exo"], ...]
    samples: Annotated[int, Field(ge=0)] = 0  #: steps of 10 ms; of 20 ms where only the human learns
    minutes: Positive | None = None  #: it ends after so much training, even if samples are left
    worn: bool = True  #: the device is on; else nobody carries its mass

    @property
    def limit_s(self) -> float:
        """Longest training (s)."""
        return math.inf if self.minutes is None else 60.0 * self.minutes

    @model_validator(mode="after")
    def _samples_where_something_learns(self) -> StageConfig:
        if len(set(self.learns)) != len(self.learns):
            raise ValueError(f"stage {self.name}: learns names somebody twice")
        if self.samples and not self.learns:
            raise ValueError(f"stage {self.name}: nobody learns, so samples must be 0")
        if EXO in self.learns and not self.worn:
            raise ValueError(f"stage {self.name}: a device that is not worn cannot learn; set worn to true")
        return self


class ExoTrainingConfig(CrowdConfig):
    """Everything that decides a training of an exoskeleton policy, but for device and human."""

    workers: Count
    termination: ExoTerminationConfig = ExoTerminationConfig()
    #: Whether the policy does on one leg what it would do on the other in the mirror image of the same situation.
    symmetric: bool = True
    reward: ExoRewardConfig
    human_reward: HumanRewardConfig
    stages: Annotated[tuple[StageConfig, ...], Field(min_length=1)]
    ppo: PpoConfig = PpoConfig()
    human_ppo: PpoConfig = PpoConfig()
    motor_adaptation: AdaptationConfig = AdaptationConfig()
    human_warm_up: Annotated[int, Field(ge=0)]  #: iterations in which only the human's critic learns

    @model_validator(mode="after")
    def _stages(self) -> ExoTrainingConfig:
        names = [stage.name for stage in self.stages]
        if len(set(names)) != len(names):
            raise ValueError(f"stages must have different names, got {', '.join(names)}")
        if not any(EXO in stage.learns for stage in self.stages):
            raise ValueError("no stage trains the exoskeleton; let one have exo in learns")
        return self


def load_exo_config(*paths: str | Path | None) -> ExoTrainingConfig:
    """Reads a training configuration, as `load_config`; fields that nobody changes keep the shipped defaults.

    Raises:
        SimError: unreadable, an unknown field or a value out of range; says which.
    """
    return load_config(ExoTrainingConfig, EXO_DEFAULTS, *paths)
