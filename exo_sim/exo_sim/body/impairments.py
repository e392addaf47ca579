# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with a person's muscles, nerves and joints, as data that can be combined at will.

Each impairment changes what it names and nothing else. How it works on the body: impaired_body.py.
Contradictions are refused with the reason.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from exo_sim.body.muscle_groups import MUSCLES_BY_SIDE, muscles_of
from exo_sim.errors import SimError
from exo_sim.gait.reference import JOINTS

#: Angle of every joint in upright standing (rad).
STANDING_ANGLE_RAD = 0.0
#: Range of the joints in MyoLegs (rad), from Rajagopal et al. 2016; a test compares them with the model.
_RANGES_RAD = {
    "hip_flexion": (-0.5236, 2.0944),
    "hip_adduction": (-0.8727, 0.5236),
    "hip_rotation": (-0.6981, 0.6981),
    "knee_angle": (0.0, 2.0944),
    "ankle_angle": (-0.6981, 0.5236),
    "subtalar_angle": (-0.3491, 0.3491),
    "mtp_angle": (-0.5236, 0.5236),
}
_OPPOSED = {
    "hip_flexion": ("hip_flexors", "hip_extensors"),
    "hip_adduction": ("hip_adductors", "hip_abductors"),
    "knee_angle": ("knee_flexors", "knee_extensors"),
    "ankle_angle": ("dorsiflexors", "plantarflexors"),
}
#: Muscle groups, with their side, that turn a joint one way and the other.
ANTAGONISTS: dict[str, tuple[str, str]] = {
    f"{joint}_{side}": tuple(f"{group}_{side}" for group in groups)
    for side in ("r", "l")
    for joint, groups in _OPPOSED.items()
}


def healthy_range(joint: str) -> tuple[float, float]:
    """Lowest and highest angle (rad) of a joint with its side.

    Raises:
        ValueError: no such joint; says which there are.
    """
    if joint not in JOINTS:
        raise ValueError(f"unknown joint '{joint}'; allowed: {', '.join(JOINTS)}")
    return _RANGES_RAD[joint[:-2]]


Angle = Annotated[float, Field(ge=-3.2, le=3.2)]


class Contracture(BaseModel):
    """A joint that has grown stiff: a spring beside the muscles' passive forces, a smaller range, or both."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Passive stiffness on top of the muscles' own (Nm/rad), linear about `rest_rad`. That paretic ankles are stiffer
    #: than others is measured in both directions (Roy et al. 2013, J Rehabil Res Dev 50:555).
    stiffness_nm_per_rad: Annotated[float, Field(ge=0.0, le=200.0)] = 0.0
    #: Angle at which that spring is slack (rad, MyoLegs' sign); 0 is upright standing.
    rest_rad: Angle = 0.0
    #: Range that is left (rad, MyoLegs' sign): (lowest, highest). Within the healthy range, around upright standing.
    range_rad: tuple[Angle, Angle] | None = None


class Spasticity(BaseModel):
    """Stretch reflex: excitation that grows with the velocity of a muscle's lengthening (Lance 1980).

    It comes 30 ms after the stretch and adds to the excitation that is wanted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Excitation (0 to 1) per lengthening velocity beyond the threshold (optimal fibre lengths per second).
    gain: Annotated[float, Field(gt=0.0, le=5.0)]
    #: Lengthening velocity (optimal fibre lengths per second) from which the reflex answers.
    threshold: Annotated[float, Field(ge=0.0, le=10.0)] = 0.0


