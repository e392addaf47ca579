# SPDX-License-Identifier: Apache-2.0
"""A recorded walk that nobody walked: the reference gait at constant speed, as a run folder and as arrays."""

import importlib.util
import json
from pathlib import Path

import numpy as np

from exo_bringup.run_options import RunOptions
from exo_lab.recorded_motion import RecordedMotion
from exo_lab.run_folder import RunFolder
from exo_sim.gait.reference import JOINTS, ReferenceGait

_SPEC = importlib.util.spec_from_file_location("synthetic", Path(__file__).with_name("synthetic.py"))
synthetic = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(synthetic)

SPEED_MPS, RATE_HZ, PELVIS_HEIGHT_M = 1.25, 50.0, 0.95
DEVICE_JOINTS = ("hip_flexion_r", "ankle_angle_r", "hip_flexion_l", "ankle_angle_l")
STANCE = 0.6


def run_folder(parent: Path, name: str = "sim", walk=None, record=None, **changes) -> RunFolder:
    """A run folder without a recording; `changes` to its configuration, `record` for run.json."""
    folder = RunFolder.create(parent, name)
    curves, strides = synthetic.walk() if walk is None else walk
    curves.write(folder.curves)
    folder.strides.write_text(json.dumps(strides))
    folder.write_configuration({**RunOptions().configuration(), **changes})
    folder.record.write_text(
        json.dumps({"falls": 0, "device_faults": [], "complete": True} if record is None else record)
    )
    return folder


def motion(duration_s: float, muscles: tuple[str, ...], fallen=(), activation: float = 0.2) -> RecordedMotion:
    """Arrays of a walk from 0 to duration_s; `fallen`: (start, end) of falls in s."""
    times = np.arange(0.0, duration_s + 0.5 / RATE_HZ, 1.0 / RATE_HZ)
    gait = ReferenceGait(SPEED_MPS, 0.9)
    phase = times / gait.stride_time_s % 1.0
    contact = np.stack([phase < STANCE, (phase + 0.5) % 1.0 < STANCE], axis=1)
    x = SPEED_MPS * times
    count = len(times)
    down = np.array([any(a <= t < b for a, b in fallen) for t in times])
    force = np.zeros((count, 2, 3))
    force[:, :, 2] = 600.0 * contact
    place = np.stack([np.stack([x, np.full(count, y), np.zeros(count)], axis=1) for y in (-0.1, 0.1)], axis=1)
    return RecordedMotion(
        time_s=np.round(times, 6),
        root_position=np.stack([x, 0.02 * np.sin(phase), np.full(count, PELVIS_HEIGHT_M)], axis=1),
        root_orientation_xyzw=np.tile([0.0, 0.0, 0.0, 1.0], (count, 1)),
        joint_names=tuple(JOINTS),
        joint_position=gait.joint_angles(phase),
        joint_velocity=gait.joint_velocities(phase),
        muscle_names=muscles,
        excitation=np.full((count, len(muscles)), activation),
        activation=np.full((count, len(muscles)), activation),
        metabolic_power_per_mass=np.full(count, 6.0),
        contact=contact,
        force=force,
        pressure_centre=np.where(contact[:, :, None], place, np.nan),
        fallen=down,
        device_names=DEVICE_JOINTS,
        device_torque=np.tile([10.0, -20.0, -10.0, 0.0], (count, 1)),
    )


def record(path: Path, walk: RecordedMotion, namespace: str = "") -> None:
    """Write a motion as the graph's recorder would. Needs ROS 2."""
    from builtin_interfaces.msg import Time
    from geometry_msgs.msg import Point, PoseStamped, Vector3
    from rclpy.serialization import serialize_message
    from sensor_msgs.msg import JointState

    from exo_bringup.recording import Recording
    from exo_core.message_schema import assemble_schema
    from exo_msgs.msg import HumanState

    recording = Recording(path)
    types = {
        "joint_states": "sensor_msgs/msg/JointState",
        "exo/joint_states": "sensor_msgs/msg/JointState",
        "sim/root_pose": "geometry_msgs/msg/PoseStamped",
        "human/state": "exo_msgs/msg/HumanState",
    }
    for topic, kind in types.items():
        recording.add_topic(f"{namespace}/{topic}", kind, assemble_schema(kind))
    for i, t in enumerate(walk.time_s):
        nanoseconds = round(t * 1e9)
        pose = PoseStamped()
        for axis, value in zip("xyz", walk.root_position[i], strict=False):
            setattr(pose.pose.position, axis, float(value))
        for axis, value in zip("xyzw", walk.root_orientation_xyzw[i], strict=False):
            setattr(pose.pose.orientation, axis, float(value))
        human = HumanState(
            muscle_names=list(walk.muscle_names),
            excitation=walk.excitation[i].tolist(),
            activation=walk.activation[i].tolist(),
            metabolic_power_per_mass=float(walk.metabolic_power_per_mass[i]),
            contact_r=bool(walk.contact[i, 0]),
            contact_l=bool(walk.contact[i, 1]),
            fallen=bool(walk.fallen[i]),
        )
        for k, side in enumerate("rl"):
            setattr(human, f"grf_{side}", Vector3(**dict(zip("xyz", map(float, walk.force[i, k]), strict=False))))
            setattr(
                human, f"cop_{side}", Point(**dict(zip("xyz", map(float, walk.pressure_centre[i, k]), strict=False)))
            )
        body = JointState(
            name=list(walk.joint_names),
            position=walk.joint_position[i].tolist(),
            velocity=walk.joint_velocity[i].tolist(),
        )
        device = JointState(name=list(walk.device_names), effort=walk.device_torque[i].tolist())
        for topic, message in (
            ("joint_states", body),
            ("exo/joint_states", device),
            ("sim/root_pose", pose),
            ("human/state", human),
        ):
            message.header.stamp = Time(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)
            recording.write(f"{namespace}/{topic}", serialize_message(message), nanoseconds, nanoseconds)
    recording.close()
