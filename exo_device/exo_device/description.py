# SPDX-License-Identifier: Apache-2.0
"""What an exoskeleton is, as one YAML file: joints, added mass, actuators, sensors.

The simulator builds the device from it, the safety supervisor takes its limits from it, and a driver the
names of its joints. Hip only, ankle only, hip and ankle are three files and no code.

Frames: positions are in MyoLegs body frames, which follow OpenSim: x forward, y up, z to the wearer's right
(so lateral is +z on the right leg and -z on the left). Signs of angles and torques are those of the MyoLegs
joint.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

from exo_core.yaml_file import YamlError, read_mapping
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

SIDES = ("r", "l")
#: Joints of MyoLegs a device may drive, without the side.
DRIVABLE_JOINTS = (
    "hip_flexion",
    "hip_adduction",
    "hip_rotation",
    "knee_angle",
    "ankle_angle",
    "subtalar_angle",
    "mtp_angle",
)
#: Bodies of MyoLegs a device may be strapped to, without the side.
STRAPPABLE_SEGMENTS = ("femur", "tibia", "talus", "calcn", "toes")
MIDLINE_SEGMENT = "pelvis"

#: Heaviest part that is still worn rather than carried by a frame (kg): a guard against grams written as
#: kilograms.
MAX_SEGMENT_MASS_KG = 15.0
#: Strongest laboratory hip-knee-ankle exoskeleton emulator: 250 Nm at the knee (Bryan et al. 2021, IJRR
#: 40:722).
MAX_TORQUE_NM = 250.0
#: Wearer masses that the published assistance was tried on lie far inside these bounds (kg).
WEARER_MASS_RANGE_KG = (20.0, 200.0)

Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Vector3 = tuple[Finite, Finite, Finite]


class DeviceError(ValueError):
    """The device description cannot be used; the message is one line that says where and what is allowed."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Strap(_Model):
    """Compliance between the actuator's frame and the limb, about the joint's axis."""

    stiffness_nm_per_rad: Positive
    damping_nms_per_rad: NotNegative = 0.0


class JointSpec(_Model):
    """One driven joint: what the actuator can do and what it is allowed to do."""

    #: Largest torque, either sign (Nm), whoever wears the device.
    torque_limit_nm: Annotated[float, Field(gt=0.0, le=MAX_TORQUE_NM)]
    #: Largest torque per mass of the wearer (Nm/kg). The smaller of the two limits holds.
    torque_limit_nm_per_kg: Positive
    #: Torque that the motor can give for ever without growing too hot (Nm, rated torque); None: no budget.
    continuous_torque_nm: Positive | None = None
    #: Time in which the winding's temperature follows its losses to 63 % (s).
    thermal_time_constant_s: Positive = 30.0
    #: Beyond this joint speed (rad/s, either direction) torque along the motion is gone and the device stops.
    velocity_limit_rad_s: Positive
    #: Largest mechanical power given to or taken from the limb (W).
    power_limit_w: Positive
    #: Fastest change of torque (Nm/s).
    slew_limit_nm_per_s: Positive
    #: Joint angles between which the device may push (rad, MyoLegs sign): (lowest, highest).
    range_rad: tuple[Finite, Finite]
    #: Over this angle before each end of range_rad (rad) torque towards that end fades to zero.
    taper_rad: Positive
    #: -3 dB bandwidth of the closed torque loop as a first-order low-pass (Hz).
    bandwidth_hz: Positive
    #: Dead time from command to the first change of torque (s).
    delay_s: Annotated[float, Field(ge=0.0, le=0.1)]
    #: Rotor inertia seen at the joint, gear ratio squared included (kg m^2).
    reflected_inertia_kgm2: NotNegative = 0.0
    #: None: the actuator is rigidly coupled to the limb.
    strap: Strap | None = None

    @model_validator(mode="after")
    def _range_has_room_for_both_tapers(self) -> JointSpec:
        low, high = self.range_rad
        if high - low <= 2.0 * self.taper_rad:
            raise ValueError(
                f"range_rad must be [lowest, highest] and wider than two taper_rad "
                f"({2.0 * self.taper_rad:g} rad), got [{low:g}, {high:g}]"
            )
        if max(abs(low), abs(high)) > 2.0 * math.pi:
            raise ValueError(f"range_rad must be in radians, within one turn, got [{low:g}, {high:g}]")
        return self

    def torque_limit(self, wearer_mass_kg: float) -> float:
        """Largest torque (Nm) allowed for a wearer of this mass (kg)."""
        return min(self.torque_limit_nm, self.torque_limit_nm_per_kg * wearer_mass_kg)


