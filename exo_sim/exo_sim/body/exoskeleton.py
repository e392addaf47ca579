# SPDX-License-Identifier: Apache-2.0
"""Straps a device to the body: mass on the segments, a torque source with bandwidth and delay at each joint."""

from __future__ import annotations

import math

import mujoco

from exo_device.description import DeviceDescription

#: MuJoCo needs a history of this many commands to realise a delay; commands come at 100 Hz, delays end at 0.1 s.
DELAY_SAMPLES = 64


def exo_actuator_name(joint: str) -> str:
    """Name of the actuator that drives a joint."""
    return f"exo_{joint}"


def exo_body_name(segment: str) -> str:
    """Name of the body that carries a segment's share of the device."""
    return f"exo_{segment}"


def add_exoskeleton(spec: mujoco.MjSpec, device: DeviceDescription) -> None:
    """Adds the device's parts and actuators to the body.

    An actuator's torque acts between the two segments of its joint: it can neither push nor lift the body as a
    whole. Its bandwidth is a first-order low-pass, its delay a dead time, both inside the physics.
    """
    for segment, part in device.segments.items():
        spec.body(segment).add_body(
            name=exo_body_name(segment),
            pos=part.com_m,
            mass=part.mass_kg,
            inertia=part.inertia_kgm2,
            explicitinertial=True,
        )
    for joint, limits in device.joints.items():
        spec.joint(joint).armature = _scalar(spec.joint(joint).armature) + limits.reflected_inertia_kgm2
        actuator = spec.add_actuator(name=exo_actuator_name(joint), target=joint, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        actuator.set_to_motor()
        actuator.dyntype = mujoco.mjtDyn.mjDYN_FILTEREXACT
        actuator.dynprm[0] = 1.0 / (2.0 * math.pi * limits.bandwidth_hz)
        actuator.ctrllimited = actuator.forcelimited = mujoco.mjtLimited.mjLIMITED_TRUE
        actuator.ctrlrange = actuator.forcerange = [-limits.torque_limit_nm, limits.torque_limit_nm]
        actuator.delay = limits.delay_s
        actuator.nsample = DELAY_SAMPLES if limits.delay_s > 0.0 else 0


def _scalar(value) -> float:
    return float(value[0]) if hasattr(value, "__len__") else float(value)
