# SPDX-License-Identifier: Apache-2.0
"""Settings of the human's training, checked; the defaults are in human.yaml beside this file."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from exo_core.yaml_file import YamlError, parse_mapping, read_yaml
from exo_lab.rl.config import PpoConfig
from exo_sim.errors import SimError
from exo_sim.human.walkers import FALL_HEIGHT_SHARE, FALL_UP_COSINE
from exo_sim.world.people import PeopleConfig

Weight = Annotated[float, Field(ge=0.0, le=10.0)]
Config = TypeVar("Config", bound=BaseModel)
Speed = Annotated[float, Field(ge=0.5, le=2.0)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Range = tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]


HUMAN_DEFAULTS = "human.yaml"
#: Names that sections of a configuration had before; files and run folders of then go on loading.
FORMER_NAMES = {"leniency": "tolerance", "habits": "motor_adaptation"}


def with_present_names(fields: dict) -> dict:
    """The same sections, each under the name that it has today."""
    return {FORMER_NAMES.get(name, name): value for name, value in fields.items()}


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RewardConfig(_Model):
    """Weights of the reward's terms (rewards.IMITATION_TERMS), each followed by its parameters.

    The positive terms are each at most their weight per step. A width w belongs to exp(-w e^2) of an error e: at
    1/sqrt(w) the term has fallen to 1/e.
    """

    pose: Weight  #: weighted joint angle error
    pose_width: Positive  #: 1/rad^2
    pose_fine: Weight  #: the same, narrower: it counts once walking works
    pose_fine_width: Positive  #: 1/rad^2
    rate: Weight  #: joint rates
    rate_width: Positive  #: 1/(rad/s)^2
    velocity: Weight  #: walking speed and no sideways drift, at every moment
    velocity_width: Positive  #: 1/(m/s)^2, of the velocity within the stride, which sways by 0.1 m/s
    mean_speed: Weight  #: walking speed over about a stride
    mean_speed_scale_mps: Positive  #: at this error it has fallen to 1/e; exp(-|e|) pulls however small the error
    mean_speed_time_s: Positive  #: time constant of the mean: half a stride, so that it follows the commanded ramps
    straight: Weight  #: no sideways velocity over a stride
    straight_width: Positive  #: 1/(m/s)^2
    even: Weight  #: the errors of both legs are alike over a stride
    even_width: Positive  #: 1/rad^2, of the mean squared difference between right and left joint errors
    side_time_s: Positive  #: time constant of what tells left from right: a stride, whose sway would otherwise remain
    moment: Weight  #: joint moments as measured on people
    moment_width: Positive  #: 1/(Nm/kg)^2, of the weighted mean squared correction to the usual moments
    force: Weight  #: ground reaction force as measured on people
    force_width: Positive  #: 1/BW^2
    forward_force_share: (
        Positive  #: fore-aft forces are a sixth of vertical ones: their squared errors count so much more
    )
    contact: Weight  #: feet on the floor when the reference has them there
    contact_threshold_bw: Positive  #: a foot bears load from this vertical force on
    contact_tolerance_stride: Share  #: so near to heel strike and toe-off contact may be either way, share of a stride
    upright: Weight  #: trunk upright, heading kept
    upright_width: Positive  #: of the squared sine of the trunk's tilt: half is lost at 10 degrees
    heading_share: NotNegative  #: 1/rad^2, of squared heading against tilt
    angular_rate_share: NotNegative  #: (s/rad)^2, of squared angular rate against tilt
    effort: Weight  #: low mean squared activation
    effort_width: Positive  #: of mean squared activation
    action: Weight  #: penalty on squared action
    impact: Weight  #: penalty on vertical force beyond impact_threshold_bw, per body weight
    impact_threshold_bw: Positive


class TerminateBelow(_Model):
    """An episode of training ends here: earlier than with a fall, so that a hopeless stumble is not learned from.

    What counts as a fall is decided in one place, `Walkers.fallen`, and is lower.
    """

    height_share: Annotated[float, Field(ge=FALL_HEIGHT_SHARE, lt=1)]  #: of standing height
    up_cosine: Annotated[float, Field(ge=FALL_UP_COSINE, lt=1)]  #: of the trunk's tilt


class TerminationConfig(_Model):
    """An episode ends below a posture, or when the body has lost the reference."""

    terminate_below: TerminateBelow
    max_heading_rad: Annotated[float, Field(gt=0)]
    max_pose_error: Annotated[float, Field(gt=0)]  #: weighted squared angle error, rad^2


class ToleranceConfig(_Model):
    """What is asked less of an impaired person, at a full deficit (1: strength 25 % or less); see Tolerance in rewards.py."""

    imitation: Share = 0.85  #: taken off what the errors of the impaired leg count for
    other_leg: Share = 0.4  #: share of a leg's deficit that excuses the other leg too
    speed_error: Share = 0.5  #: taken off what the error of the speed counts for
    tilt: Share = 0.5  #: taken off what tilt and heading count for
    slower: Share = 0.6  #: of the range of commanded speeds, taken off its upper end
    effort: Annotated[float, Field(ge=0, le=100)] = (
        0.0  #: added to what effort counts for, as a multiple: the weak tire sooner
    )
    #: An impaired person's episode ends below this posture or beyond this heading (rad); how far the gait is from the
    #: reference ends nothing.
    terminate_below: TerminateBelow = TerminateBelow(height_share=0.72, up_cosine=0.80)
    max_heading_rad: Annotated[float, Field(gt=0)] = 1.0


class CompensationConfig(_Model):
    """How a walker that there is learns to make up for weakness; see compensations.py and teaching.py."""

    candidates: Annotated[int, Field(ge=4)] = 16  #: adaptations tried in a generation
    generations: Annotated[int, Field(ge=1)] = 40
    trial_s: Annotated[float, Field(gt=0)] = 5.0  #: walk with each of them
    settle_s: Annotated[float, Field(ge=0)] = 1.2  #: its beginning, which does not count
    #: Of the first candidates, for the mean of the strengths: fraction of healthy force, and units of action.
    strength_sd: Annotated[float, Field(gt=0)] = 0.15
    posture_sd: Annotated[float, Field(gt=0)] = 0.05
    #: Walks at each strength: commanded speed, and phase of the stride that it begins in.
    speeds_mps: tuple[Speed, ...] = (0.8, 1.2)
    phases: tuple[Share, ...] = (0.1, 0.6)
    #: Strengths that people of a search have; `others` where a weakness is not named.
    strengths: dict[str, tuple[Share, ...]] = {"others": (0.5, 0.25)}
    #: An adaptation is kept only if it earns this share more than none, averaged over the strengths.
    smallest_gain: Share = 0.04
    rounds: Annotated[int, Field(ge=1)] = 30  #: of teaching
    round_steps: Annotated[int, Field(ge=1)] = 200  #: walked in each round, by everybody
    remembered: Annotated[int, Field(ge=1)] = 200_000  #: newest observations that are learned from
    batch: Annotated[int, Field(ge=1)] = 1024  #: observations of a step of learning
    batches: Annotated[int, Field(ge=1)] = 100  #: steps of learning in a round
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3  #: at first; falls evenly on a logarithmic scale
    last_learning_rate: Annotated[float, Field(gt=0)] = 2e-5

    @model_validator(mode="after")
    def _pairs(self) -> CompensationConfig:
        if len(self.speeds_mps) != len(self.phases):
            raise ValueError("speeds_mps and phases must have the same length")
        if "others" not in self.strengths or not all(self.strengths.values()):
            raise ValueError("strengths must name others, and at least one strength each")
        if self.settle_s >= self.trial_s:
            raise ValueError("settle_s must be shorter than trial_s")
        return self

    def strengths_of(self, weakness: str) -> tuple[float, ...]:
        """Strengths of the people who have this weakness."""
        return self.strengths.get(weakness, self.strengths["others"])


class DisturbanceConfig(_Model):
    """What goes wrong while people walk."""

    push_every_s: Annotated[float, Field(gt=0)]  #: on average
    push_force_n: Annotated[float, Field(ge=0)]  #: largest, at the pelvis
    push_duration_s: Range
    sensor_noise: dict[str, float]  #: standard deviation by observation term, its unit


class CurriculumStage(_Model):
    """Holds once episodes have lasted `after_episode_s` on average."""

    after_episode_s: Annotated[float, Field(ge=0)]
    speed_range_mps: tuple[Speed, Speed]
    assistance: Share  #: largest share of the device's torque limits
    body_spread: Share  #: share of the ranges of size and strength
    variation: Share  #: of friction, mass distribution and servo gain
    disturbance: Share  #: of pushes and sensor noise
    stops: Share  #: share of speed changes and starts that are standing
    deficit: Share = 1.0  #: share of the ranges of impairments


class HumanTrainingConfig(_Model):
    """Everything that decides a training of the human."""

    envs_per_worker: Annotated[int, Field(ge=1)]
    workers: Annotated[int, Field(ge=1)]
    physics_rate_hz: Annotated[float, Field(ge=200, le=2000)]
    episode_s: Annotated[float, Field(gt=1)]
    samples: Annotated[int, Field(ge=1)]
    #: Every how many samples the policy is tried without exploration; the best one is kept beside the newest.
    check_every_samples: Annotated[int, Field(ge=1)]
    #: Joints' weights in pose and rate error, order of LEG_JOINTS.
    joint_weights: tuple[Weight, Weight, Weight, Weight, Weight, Weight, Weight]
    #: Every how many seconds on average the commanded speed changes within an episode.
    speed_change_s: Annotated[float, Field(gt=0)]
    #: A place goes to another person once its person has walked for so long (s), however often they fell on the way:
    #: who falls with the first step would otherwise be a hundredth of what is learned from. 0: one episode each.
    practice_s: Annotated[float, Field(ge=0)] = 0.0
    #: Devices worn, by worker in turn: a path, or none for no device.
    devices: tuple[str, ...]
    people: PeopleConfig
    disturbance: DisturbanceConfig
    reward: RewardConfig
    termination: TerminationConfig
    tolerance: ToleranceConfig = ToleranceConfig()
    compensations: CompensationConfig = CompensationConfig()
    curriculum: tuple[CurriculumStage, ...]
    ppo: PpoConfig = PpoConfig()
    #: Iterations in which only the critic learns, where the policy begins as that of a checkpoint: a critic that knows
    #: nothing yet would spoil it with the first update.
    init_warm_up: Annotated[int, Field(ge=0)] = 20


def load_training_config(*paths: str | Path | None) -> HumanTrainingConfig:
    """Reads a training configuration, as `load_config`; fields that nobody changes keep the shipped defaults.

    Raises:
        SimError: unreadable, an unknown field or a value out of range; says which.
    """
    return load_config(HumanTrainingConfig, HUMAN_DEFAULTS, *paths)


def load_config(model: type[Config], default_file: str, *paths: str | Path | None) -> Config:
    """A configuration of this model from the shipped defaults and the changes in YAML files, of which later ones win.

    A name without a suffix, as `impaired`, is a shipped file beside the defaults, unless there is a file of that name.
    None stands for no changes.

    Raises:
        SimError: as `load_training_config`.
    """
    merged = shipped_defaults(default_file)
    given = [path for path in paths if path]
    try:
        for path in given:
            merged = merged_sections(merged, _changes(path))
        return model.model_validate(merged)
    except (ValidationError, TypeError) as error:
        detail = error.errors(include_url=False)[0] if isinstance(error, ValidationError) else None
        text = f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" if detail else str(error)
        raise SimError(f"{', '.join(map(str, given)) or default_file}: {text}") from error


def _changes(path: str | Path) -> dict:
    try:
        shipped = resources.files(__package__) / f"{path}.yaml"
        file = shipped if not Path(path).exists() and Path(path).name == str(path) and shipped.is_file() else Path(path)
        content = read_yaml(file)
    except YamlError as error:
        raise SimError(str(error)) from error
    if not isinstance(content or {}, dict):
        raise SimError(f"{path}: expected fields of the training's configuration, got {type(content).__name__}")
    return with_present_names(content or {})


def shipped_defaults(file: str) -> dict:
    """Content of a YAML file beside this module."""
    text = (resources.files(__package__) / file).read_text(encoding="utf-8")
    return parse_mapping(text, file, "the defaults of a training")


def merged_sections(base: dict, changes: dict) -> dict:
    """The base with the changes, section by section."""
    result = dict(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        result[key] = merged_sections(base[key], value) if both else value
    return result
