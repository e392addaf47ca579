# SPDX-License-Identifier: Apache-2.0
"""Writes the body and its device as URDF, for RViz's RobotModel and any other tool that reads it.

Links are the bodies of the MuJoCo model with their inertia, joints have MyoLegs' names, axes and limits.
base_link (REP-105) sits at the pelvis' origin with REP-103 axes; a body with several joints becomes a chain
of massless links. The knee's coupled joints (patella, translations) are polynomials of the knee's angle,
which URDF's <mimic> cannot say: they are joints too, and whoever publishes /tf moves them (robot_state.py).
Bones are meshes (urdf_meshes.py), the device is made of simple shapes (urdf_shapes.py).

    python -m exo_bringup.urdf_export --device hip_ankle --output exo_bringup/urdf/exo_human.urdf
"""

from __future__ import annotations

import argparse
import sys
import xml.etree.ElementTree as ElementTree

import mujoco
import numpy as np

from exo_bringup import rotations
from exo_bringup.paths import share_folder
from exo_bringup.urdf_meshes import MESH_ADDRESS, RING
from exo_bringup.urdf_shapes import BONE, DEVICE, MATERIALS, Shape, shapes_of
from exo_core.errors import UserError
from exo_device.description import ImuSpec
from exo_sim.body.model import IMU_SITE, BodyModel, build_body

BASE_LINK = "base_link"
#: Body with the free joint, which base_link stands for.
ROOT_BODY = "Full Body"
#: base_link (x forward, y left, z up) to a MyoLegs segment's frame (x forward, y up, z right).
BASE_TO_SEGMENT_RPY = (np.pi / 2.0, 0.0, 0.0)
#: A segment's frame to that of an IMU on it (REP-145: x forward, y left, z up).
SEGMENT_TO_IMU_RPY = (-np.pi / 2.0, 0.0, 0.0)
#: Largest joint speed to state where the device does not limit it (rad/s or m/s): twice a fast walker's.
VELOCITY_LIMIT = 12.0
#: Muscles are no URDF effort; a joint without motor states the largest torque of walking with margin (Nm).
PASSIVE_EFFORT = 250.0
#: A body lighter than this (kg) only joins others and gets no inertia.
LIGHTEST_KG = 1e-6
#: A body must be compiled for some rate; its kinematics do not depend on it.
ANY_PHYSICS_RATE_HZ = 500.0


def urdf_text(
    model: mujoco.MjModel,
    name: str = "exo_human",
    efforts: dict[str, float] | None = None,
    length_scale: float = 1.0,
    imu: ImuSpec | None = None,
) -> str:
    """URDF of a compiled model.

    Args:
        efforts: torque limit (Nm) by joint, where a motor drives it.
        length_scale: size of the body relative to the unscaled model, which the meshes are made for.
        imu: of the device, which gets a link of its frame's name.

    Raises:
        UserError: the model has a joint that does not pass through its body's origin.
    """
    robot = ElementTree.Element("robot", name=name)
    robot.append(ElementTree.Comment(" Written by exo_bringup.urdf_export from MyoLegs (myo-sim) and the device. "))
    for material, colour in MATERIALS.items():
        element = ElementTree.SubElement(robot, "material", name=material)
        ElementTree.SubElement(element, "color", rgba=_numbers(colour))
    ElementTree.SubElement(robot, "link", name=BASE_LINK)
    for body in range(1, model.nbody):
        if model.body(body).name != ROOT_BODY:
            _add_body(robot, model, body, efforts or {}, length_scale)
    if imu is not None:
        joint = ElementTree.SubElement(robot, "joint", name=f"{imu.frame_id}_fixed", type="fixed")
        _add_ends(joint, imu.segment, imu.frame_id, model.site(IMU_SITE).pos, SEGMENT_TO_IMU_RPY)
        ElementTree.SubElement(robot, "link", name=imu.frame_id)
    ElementTree.indent(robot)
    return '<?xml version="1.0"?>\n' + ElementTree.tostring(robot, encoding="unicode") + "\n"


