# SPDX-License-Identifier: Apache-2.0
"""A device description says what an exoskeleton is, as one YAML file: joints, added mass, actuators, sensors.

The simulator builds the device from it, the safety supervisor takes its limits from it, and a driver the
names of its joints. Hip only, ankle only, hip and ankle are three files and no code.

Frames: positions are in MyoLegs body frames, which follow OpenSim: x forward, y up, z to the wearer's right (so lateral
is +z on the right leg and -z on the left). Signs of angles and torques are those of the MyoLegs joint.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from exo_core.yaml_file import YamlError, read_mapping

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

#: Heaviest part that is still worn rather than carried by a frame (kg): a guard against grams written as kilograms.
MAX_SEGMENT_MASS_KG = 15.0
#: Strongest laboratory hip-knee-ankle exoskeleton emulator: 250 Nm at the knee (Bryan et al. 2021, IJRR 40:722).
MAX_TORQUE_NM = 250.0
#: Largest torque per mass of the wearer (Nm/kg): more than any joint gives by itself in walking, whose largest moment
#: is that of the ankle at push-off, 1.6 Nm/kg (Winter 1991).
MAX_TORQUE_NM_PER_KG = 2.0
#: Fastest joint speed (rad/s): that of a knee in sprinting is about 20 rad/s. No walking joint comes near it.
MAX_VELOCITY_RAD_S = 25.0
#: Largest mechanical power (W): an ankle at push-off in running, some 13 W/kg. A wearable motor gives less.
MAX_POWER_W = 1000.0
#: Steepest torque (Nm/s): the strongest device here from nothing to all it has within 50 ms. No limb needs more, and
#: a torque sensor of 100 Hz would not see it come.
MAX_SLEW_NM_PER_S = 5000.0
#: Shortest way (rad) over which torque fades before an end of range: 1 degree, which a walking joint crosses within two
#: states of 100 Hz.
LEAST_TAPER_RAD = math.radians(1.0)
#: Slowest torque loop (Hz): one that takes longer than a step to follow assists nobody, and what it gives says nothing
#: of what it was asked for.
LEAST_BANDWIDTH_HZ = 1.0
#: Angles of healthy adults (rad), lowest and highest, with 10 to 20 degrees for those who bend further: the ranges of
#: motion of the American Academy of Orthopaedic Surgeons. A file that is in degrees, or has a sign wrong, lies outside.
ANATOMICAL_RANGE_RAD = {
    "hip_flexion": (math.radians(-50.0), math.radians(140.0)),
    "hip_adduction": (math.radians(-60.0), math.radians(45.0)),
    "hip_rotation": (math.radians(-65.0), math.radians(65.0)),
    "knee_angle": (math.radians(-15.0), math.radians(155.0)),
    "ankle_angle": (math.radians(-65.0), math.radians(45.0)),
    "subtalar_angle": (math.radians(-45.0), math.radians(45.0)),
    "mtp_angle": (math.radians(-90.0), math.radians(60.0)),
}
#: Voltages (V) of motors that are worn: below 6 V no such motor turns; over 60 V a direct voltage may kill whoever
#: touches it (protective extra-low voltage, IEC 60364-4-41).
BUS_VOLTAGE_RANGE_V = (6.0, 60.0)
#: Time constants (s) of a winding that can be worn: seconds for the copper alone, an hour for a motor of 10 kg.
THERMAL_TIME_CONSTANT_RANGE_S = (1.0, 3600.0)
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
    torque_limit_nm_per_kg: Annotated[float, Field(gt=0.0, le=MAX_TORQUE_NM_PER_KG)]
    #: Torque that the motor can give for ever without growing too hot (Nm, rated torque); None: no budget.
    continuous_torque_nm: Annotated[float, Field(gt=0.0, le=MAX_TORQUE_NM)] | None = None
    #: Time in which the winding's temperature follows its losses to 63 % (s).
    thermal_time_constant_s: Annotated[
        float, Field(ge=THERMAL_TIME_CONSTANT_RANGE_S[0], le=THERMAL_TIME_CONSTANT_RANGE_S[1])
    ] = 30.0
    #: Beyond this joint speed (rad/s, either direction) torque along the motion is gone and the device stops.
    velocity_limit_rad_s: Annotated[float, Field(gt=0.0, le=MAX_VELOCITY_RAD_S)]
    #: Largest mechanical power given to or taken from the limb (W).
    power_limit_w: Annotated[float, Field(gt=0.0, le=MAX_POWER_W)]
    #: Fastest change of torque (Nm/s).
    slew_limit_nm_per_s: Annotated[float, Field(gt=0.0, le=MAX_SLEW_NM_PER_S)]
    #: Joint angles between which the device may push (rad, MyoLegs sign): (lowest, highest).
    range_rad: tuple[Finite, Finite]
    #: Over this angle before each end of range_rad (rad) torque towards that end fades to zero.
    taper_rad: Annotated[float, Field(ge=LEAST_TAPER_RAD, allow_inf_nan=False)]
    #: -3 dB bandwidth of the closed torque loop as a first-order low-pass (Hz).
    bandwidth_hz: Annotated[float, Field(ge=LEAST_BANDWIDTH_HZ, le=1000.0)]
    #: Dead time from command to the first change of torque (s).
    delay_s: Annotated[float, Field(ge=0.0, le=0.1)]
    #: Rotor inertia seen at the joint, gear ratio squared included (kg m^2).
    reflected_inertia_kgm2: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
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
        return self

    def torque_limit(self, wearer_mass_kg: float) -> float:
        """Largest torque (Nm) allowed for a wearer of this mass (kg)."""
        return min(self.torque_limit_nm, self.torque_limit_nm_per_kg * wearer_mass_kg)


class AddedMass(_Model):
    """The mass that the device adds to one body segment, as one rigid part."""

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
    bus_voltage_v: Annotated[float, Field(ge=BUS_VOLTAGE_RANGE_V[0], le=BUS_VOLTAGE_RANGE_V[1])]

    @field_validator("joints")
    @classmethod
    def _joints_exist(cls, value: dict[str, JointSpec]) -> dict[str, JointSpec]:
        _check_names("joint", value, [f"{joint}_{side}" for joint in DRIVABLE_JOINTS for side in SIDES])
        for name, joint in value.items():
            lowest, highest = ANATOMICAL_RANGE_RAD[name.rpartition("_")[0]]
            if joint.range_rad[0] < lowest or joint.range_rad[1] > highest:
                raise ValueError(
                    f"range_rad of {name} must lie within what people can do, [{lowest:.2f}, {highest:.2f}] (radians), "
                    f"got [{joint.range_rad[0]:g}, {joint.range_rad[1]:g}]"
                )
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
        raise DeviceError(f"{path}: {validation_line(error)}") from error


def _segment_names() -> list[str]:
    return [MIDLINE_SEGMENT] + [f"{segment}_{side}" for segment in STRAPPABLE_SEGMENTS for side in SIDES]


def _check_names(kind: str, names: Iterable[str], allowed: list[str]) -> None:
    for name in names:
        if name not in allowed:
            raise ValueError(f"unknown {kind} '{name}'; allowed: {', '.join(allowed)}")


def validation_line(error: ValidationError) -> str:
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