class AddedMass(_Model):
    """What the device adds to one body segment, as one rigid part."""

    mass_kg: Annotated[float, Field(gt=0.0, le=MAX_SEGMENT_MASS_KG)]
    #: Centre of mass in the segment's body frame (m).
    com_m: Vector3
    #: Principal moments about the centre of mass, axes parallel to the body frame (kg m^2).
    inertia_kgm2: tuple[Positive, Positive, Positive]

    @field_validator("inertia_kgm2")
    @classmethod
    def _triangle_inequality(cls, value: tuple[float, float, float]) -> tuple[float, float, float]:
        a, b, c = sorted(value)
        if a + b < c:
            raise ValueError(f"no rigid body has them: the largest ({c:g}) exceeds the sum of the others")
        return value


class ImuSpec(_Model):
    """Inertial sensor. Its frame (REP-145): x forward, y left, z up when the wearer stands upright."""

    segment: str
    frame_id: str = "pelvis_imu"
    #: Position in the segment's body frame (m).
    position_m: Vector3 = (0.0, 0.0, 0.0)
    #: Standard deviations per sample.
    gyro_noise_rad_s: NotNegative = 0.0
    accel_noise_m_s2: NotNegative = 0.0
    orientation_noise_rad: NotNegative = 0.0


class JointSensorSpec(_Model):
    """Noise of the joint sensors: standard deviations per sample."""

    position_noise_rad: NotNegative = 0.0
    velocity_noise_rad_s: NotNegative = 0.0
    torque_noise_nm: NotNegative = 0.0


class DeviceDescription(_Model):
    """A whole device. `joints` keeps the order of the file: it is the order of names in every message."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    description: str = ""
    joints: Annotated[dict[str, JointSpec], Field(min_length=1)]
    segments: dict[str, AddedMass] = Field(default_factory=dict)
    imu: ImuSpec
    joint_sensors: JointSensorSpec = JointSensorSpec()
    #: Hottest motor case allowed (degC).
    temperature_limit_c: Annotated[float, Field(gt=20.0, le=150.0)]
    #: Nominal voltage of the motor supply (V).
    bus_voltage_v: Positive

    @field_validator("joints")
    @classmethod
    def _joints_exist(cls, value: dict[str, JointSpec]) -> dict[str, JointSpec]:
        _check_names("joint", value, [f"{joint}_{side}" for joint in DRIVABLE_JOINTS for side in SIDES])
        return value

    @field_validator("segments")
    @classmethod
    def _segments_exist(cls, value: dict[str, AddedMass]) -> dict[str, AddedMass]:
        _check_names("segment", value, _segment_names())
        return value

    @model_validator(mode="after")
    def _imu_segment_exists(self) -> DeviceDescription:
        _check_names("imu segment", [self.imu.segment], _segment_names())
        return self

    @property
    def joint_names(self) -> tuple[str, ...]:
        """Driven joints in the order of the file."""
        return tuple(self.joints)

    @property
    def mass_kg(self) -> float:
        """Mass of the whole device (kg)."""
        return sum(part.mass_kg for part in self.segments.values())

    def torque_limits(self, wearer_mass_kg: float) -> tuple[float, ...]:
        """Largest torque per joint (Nm, order of joint_names) for a wearer of this mass (kg).

        Raises DeviceError for a mass nobody has, which would otherwise scale the limits.
        """
        low, high = WEARER_MASS_RANGE_KG
        if not low <= wearer_mass_kg <= high:
            raise DeviceError(f"wearer mass must be {low:g} to {high:g} kg, got {wearer_mass_kg:g}")
        return tuple(joint.torque_limit(wearer_mass_kg) for joint in self.joints.values())


def load_device(path: str | Path) -> DeviceDescription:
    """Reads and checks a device YAML. Raises DeviceError with one line: file, field, what is allowed."""
    path = Path(path)
    try:
        return DeviceDescription.model_validate(read_mapping(path, "a device: name, joints, segments, imu, ..."))
    except YamlError as error:
        raise DeviceError(str(error)) from error
    except ValidationError as error:
        raise DeviceError(f"{path}: {_one_line(error)}") from error


def _segment_names() -> list[str]:
    return [MIDLINE_SEGMENT] + [f"{segment}_{side}" for segment in STRAPPABLE_SEGMENTS for side in SIDES]


def _check_names(kind: str, names, allowed: list[str]) -> None:
    for name in names:
        if name not in allowed:
            raise ValueError(f"unknown {kind} '{name}'; allowed: {', '.join(allowed)}")


def _one_line(error: ValidationError) -> str:
    """First problem of a pydantic error, as `field: what is wrong (got value)`, and the number of others."""
    problems = error.errors(include_url=False)
    first = problems[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        text = "unknown field (a typing error?)"
    elif first["type"] == "missing":
        text = "this field is missing"
    else:
        text = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
        value = first.get("input")
        if isinstance(value, (int, float, str)):
            text += f" (got {value!r})"
    more = f" (and {len(problems) - 1} more problems)" if len(problems) > 1 else ""
    return f"{field + ': ' if field else ''}{text}{more}"