def _add_body(
    robot: ElementTree.Element,
    model: mujoco.MjModel,
    body: int,
    efforts: dict[str, float],
    length_scale: float,
) -> None:
    name = model.body(body).name
    parent = model.body(model.body_parentid[body]).name
    position, rpy = model.body_pos[body], rotations.to_roll_pitch_yaw(model.body_quat[body][[1, 2, 3, 0]])
    if parent == ROOT_BODY:
        parent = BASE_LINK
        # the root body's axes are those of the walking direction -y: base_link's are turned to +x
        position = np.array([-position[1], position[0], position[2]])
        rpy = _turned_to_base(model.body_quat[body])
    joints = range(model.body_jntadr[body], model.body_jntadr[body] + model.body_jntnum[body])
    for index in joints:
        if np.abs(model.jnt_pos[index]).max() > 0.0:
            raise UserError(f"joint {model.joint(index).name} is off its body's origin: URDF export lacks that")
        last = index == joints[-1]
        child = name if last else f"{model.joint(index).name}_link"
        _add_joint(robot, model, index, parent, child, position, rpy, efforts)
        if not last:
            ElementTree.SubElement(robot, "link", name=child)
        parent, position, rpy = child, np.zeros(3), np.zeros(3)
    if len(joints) == 0:
        joint = ElementTree.SubElement(robot, "joint", name=f"{name}_fixed", type="fixed")
        _add_ends(joint, parent, name, position, rpy)
    _add_link(robot, model, body, name, length_scale)


def _turned_to_base(quaternion_wxyz: np.ndarray) -> np.ndarray:
    quarter_turn = rotations.from_roll_pitch_yaw((0.0, 0.0, np.pi / 2.0))
    return rotations.to_roll_pitch_yaw(rotations.multiply(quarter_turn, quaternion_wxyz[[1, 2, 3, 0]]))


def _add_joint(robot, model, index, parent, child, position, rpy, efforts) -> None:
    kind = {mujoco.mjtJoint.mjJNT_HINGE: "revolute", mujoco.mjtJoint.mjJNT_SLIDE: "prismatic"}
    name = model.joint(index).name
    joint = ElementTree.SubElement(robot, "joint", name=name, type=kind[mujoco.mjtJoint(model.jnt_type[index])])
    _add_ends(joint, parent, child, position, rpy)
    ElementTree.SubElement(joint, "axis", xyz=_numbers(model.jnt_axis[index]))
    low, high = model.jnt_range[index]
    ElementTree.SubElement(
        joint,
        "limit",
        lower=_numbers([low]),
        upper=_numbers([high]),
        effort=_numbers([efforts.get(name, PASSIVE_EFFORT)]),
        velocity=_numbers([VELOCITY_LIMIT]),
    )


def _add_ends(joint, parent: str, child: str, position, rpy) -> None:
    ElementTree.SubElement(joint, "parent", link=parent)
    ElementTree.SubElement(joint, "child", link=child)
    ElementTree.SubElement(joint, "origin", xyz=_numbers(position), rpy=_numbers(rpy))


def _add_link(robot, model: mujoco.MjModel, body: int, name: str, length_scale: float) -> None:
    link = ElementTree.SubElement(robot, "link", name=name)
    if model.body_mass[body] > LIGHTEST_KG:
        inertial = ElementTree.SubElement(link, "inertial")
        rpy = rotations.to_roll_pitch_yaw(model.body_iquat[body][[1, 2, 3, 0]])
        ElementTree.SubElement(inertial, "origin", xyz=_numbers(model.body_ipos[body]), rpy=_numbers(rpy))
        ElementTree.SubElement(inertial, "mass", value=_numbers([model.body_mass[body]]))
        # the smallest are of 1e-6 kg m^2: nine digits, not nine decimals
        xx, yy, zz = (f"{moment:.9g}" for moment in model.body_inertia[body])
        ElementTree.SubElement(inertial, "inertia", ixx=xx, iyy=yy, izz=zz, ixy="0", ixz="0", iyz="0")
    if (share_folder() / "meshes" / f"{name}.stl").is_file():
        visual = ElementTree.SubElement(link, "visual")
        geometry = ElementTree.SubElement(visual, "geometry")
        _add_mesh(geometry, name, [length_scale] * 3)
        ElementTree.SubElement(visual, "material", name=BONE)
    for shape in shapes_of(model, body):
        _add_visual(link, shape)


