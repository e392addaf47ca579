# SPDX-License-Identifier: Apache-2.0
"""Meshes of the URDF: the bones of MyoLegs as one STL file a body, and the ring that cuffs and belt are drawn as.

The files are made once, at the model's own size; the URDF scales them to the subject. Its address of one is
package://exo_bringup/meshes/femur_r.stl.

    python -m exo_bringup.urdf_meshes exo_bringup/meshes
"""

from __future__ import annotations

import sys
from pathlib import Path

import mujoco
import numpy as np

from exo_bringup import rotations

#: Where a URDF's reader finds them, by body or RING.
MESH_ADDRESS = "package://exo_bringup/meshes/{name}.stl"
#: A ring about z, 1 m in radius and height, which the URDF scales: inner radius (m), and sides of its circles.
RING = "ring"
RING_INNER_RADIUS, RING_SIDES = 0.88, 36
#: Bodies with more triangles than this are simplified: ribs of 26,000 triangles show no more at arm's length.
LARGEST_TRIANGLES = {"torso": 5000, "head": 2500}
OTHERS_TRIANGLES = 1000
#: Simplification merges the vertices within a cell; the finest cell tried (m), and by how much cells grow.
FINEST_CELL_M, CELL_GROWTH = 0.001, 1.15
#: Geoms of MyoLegs that are bones; the floor's and the others are of other groups or belong to the world.
BONE_GROUP = 0


def bone_triangles(model: mujoco.MjModel) -> dict[str, np.ndarray]:
    """Triangles (T, 3, 3) in m of each body's bones, in the body's frame, by body.

    Args:
        model: compiled with `visuals`, else it has no bones.
    """
    triangles: dict[str, list[np.ndarray]] = {}
    for geom in range(model.ngeom):
        body = int(model.geom_bodyid[geom])
        is_bone = model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_MESH and model.geom_group[geom] == BONE_GROUP
        if not is_bone or body == 0:
            continue
        mesh = int(model.geom_dataid[geom])
        vertices = model.mesh_vert[model.mesh_vertadr[mesh] :][: model.mesh_vertnum[mesh]]
        faces = model.mesh_face[model.mesh_faceadr[mesh] :][: model.mesh_facenum[mesh]]
        turn = rotations.to_matrix(model.geom_quat[geom][[1, 2, 3, 0]])
        placed = vertices @ turn.T + model.geom_pos[geom]
        triangles.setdefault(model.body(body).name, []).append(placed[faces])
    return {body: np.concatenate(parts) for body, parts in triangles.items()}


def ring_triangles() -> np.ndarray:
    """Triangles (T, 3, 3) in m of a ring about z, from z = -0.5 to 0.5."""
    angle = np.linspace(0.0, 2.0 * np.pi, RING_SIDES, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    outline = ((1.0, -0.5), (1.0, 0.5), (RING_INNER_RADIUS, 0.5), (RING_INNER_RADIUS, -0.5))
    edges = [np.column_stack([radius * circle, np.full(RING_SIDES, z)]) for radius, z in outline]
    triangles = []
    for here, there in zip(edges, edges[1:] + edges[:1]):
        here_next, there_next = np.roll(here, -1, axis=0), np.roll(there, -1, axis=0)
        triangles += [np.stack([here, here_next, there_next], axis=1), np.stack([here, there_next, there], axis=1)]
    return np.concatenate(triangles)


def simplify(triangles: np.ndarray, most: int) -> np.ndarray:
    """The same surface in at most `most` triangles, by merging vertices that share a cell of a grid.

    Rossignac and Borrel 1993, "Multi-resolution 3D approximations for rendering complex scenes".
    """
    cell = FINEST_CELL_M
    simpler = triangles
    while len(simpler) > most:
        simpler = _merged(triangles, cell)
        cell *= CELL_GROWTH
    return simpler


def _merged(triangles: np.ndarray, cell: float) -> np.ndarray:
    corners = triangles.reshape(-1, 3)
    _, group = np.unique(np.floor(corners / cell).astype(np.int64), axis=0, return_inverse=True)
    group = group.ravel()
    counts = np.bincount(group)
    centres = np.stack([np.bincount(group, corners[:, axis]) / counts for axis in range(3)], axis=1)
    faces = group.reshape(-1, 3)
    flat = (faces[:, 0] == faces[:, 1]) | (faces[:, 1] == faces[:, 2]) | (faces[:, 2] == faces[:, 0])
    faces = faces[~flat]
    _, first = np.unique(np.sort(faces, axis=1), axis=0, return_index=True)
    return centres[faces[np.sort(first)]]


def stl_bytes(triangles: np.ndarray) -> bytes:
    """Binary STL of triangles (T, 3, 3)."""
    record = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    facets = np.zeros(len(triangles), dtype=record)
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    facets["normal"] = np.divide(normals, length, out=np.zeros_like(normals), where=length > 0.0)
    facets["corners"] = triangles
    return bytes(80) + np.uint32(len(triangles)).tobytes() + facets.tobytes()


def read_stl(path: str | Path) -> np.ndarray:
    """Triangles (T, 3, 3) of a binary STL file."""
    data = Path(path).read_bytes()
    count = int(np.frombuffer(data, "<u4", 1, 80)[0])
    record = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    return np.frombuffer(data, record, count, 84)["corners"].astype(float)


def write_meshes(folder: str | Path) -> list[Path]:
    """Writes the ring, and one file a body with bones at the size of the unscaled model. Returns the files."""
    from exo_bringup.urdf_export import ANY_PHYSICS_RATE_HZ
    from exo_sim.body.model import build_body
    from exo_sim.body.subject import Subject

    model = build_body(Subject(), None, ANY_PHYSICS_RATE_HZ, visuals=True).model
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    meshes = {RING: ring_triangles()}
    for body, triangles in bone_triangles(model).items():
        meshes[body] = simplify(triangles, LARGEST_TRIANGLES.get(body, OTHERS_TRIANGLES))
    for name, triangles in meshes.items():
        (folder / f"{name}.stl").write_bytes(stl_bytes(triangles))
    return [folder / f"{name}.stl" for name in meshes]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("urdf_meshes: give the folder to write, as exo_bringup/meshes")
    for file in write_meshes(sys.argv[1]):
        print(file)
