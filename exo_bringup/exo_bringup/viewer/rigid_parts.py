# SPDX-License-Identifier: Apache-2.0
"""The rigid parts of a body as light meshes: its bones and what the device straps to them."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from exo_bringup.film.device_solids import DeviceSolids
from exo_bringup.film.look import CUFF
from exo_bringup.film.scene import BONE_GROUP
from exo_bringup.viewer import shapes
from exo_bringup.viewer.decimation import cluster_vertices, join
from exo_sim.body.model import BodyModel

BONES, FRAME_PARTS, CUFF_PARTS = "bones", "frame", "cuffs"
#: Bones with more triangles than this are made coarser, details below this size vanish (m).
FINE_BONE_FACES, BONE_CELL_M = 300, 0.007


@dataclass(frozen=True)
class RigidPart:
    """A body of the model with everything that moves with it.

    Attributes:
        body: its name.
        meshes: vertices (V, 3) m in the body's frame and faces (F, 3), by BONES, FRAME_PARTS or CUFF_PARTS.
    """

    body: str
    meshes: dict[str, shapes.Mesh]


def rigid_parts(body: BodyModel, data: mujoco.MjData, solids: DeviceSolids) -> tuple[RigidPart, ...]:
    """Parts of a body that was built with visuals, with data in any pose."""
    meshes: dict[str, dict[str, list]] = {}

    def add(name: str, kind: str, mesh: shapes.Mesh) -> None:
        meshes.setdefault(name, {}).setdefault(kind, []).append(mesh)

    model = body.model
    for geom in range(model.ngeom):
        if (
            model.geom_group[geom] == BONE_GROUP
            and model.geom_bodyid[geom] != 0
            and model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_MESH
        ):
            # bodies without a joint between them move as one
            carrier = model.body_weldid[model.geom_bodyid[geom]]
            add(model.body(carrier).name, BONES, _bone(model, data, geom, carrier))
    for segment, kind, mesh in _device_meshes(body, data, solids):
        carrier = model.body_weldid[model.body(segment).id]
        add(model.body(carrier).name, kind, _local(data, carrier, mesh))
    return tuple(
        RigidPart(name, {kind: join(pieces) for kind, pieces in kinds.items()}) for name, kinds in meshes.items()
    )


def _bone(model, data, geom: int, carrier: int) -> shapes.Mesh:
    mesh = model.geom_dataid[geom]
    first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
    vertices = model.mesh_vert[first : first + count].astype(float)
    first, count = model.mesh_faceadr[mesh], model.mesh_facenum[mesh]
    faces = model.mesh_face[first : first + count].astype(np.int64)
    if count > FINE_BONE_FACES:
        vertices, faces = cluster_vertices(vertices, faces, BONE_CELL_M)
    world = vertices @ data.geom_xmat[geom].reshape(3, 3).T + data.geom_xpos[geom]
    return _local(data, carrier, (world, faces))


def _local(data, body: int, mesh: shapes.Mesh) -> shapes.Mesh:
    vertices, faces = mesh
    return (vertices - data.xpos[body]) @ data.xmat[body].reshape(3, 3), faces


def _device_meshes(body: BodyModel, data, solids: DeviceSolids):
    for segment in solids.segments:
        painter = MeshPainter()
        solids.draw_segment(painter, data, segment)
        for kind, mesh in painter.meshes:
            yield segment, kind, mesh
    for joint in body.exo_joints:
        place = solids.motor_place(data, joint)
        if place is not None:
            centre, half = place.centre, place.half
            yield place.carrier, FRAME_PARTS, shapes.cylinder(centre - half, centre + half, place.radius)
            yield (
                place.carrier,
                CUFF_PARTS,
                shapes.cylinder(centre + half, centre + 1.4 * half, 0.7 * place.radius),
            )


class MeshPainter:
    """Collects what DeviceSolids draws as meshes: the calls of SolidPainter that it makes for a segment."""

    def __init__(self):
        self.meshes: list[tuple[str, shapes.Mesh]] = []

    def capsule(self, start, end, radius, colour) -> None:
        """A capsule between two points (3,)."""
        self.meshes.append((_kind(colour), shapes.capsule(start, end, radius)))

    def box(self, centre, rotation, half, colour) -> None:
        """A box with half edges (3,) along the columns of a rotation (3, 3)."""
        self.meshes.append((_kind(colour), shapes.box(centre, rotation, half)))

    def chain(self, points, radii, colour) -> None:
        """Capsules from point to point (n, 3), n - 1 radii."""
        for start, end, radius in zip(points, points[1:], radii):
            self.capsule(start, end, radius, colour)


def _kind(colour) -> str:
    return CUFF_PARTS if tuple(colour) == CUFF else FRAME_PARTS