class Impairments(BaseModel):
    """Impairments of one person; what is left out is healthy.

    Muscles are named by group and side (plantarflexors_r) or one by one (soleus_r). A muscle that belongs to two of
    the groups named is as bad off as the worse of the two says.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Maximum isometric force as a fraction of the model's, by muscle group and side, e.g. plantarflexors_r, or by
    #: muscle, e.g. soleus_r.
    strengths: dict[str, Annotated[float, Field(ge=0.0, le=2.0)]] = Field(default_factory=dict)
    #: Why what `strengths` names is weak: `neural` (not driven: the muscle keeps its mass, and costs energy for it; the
    #: default), `atrophy` (the mass has shrunk with the force), or the share of the lost force that goes with lost mass,
    #: 0 to 1: in old age about a third.
    weakness: dict[str, Literal["neural", "atrophy"] | Annotated[float, Field(ge=0.0, le=1.0)]] = Field(
        default_factory=dict
    )
    #: Stiff joints, by joint and side, e.g. ankle_angle_r.
    contractures: dict[str, Contracture] = Field(default_factory=dict)
    #: Stretch reflexes, by muscle group and side or by muscle.
    spasticity: dict[str, Spasticity] = Field(default_factory=dict)
    #: Factor on the time constants of activation and deactivation (healthy: 10 and 40 ms), by muscle group and side or
    #: by muscle.
    activation_slowdown: dict[str, Annotated[float, Field(ge=1.0, le=10.0)]] = Field(default_factory=dict)
    #: Factor on the time constant of deactivation alone, on top of that, by muscle group and side or by muscle.
    deactivation_slowdown: dict[str, Annotated[float, Field(ge=1.0, le=10.0)]] = Field(default_factory=dict)
    #: Least excitation of the muscles on both sides of a joint, by joint and side: hip_flexion, hip_adduction,
    #: knee_angle, ankle_angle.
    co_contraction: dict[str, Annotated[float, Field(ge=0.0, le=0.5)]] = Field(default_factory=dict)

    @field_validator("strengths", "weakness", "spasticity", "activation_slowdown", "deactivation_slowdown")
    @classmethod
    def _known_muscles(cls, value: dict) -> dict:
        for name in value:
            try:
                muscles_of(name)
            except SimError as error:
                raise ValueError(str(error)) from None
        return value

    @field_validator("strengths", "spasticity", "activation_slowdown", "deactivation_slowdown", "weakness")
    @classmethod
    def _group_and_muscle_agree(cls, value: dict) -> dict:
        groups = {name: what for name, what in value.items() if name not in MUSCLES_BY_SIDE and what != 1.0}
        for muscle in set(value) & set(MUSCLES_BY_SIDE):
            for group, what in groups.items():
                if muscle in muscles_of(group) and what != value[muscle]:
                    raise ValueError(
                        f"{muscle} is {_words(value[muscle])} by its name, but {_words(what)} as one of "
                        f"{group}; name the muscles of the group one by one instead"
                    )
        return value

    @field_validator("contractures")
    @classmethod
    def _possible_contractures(cls, value: dict[str, Contracture]) -> dict[str, Contracture]:
        for joint, contracture in value.items():
            low, high = healthy_range(joint)
            left = contracture.range_rad
            if left is None and contracture.stiffness_nm_per_rad == 0.0:
                raise ValueError(f"{joint}: give stiffness_nm_per_rad, range_rad or both")
            if contracture.rest_rad != 0.0 and contracture.stiffness_nm_per_rad == 0.0:
                raise ValueError(f"{joint}: rest_rad is of a spring that stiffness_nm_per_rad does not give")
            if left is not None and not low <= left[0] < left[1] <= high:
                raise ValueError(
                    f"{joint}: range_rad must be (lowest, highest) within the healthy range of "
                    f"{low:g} to {high:g} rad; a contracture takes range away"
                )
            if left is not None and not left[0] <= STANDING_ANGLE_RAD <= left[1]:
                raise ValueError(
                    f"{joint}: range_rad must contain upright standing ({STANDING_ANGLE_RAD:g} rad); "
                    "for a joint that is drawn away from it, give a stiff spring a rest_rad"
                )
            low, high = left or (low, high)
            if not low <= contracture.rest_rad <= high:
                raise ValueError(f"{joint}: rest_rad must lie within the range of {low:g} to {high:g} rad")
        return value

    @field_validator("co_contraction")
    @classmethod
    def _joint_with_antagonists(cls, value: dict[str, float]) -> dict[str, float]:
        for joint in value:
            if joint not in ANTAGONISTS:
                raise ValueError(f"no antagonists are known of '{joint}'; allowed: {', '.join(ANTAGONISTS)}")
        return value

    @model_validator(mode="after")
    def _consistent(self):
        for name in self.weakness:
            if name not in self.strengths:
                raise ValueError(f"weakness: {name} has no entry in strengths that this could be the cause of")
        gone = {muscle for name, strength in self.strengths.items() if strength == 0.0 for muscle in muscles_of(name)}
        for name in self.spasticity:
            if gone.issuperset(muscles_of(name)):
                raise ValueError(f"spasticity: {name} has strength 0: no force is left that a reflex could call up")
        return self

    @property
    def impaired(self) -> bool:
        """Whether anything but full strength, or more, is said."""
        return bool(
            self.contractures
            or self.spasticity
            or any(strength < 1.0 for strength in self.strengths.values())
            or any(factor > 1.0 for factor in self.activation_slowdown.values())
            or any(factor > 1.0 for factor in self.deactivation_slowdown.values())
            or any(least > 0.0 for least in self.co_contraction.values())
        )

    @property
    def only(self) -> Impairments:
        """The impairments of a subject, without who it is."""
        return Impairments(**{name: getattr(self, name) for name in Impairments.model_fields})

    def text(self) -> str:
        """The impairments as one line of YAML, which `make_impairments` reads; {} for a healthy person."""
        fields = self.only.model_dump(mode="json", exclude_defaults=True)
        return yaml.safe_dump(fields, default_flow_style=True, sort_keys=False, width=math.inf).strip()


def _words(value: object) -> str:
    if isinstance(value, BaseModel):
        return ", ".join(f"{name} {number:g}" for name, number in value.model_dump().items())
    return f"{value:g}" if isinstance(value, float) else str(value)
