# SPDX-License-Identifier: Apache-2.0
"""Writes the body and its device as URDF, for RViz's RobotModel and any other tool that reads it.

Links are the bodies of the MuJoCo model with their inertia, joints have MyoLegs' names, axes and limits.
base_link (REP-105) sits at the pelvis' origin with REP-103 axes; a body with several joints becomes a chain
of massless links. The knee's coupled joints (patella, translations) are polynomials of the knee's angle,
which URDF's <mimic> cannot say: they are joints too, and whoever publishes /tf moves them (shown_body.py).
The device is made of the model's visual geoms. Bones are STL files, one a body, made once at the model's own size;
the URDF scales them to the subject.

    python -m exo_bringup.urdf_export --device hip_ankle --output exo_bringup/urdf/exo_human.urdf
    python -m exo_bringup.urdf_export --meshes exo_bringup/meshes
"""

from __future__ import annotations

import argparse
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import mujoco
import numpy as np
import trimesh
from scipy.spatial.transform import Rotation

from exo_bringup.body_pose import ANY_PHYSICS_RATE_HZ
from exo_bringup.graph import share_folder
from exo_bringup.look import BONE
from exo_core.errors import UserError
from exo_device.description import ImuSpec
from exo_sim.body.device_geoms import DEVICE_GROUP
from exo_sim.body.model import IMU_SITE, MYO_TO_REP103, BodyModel, build_body
from exo_sim.body.subject import Subject

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
#: Where a URDF's reader finds the bones of a body.
MESH_ADDRESS = "package://exo_bringup/meshes/{name}.stl"
#: Geoms of MyoLegs that are bones; the floor's and the others are of other groups or belong to the world.
BONE_GROUP = 0
#: Bodies with more triangles than this are simplified: ribs of 26,000 triangles show no more at arm's length.
LARGEST_TRIANGLES, OTHERS_TRIANGLES = {"torso": 5000, "head": 2500}, 1000
#: Simplification merges the vertices within a cell; the finest cell tried (m), and by how much cells grow.
FINEST_CELL_M, CELL_GROWTH = 0.001, 1.15


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
    shapes = np.flatnonzero(model.geom_group == DEVICE_GROUP)
    for colour in dict.fromkeys([(*BONE, 1.0), *(tuple(rgba) for rgba in model.geom_rgba[shapes].tolist())]):
        element = ElementTree.SubElement(robot, "material", name=_material(colour))
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
    position, rotation = model.body_pos[body], _rotation(model.body_quat[body])
    if parent == ROOT_BODY:
        parent = BASE_LINK
        # the root body's axes are those of the walking direction -y: base_link's are turned to +x
        position, rotation = MYO_TO_REP103 @ position, Rotation.from_matrix(MYO_TO_REP103) * rotation
    rpy = _rpy(rotation)
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


def _rotation(quaternion_wxyz: np.ndarray) -> Rotation:
    return Rotation.from_quat(quaternion_wxyz[[1, 2, 3, 0]])


def _rpy(rotation: Rotation) -> np.ndarray:
    """Angles (3,) in rad about the fixed axes x, y and z."""
    return rotation.as_euler("xyz", suppress_warnings=True)


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
        rpy = _rpy(_rotation(model.body_iquat[body]))
        ElementTree.SubElement(inertial, "origin", xyz=_numbers(model.body_ipos[body]), rpy=_numbers(rpy))
        ElementTree.SubElement(inertial, "mass", value=_numbers([model.body_mass[body]]))
        # the smallest are of 1e-6 kg m^2: nine digits, not nine decimals
        xx, yy, zz = (f"{moment:.9g}" for moment in model.body_inertia[body])
        ElementTree.SubElement(inertial, "inertia", ixx=xx, iyy=yy, izz=zz, ixy="0", ixz="0", iyz="0")
    if (share_folder() / "meshes" / f"{name}.stl").is_file():
        geometry = _add_visual(link, (*BONE, 1.0))
        address = MESH_ADDRESS.format(name=name)
        ElementTree.SubElement(geometry, "mesh", filename=address, scale=_numbers([length_scale] * 3))
    for geom in np.flatnonzero((model.geom_bodyid == body) & (model.geom_group == DEVICE_GROUP)):
        _add_shape(link, model, geom)


def _add_visual(link, colour, position=(0.0, 0.0, 0.0), rpy=(0.0, 0.0, 0.0)):
    visual = ElementTree.SubElement(link, "visual")
    ElementTree.SubElement(visual, "origin", xyz=_numbers(position), rpy=_numbers(rpy))
    geometry = ElementTree.SubElement(visual, "geometry")
    ElementTree.SubElement(visual, "material", name=_material(colour))
    return geometry


