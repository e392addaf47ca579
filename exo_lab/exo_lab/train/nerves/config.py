# SPDX-License-Identifier: Apache-2.0
"""Settings of the training of nerves, checked; the defaults are in nerves.yaml of the folder above."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from exo_lab.rl.config import PpoConfig
from exo_lab.train.config import load_config
from exo_sim.human.senses import SENSES
from exo_sim.world.people import PeopleConfig

NERVES_DEFAULTS = "nerves.yaml"
Count = Annotated[int, Field(ge=1)]
NotNegative = Annotated[float, Field(ge=0.0)]
Positive = Annotated[float, Field(gt=0.0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Speed = Annotated[float, Field(ge=0.4, le=2.0)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DisturbanceConfig(_Model):
    """What goes wrong while people walk: pushes at the pelvis, senses and muscles that err."""

    push_every_s: Positive  #: on average
    push_force_n: NotNegative  #: largest, at the pelvis
    push_duration_s: tuple[Positive, Positive]
    sense_noise: dict[str, NotNegative]  #: standard deviation by sense, its unit
    motor_noise: NotNegative  #: standard deviation of the wanted activation, constant part
    motor_noise_share: NotNegative  #: the same in proportion to it

    @model_validator(mode="after")
    def _senses(self) -> DisturbanceConfig:
        unknown = set(self.sense_noise) - {sense.name for sense in SENSES}
        if unknown:
            raise ValueError(
                f"sense_noise: no sense {sorted(unknown)[0]}; there are {', '.join(sense.name for sense in SENSES)}"
            )
        return self


class AssistanceConfig(_Model):
    """What worn devices do: nothing, or torque of random profiles."""

    share: Share  #: of wearers' episodes with torque; in the others it is switched off
    level: Share  #: largest share of the device's torque limits
    timing_sd_stride: NotNegative  #: standard deviation of the profile's timing (share of a stride)


class TeacherConfig(_Model):
    """Who is imitated: checkpoints of humans who set joint targets; empty for those that come with the project."""

    healthy: str = ""
    impaired: str = ""


class ImitationConfig(_Model):
    """The first stage: the teacher's activations in the student's own states (Ross et al. 2011, DAgger)."""

    hidden_layers: tuple[Count, ...]
    rounds: Count
    round_steps: Count  #: control periods that everybody walks in a round
    teacher_rounds: Annotated[
        int, Field(ge=0)
    ]  #: in which the teacher steers a share of the people, which falls to none
    remembered: Count  #: newest observations that are learned from
    batch: Count  #: observations of a step of learning
    batches: Count  #: steps of learning in a round
    learning_rate: Positive  #: at first; falls evenly on a logarithmic scale
    last_learning_rate: Positive
    check_every_rounds: Count


class PriceConfig(_Model):
    """Of metabolic power: it rises only while nobody falls."""

    first: NotNegative  #: per W/kg and control period
    last: NotNegative
    rise_samples: Count  #: from first to last, while nobody falls
    #: Mean duration of episodes over the longest, from which the price rises, and below which it falls as fast.
    rise_from: Share
    fall_below: Share


class ReinforcementConfig(_Model):
    """The second stage: PPO on the wanted activations."""

    check_every_samples: Count
    #: Whose reward counts for walking: configurations of a walker's training, as `human`, of which later ones win.
    like: Annotated[tuple[str, ...], BeforeValidator(lambda like: (like,) if isinstance(like, str) else tuple(like))]
    walking: NotNegative  #: on that reward, without its terms of joint torque and action
    price: PriceConfig
    power_reference_w_kg: NotNegative  #: metabolic power that costs nothing
    beyond: NotNegative  #: penalty on the square of what is wanted beyond 0 to 1, summed over muscles
    #: Penalty for a fall, in units of the whole reward of a control period: dearer than what the discount lets one foresee.
    fall: NotNegative
    scale: Positive  #: on the whole reward, for the critic's sake
    #: Mean standard deviation of exploration, correlated as the last layer mixes muscles, and the share of it that is
    #: independent (in the spirit of Lattice: Chiappa et al. 2023, NeurIPS).
    exploration: Positive
    independent_share: Positive
    anchor: NotNegative  #: on the squared distance to the imitating network's mean, summed over muscles
    mirror: NotNegative  #: on the squared distance to the mirror image's mean, summed over muscles
    init_warm_up: Annotated[int, Field(ge=0)]  #: iterations in which only the critic learns
    ppo: PpoConfig


class NervesTrainingConfig(_Model):
    """Everything that decides a training of nerves."""

    workers: Count
    #: How many people walk in each worker with each device: by name or path, or none.
    wearers: Annotated[dict[str, Count], Field(min_length=1)]
    physics_rate_hz: Annotated[float, Field(ge=200, le=2000)]
    episode_s: Annotated[float, Field(gt=1)]
    practice_s: NotNegative  #: nobody gives way to somebody else before they have walked for so long
    speed_range_mps: tuple[Speed, Speed]
    speed_change_s: Positive  #: every how many seconds on average the commanded speed changes
    stops: Share  #: of speed changes and starts that are standing
    people: PeopleConfig
    disturbance: DisturbanceConfig
    assistance: AssistanceConfig
    teacher: TeacherConfig = TeacherConfig()
    imitation: ImitationConfig
    samples: Count  #: of the second stage: control periods (10 ms) of one person, in total
    reinforcement: ReinforcementConfig


def load_nerves_config(*paths: str | Path | None) -> NervesTrainingConfig:
    """Reads a configuration as `exo_lab.train.config.load_config`.

    Raises:
        SimError: unreadable, an unknown field or a value out of range; says which.
    """
    return load_config(NervesTrainingConfig, NERVES_DEFAULTS, *paths)