def _add_mesh(geometry, name: str, scale) -> None:
    ElementTree.SubElement(geometry, "mesh", filename=MESH_ADDRESS.format(name=name), scale=_numbers(scale))


def _add_visual(link, shape: Shape) -> None:
    visual = ElementTree.SubElement(link, "visual")
    along = shape.end - shape.start
    length = float(np.linalg.norm(along))
    rpy = np.zeros(3)
    if length > 0.0:  # URDF's cylinder lies along z
        x, y, z = along / length
        rpy = np.array([0.0, np.arctan2(np.hypot(x, y), z), np.arctan2(y, x)])
    ElementTree.SubElement(visual, "origin", xyz=_numbers((shape.start + shape.end) / 2.0), rpy=_numbers(rpy))
    geometry = ElementTree.SubElement(visual, "geometry")
    if shape.box is not None:
        ElementTree.SubElement(geometry, "box", size=_numbers(shape.box))
    elif shape.is_ring:
        _add_mesh(geometry, RING, [shape.radius, shape.radius, length])
    else:
        ElementTree.SubElement(geometry, "cylinder", radius=_numbers([shape.radius]), length=_numbers([length]))
    ElementTree.SubElement(visual, "material", name=DEVICE)


def _numbers(values) -> str:
    # nine digits: a tenth of a micrometre over a body's length; + 0.0 turns -0 into 0
    return " ".join(f"{round(float(value), 9) + 0.0:.9g}" for value in values)


def subject_urdf(body: BodyModel) -> str:
    """URDF of a subject's body in its device."""
    joints = body.device.joints.items() if body.device else ()
    efforts = {joint: spec.torque_limit(body.subject.mass_kg) for joint, spec in joints}
    imu = body.device.imu if body.device else None
    return urdf_text(body.model, efforts=efforts, length_scale=body.subject.length_scale, imu=imu)


def build_urdf(subject: str = "", device: str = "") -> str:
    """URDF of a subject (YAML path, '' for the default) in a device (YAML path, '' for none)."""
    from exo_device.description import load_device
    from exo_sim.body.subject import load_subject

    description = load_device(device) if device else None
    return subject_urdf(build_body(load_subject(subject), description, ANY_PHYSICS_RATE_HZ))


def main(arguments: list[str] | None = None) -> int:
    """Entry point of `python -m exo_bringup.urdf_export`. Returns the exit code."""
    from exo_device.devices import device_file
    from exo_sim.subjects import subject_file

    parser = argparse.ArgumentParser(prog="urdf_export", description="Write the URDF of a subject in a device.")
    parser.add_argument("--subject", default="default", help="name or YAML file (default: %(default)s)")
    parser.add_argument("--device", default="hip_ankle", help="name or YAML file (default: %(default)s)")
    parser.add_argument("--output", default="-", help="file to write; - for the terminal (default)")
    chosen = parser.parse_args(arguments)
    try:
        text = build_urdf(
            str(subject_file(chosen.subject)),
            str(device_file(chosen.device)),
        )
        if chosen.output == "-":
            print(text, end="")
        else:
            with open(chosen.output, "w", encoding="utf-8") as stream:
                stream.write(text)
    except (ValueError, OSError) as error:
        print(f"urdf_export: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