def _add_shape(link, model: mujoco.MjModel, geom: int) -> None:
    """A box or a cylinder of the device; a capsule's rounded ends are left out, which URDF cannot say."""
    kind, size = mujoco.mjtGeom(model.geom_type[geom]), model.geom_size[geom]
    rpy = _rpy(_rotation(model.geom_quat[geom]))
    geometry = _add_visual(link, tuple(model.geom_rgba[geom].tolist()), model.geom_pos[geom], rpy)
    if kind == mujoco.mjtGeom.mjGEOM_BOX:
        ElementTree.SubElement(geometry, "box", size=_numbers(2.0 * size))
    else:
        ElementTree.SubElement(geometry, "cylinder", radius=_numbers(size[:1]), length=_numbers(2.0 * size[1:2]))


def _material(colour) -> str:
    """A material's name is its colour: red, green, blue from 0 to 255, in hexadecimal."""
    return "colour_" + "".join(f"{round(255 * float(part)):02x}" for part in colour[:3])


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
    return subject_urdf(build_body(load_subject(subject), description, ANY_PHYSICS_RATE_HZ, visuals=True))


def bone_meshes(model: mujoco.MjModel) -> dict[str, trimesh.Trimesh]:
    """Each body's bones in m in the body's frame, by body; none without visuals."""
    meshes: dict[str, list[trimesh.Trimesh]] = {}
    is_bone = (model.geom_type == mujoco.mjtGeom.mjGEOM_MESH) & (model.geom_group == BONE_GROUP)
    for geom in np.flatnonzero(is_bone & (model.geom_bodyid != 0)):
        mesh = int(model.geom_dataid[geom])
        vertices = model.mesh_vert[model.mesh_vertadr[mesh] :][: model.mesh_vertnum[mesh]]
        faces = model.mesh_face[model.mesh_faceadr[mesh] :][: model.mesh_facenum[mesh]]
        placed = _rotation(model.geom_quat[geom]).apply(vertices) + model.geom_pos[geom]
        body = model.body(model.geom_bodyid[geom]).name
        meshes.setdefault(body, []).append(trimesh.Trimesh(placed, faces, process=False))
    return {body: trimesh.util.concatenate(parts) for body, parts in meshes.items()}


def simplify(mesh: trimesh.Trimesh, most: int) -> trimesh.Trimesh:
    """The same surface in at most `most` triangles, by merging vertices that share a cell of a grid.

    Rossignac and Borrel 1993, "Multi-resolution 3D approximations for rendering complex scenes".
    """
    cell, simpler = FINEST_CELL_M, mesh
    while len(simpler.faces) > most:
        cells = np.floor(mesh.vertices / cell).astype(np.int64)
        _, group, counts = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
        group = group.ravel()
        centres = np.column_stack([np.bincount(group, mesh.vertices[:, axis]) for axis in range(3)]) / counts[:, None]
        simpler = trimesh.Trimesh(centres, group[mesh.faces], process=False)
        simpler.update_faces(simpler.nondegenerate_faces() & simpler.unique_faces())
        cell *= CELL_GROWTH
    return simpler


def write_meshes(folder: str | Path) -> list[Path]:
    """Writes one STL file a body with bones, at the size of the unscaled model. Returns the files."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for body, mesh in bone_meshes(build_body(Subject(), None, ANY_PHYSICS_RATE_HZ, visuals=True).model).items():
        files.append(folder / f"{body}.stl")
        simplify(mesh, LARGEST_TRIANGLES.get(body, OTHERS_TRIANGLES)).export(files[-1])
    return files


def main(arguments: list[str] | None = None) -> int:
    """Entry point of `python -m exo_bringup.urdf_export`. Returns the exit code."""
    from exo_device.devices import device_file
    from exo_sim.subjects import subject_file

    parser = argparse.ArgumentParser(prog="urdf_export", description="Write the URDF of a subject in a device.")
    parser.add_argument("--subject", default="default", help="name or YAML file (default: %(default)s)")
    parser.add_argument("--device", default="hip_ankle", help="name or YAML file (default: %(default)s)")
    parser.add_argument("--output", default="-", help="file to write; - for the terminal (default)")
    parser.add_argument("--meshes", default="", metavar="FOLDER", help="write the bones there instead")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.meshes:
            print(*write_meshes(chosen.meshes), sep="\n")
            return 0
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
