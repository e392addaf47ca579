# SPDX-License-Identifier: Apache-2.0
"""One instant of the simulation, in REP-103 axes and SI units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exo_core.joints import SIDES
from exo_device.signals import DeviceState, ImuSample
from exo_policy.observation import DeviceObservation
from exo_sim.gait.reference import JOINTS
from exo_sim.gait.sample import GaitSample


@dataclass(frozen=True)
class MotorSample:
    """What motors and IMU report, sensor noise included; arrays (J,) in the order of `names`.

    Arrays of n people have a leading axis (n, ...); see `of`.
    """

    names: tuple[str, ...]
    position: np.ndarray  #: rad
    velocity: np.ndarray  #: rad/s
    torque: np.ndarray  #: Nm, applied
    temperature: np.ndarray  #: degC
    bus_voltage: float  #: V
    orientation_xyzw: np.ndarray  #: (4,) of the IMU in the world
    angular_velocity: np.ndarray  #: (3,) rad/s, IMU axes
    linear_acceleration: np.ndarray  #: (3,) specific force, m/s^2, IMU axes

    def device_state(self, stamp_ns: int, sequence: int) -> DeviceState:
        """What a driver hands to the safety supervisor."""
        return DeviceState(
            stamp_ns,
            sequence,
            self.names,
            self.position,
            self.velocity,
            self.torque,
            self.temperature,
            np.zeros(len(self.names), dtype=int),
            self.bus_voltage,
            ImuSample(self.orientation_xyzw, self.angular_velocity, self.linear_acceleration),
        )

    def observation(self, stamp_s: float) -> DeviceObservation:
        """What a policy is handed; of n people if this is."""
        return DeviceObservation(
            stamp_s,
            self.names,
            self.position,
            self.velocity,
            self.torque,
            self.orientation_xyzw,
            self.angular_velocity,
            self.linear_acceleration,
        )

    def of(self, i: int) -> MotorSample:
        """The readings of one of n people."""
        return MotorSample(
            self.names,
            self.position[i],
            self.velocity[i],
            self.torque[i],
            self.temperature[i],
            self.bus_voltage,
            self.orientation_xyzw[i],
            self.angular_velocity[i],
            self.linear_acceleration[i],
        )


@dataclass(frozen=True)
class SimulationSample:
    """What only a simulation (or a gait laboratory) knows, averaged over the block where it says so."""

    t: float  #: s
    motors: MotorSample
    root_position: np.ndarray  #: (3,) m, pelvis in the world
    root_orientation_xyzw: np.ndarray  #: (4,) pelvis, x forward in upright stance, in the world
    speed: float  #: m/s, forward speed of the pelvis
    commanded_speed: float  #: m/s
    joint_angle: np.ndarray  #: (14,) rad, order of JOINTS
    joint_velocity: np.ndarray  #: (14,) rad/s
    joint_moment: np.ndarray  #: (14,) Nm, muscles, passive tissue and device
    exo_torque: np.ndarray  #: (J,) Nm, order of motors.names
    excitation: np.ndarray  #: (80,) 0 to 1
    activation: np.ndarray  #: (80,) 0 to 1
    muscle_force: np.ndarray  #: (80,) N, pull positive
    metabolic_power: float  #: W, gross, Bhargava 2004
    metabolic_power_umberger: float  #: W, gross, Umberger 2010
    grf: dict[str, np.ndarray]  #: (3,) N by side, on the body, world, mean over the block
    centre_of_pressure: dict[str, np.ndarray]  #: (3,) m by side, world; NaN without contact
    foot_position: dict[str, np.ndarray]  #: (3,) m by side, calcaneus, world
    fallen: bool
    muscles: tuple[str, ...]

    def gait_sample(self) -> GaitSample:
        """The part that gait measurement is fed with."""
        return GaitSample(
            t=self.t,
            grf={side: self.grf[side] for side in SIDES},
            foot_position=self.foot_position,
            pelvis_orientation=self.root_orientation_xyzw,
            joint_angle=dict(zip(JOINTS, self.joint_angle, strict=False)),
            joint_velocity=dict(zip(JOINTS, self.joint_velocity, strict=False)),
            joint_moment=dict(zip(JOINTS, self.joint_moment, strict=False)),
            exo_torque=dict(zip(self.motors.names, self.exo_torque, strict=False)),
            activation=dict(zip(self.muscles, self.activation, strict=False)),
            metabolic_power=self.metabolic_power,
            metabolic_power_umberger=self.metabolic_power_umberger,
        )
