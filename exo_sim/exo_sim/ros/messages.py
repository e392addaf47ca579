# SPDX-License-Identifier: Apache-2.0
"""Samples and strides as ROS messages."""

from __future__ import annotations

from array import array

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, PoseStamped, Quaternion, Vector3
from sensor_msgs.msg import Imu, JointState

from exo_core.errors import one_line
from exo_msgs.msg import HumanState, MotorStates, Stride
from exo_msgs.msg import Subject as SubjectMessage
from exo_sim.body.subject import Subject
from exo_sim.gait.reference import JOINTS
from exo_sim.gait.stride_metrics import StrideMetrics
from exo_sim.plant.sample import MotorSample, SimulationSample

#: REP 105; the floor of the walk, which is also the root of /tf.
ODOMETRY_FRAME = "odom"

_NANOSECONDS = 1_000_000_000
_STRIDE_NUMBERS = (
    "duration",
    "stance_percent",
    "stride_length",
    "step_length",
    "step_width",
    "speed",
    "cadence",
    "metabolic_power_per_mass",
    "metabolic_cost",
    "exo_positive_work",
    "exo_negative_work",
    "symmetry_step_length",
    "symmetry_stance_time",
)


def stamp(t: float) -> Time:
    """Time message of sim time t (s), to the nanosecond."""
    total = round(t * _NANOSECONDS)
    return Time(sec=total // _NANOSECONDS, nanosec=total % _NANOSECONDS)


def motor_states(sample: MotorSample, time: Time, sequence: int, imu_frame: str) -> MotorStates:
    """Motors and IMU."""
    message = MotorStates(
        sequence=sequence % 2**32,
        names=list(sample.names),
        position=_doubles(sample.position),
        velocity=_doubles(sample.velocity),
        torque=_doubles(sample.torque),
        temperature=_floats(sample.temperature),
        error=array("I", [0] * len(sample.names)),
        bus_voltage=float(sample.bus_voltage),
    )
    message.header.stamp = time
    message.imu = Imu(
        orientation=_quaternion(sample.orientation_xyzw),
        angular_velocity=_vector(sample.angular_velocity),
        linear_acceleration=_vector(sample.linear_acceleration),
    )
    message.imu.header.stamp = time
    message.imu.header.frame_id = imu_frame
    return message


def human_state(sample: SimulationSample, time: Time, body_mass: float) -> HumanState:
    """What no device can measure; gait phase, contact and the node's own state are the caller's to fill in."""
    message = HumanState(
        commanded_speed=sample.commanded_speed,
        metabolic_power=sample.metabolic_power,
        metabolic_power_per_mass=sample.metabolic_power / body_mass,
        metabolic_power_umberger_per_mass=sample.metabolic_power_umberger / body_mass,
        grf_r=_vector(sample.grf["r"]),
        grf_l=_vector(sample.grf["l"]),
        cop_r=_point(sample.centre_of_pressure["r"]),
        cop_l=_point(sample.centre_of_pressure["l"]),
        muscle_names=list(sample.muscles),
        excitation=_floats(sample.excitation),
        activation=_floats(sample.activation),
        muscle_force=_floats(sample.muscle_force),
        fallen=sample.fallen,
    )
    message.header.stamp = time
    message.header.frame_id = ODOMETRY_FRAME
    return message


def joint_states(sample: SimulationSample, time: Time) -> JointState:
    """Every joint of the body; effort is the net joint moment (Nm)."""
    message = JointState(
        name=list(JOINTS),
        position=_doubles(sample.joint_angle),
        velocity=_doubles(sample.joint_velocity),
        effort=_doubles(sample.joint_moment),
    )
    message.header.stamp = time
    return message


def root_pose(sample: SimulationSample, time: Time) -> PoseStamped:
    """Pelvis in the odometry frame."""
    message = PoseStamped()
    message.header.stamp = time
    message.header.frame_id = ODOMETRY_FRAME
    message.pose.position = _point(sample.root_position)
    message.pose.orientation = _quaternion(sample.root_orientation_xyzw)
    return message


def stride(metrics: StrideMetrics, time: Time) -> Stride:
    """One closed stride."""
    message = Stride(
        side=Stride.RIGHT if metrics.side == "r" else Stride.LEFT,
        index=metrics.index,
        start=stamp(metrics.start),
        end=stamp(metrics.end),
        joint_names=list(metrics.joint_names),
        angle_min=_doubles(metrics.angle_min),
        angle_max=_doubles(metrics.angle_max),
        exo_joint_names=list(metrics.exo_joint_names),
        exo_torque_peak=_doubles(metrics.exo_torque_peak),
        **{name: float(getattr(metrics, name)) for name in _STRIDE_NUMBERS},
    )
    message.header.stamp = time
    message.header.frame_id = ODOMETRY_FRAME
    return message


def subject_message(subject: Subject, time: Time) -> SubjectMessage:
    """Who walks."""
    message = SubjectMessage(
        name=one_line(subject.name, 128),
        height=subject.height_m,
        mass=subject.mass_kg,
        strength_groups=list(subject.strengths),
        strengths=_doubles(list(subject.strengths.values())),
        impairments=subject.text(),
    )
    message.header.stamp = time
    return message


# rosidl takes arrays of the right type as they are; lists would be checked element by element
def _doubles(values) -> array:
    return array("d", np.asarray(values, dtype=np.float64).tobytes())


def _floats(values) -> array:
    return array("f", np.asarray(values, dtype=np.float32).tobytes())


def _vector(values) -> Vector3:
    return Vector3(x=float(values[0]), y=float(values[1]), z=float(values[2]))


def _point(values) -> Point:
    return Point(x=float(values[0]), y=float(values[1]), z=float(values[2]))


def _quaternion(xyzw) -> Quaternion:
    return Quaternion(x=float(xyzw[0]), y=float(xyzw[1]), z=float(xyzw[2]), w=float(xyzw[3]))
