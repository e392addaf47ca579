# SPDX-License-Identifier: Apache-2.0
"""The person and the device of the page: rigid parts, made once, and where they are.

Everything is in the axes of the body's model; `MODEL_TO_WORLD_WXYZ` turns them into REP-103's.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
import trimesh

from exo_bringup.body_pose import ANY_PHYSICS_RATE_HZ, BodyPose
from exo_bringup.graph import share_folder
from exo_bringup.look import BONE
from exo_core.errors import UserError
from exo_device.description import load_device
from exo_sim.body.device_geoms import CUFF, DEVICE_GROUP, FRAME, MOTOR
from exo_sim.body.model import build_body
from exo_sim.body.subject import Subject

#: MYO_TO_REP103 as a quaternion w, x, y, z: a quarter turn to the left.
MODEL_TO_WORLD_WXYZ = (np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5))
#: Kinds of parts and their colours.
BONES = "bones"
PART_COLOURS = {BONES: BONE, "frame": FRAME, "cuffs": CUFF, "motors": MOTOR}
#: Corners round a bar, half way over its end, and round a motor.
BAR_CORNERS, MOTOR_CORNERS = (12, 8), 24


@dataclass(frozen=True)
class RigidPart:
    """A body of the model with everything that moves with it.

    Attributes:
        body: its name.
        meshes: vertices (V, 3) m in the body's frame and faces (F, 3), by kind (PART_COLOURS).
    """

    body: str
    meshes: dict[str, tuple[np.ndarray, np.ndarray]]


class Figure(BodyPose):
    """One body with its device, and its pose.

    Args:
        subject: who.
        device_file: YAML of the device; empty for none.

    Raises:
        ValueError: of one line, for a file that cannot be used.
    """

    def __init__(self, subject: Subject, device_file: str = ""):
        device = load_device(device_file) if device_file else None
        super().__init__(build_body(subject, device, ANY_PHYSICS_RATE_HZ, visuals=True))
        self.subject, self.muscles = subject, self.body.muscles
        self.parts = self._rigid_parts()
        self._part_ids = np.array([self.body.model.body(part.body).id for part in self.parts])
        self.standing_height_m = float(self.data.body("pelvis").xpos[2])

    def part_places(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions (P, 3) and quaternions (P, 4) w, x, y, z of `parts`."""
        return self.data.xpos[self._part_ids], self.data.xquat[self._part_ids]

    def _rigid_parts(self) -> tuple[RigidPart, ...]:
        """Bodies without a joint between them move as one; MuJoCo calls them welded."""
        model = self.body.model
        parts: dict[int, dict[str, list[trimesh.Trimesh]]] = {}

        def add(body: int, kind: str, mesh: trimesh.Trimesh) -> None:
            carrier = model.body_weldid[body]
            mesh.apply_transform(np.linalg.inv(self._place(carrier)) @ self._place(body))
            parts.setdefault(carrier, {}).setdefault(kind, []).append(mesh)

        for body in range(1, model.nbody):
            path = share_folder() / "meshes" / f"{model.body(body).name}.stl"
            if path.is_file():  # the bones of the URDF, at the unscaled size
                try:
                    mesh = trimesh.load_mesh(path)
                except (OSError, ValueError) as error:
                    raise UserError(f"{path} cannot be read: {error}") from error
                add(body, BONES, mesh.apply_scale(self.subject.length_scale))
        for geom in np.flatnonzero(model.geom_group == DEVICE_GROUP):
            add(model.geom_bodyid[geom], _kind(model.geom_rgba[geom, :3]), _solid(model, geom))
        joined = {
            model.body(body).name: {kind: trimesh.util.concatenate(meshes) for kind, meshes in kinds.items()}
            for body, kinds in parts.items()
        }
        return tuple(
            RigidPart(name, {kind: (np.array(mesh.vertices), np.array(mesh.faces)) for kind, mesh in kinds.items()})
            for name, kinds in joined.items()
        )

    def _place(self, body: int) -> np.ndarray:
        return _transform(self.data.xpos[body], self.data.xquat[body])


def _kind(rgb: np.ndarray) -> str:
    return min(PART_COLOURS, key=lambda kind: float(np.abs(np.array(PART_COLOURS[kind]) - rgb).max()))


def _solid(model: mujoco.MjModel, geom: int) -> trimesh.Trimesh:
    """A geom as a mesh in its body's frame."""
    kind, (radius, half, _) = mujoco.mjtGeom(model.geom_type[geom]), model.geom_size[geom]
    if kind == mujoco.mjtGeom.mjGEOM_BOX:
        mesh = trimesh.creation.box(2.0 * model.geom_size[geom])
    elif kind == mujoco.mjtGeom.mjGEOM_CAPSULE:
        mesh = trimesh.creation.capsule(2.0 * half, radius, count=BAR_CORNERS)
    else:
        mesh = trimesh.creation.cylinder(radius, 2.0 * half, sections=MOTOR_CORNERS)
    mesh.apply_translation(-mesh.bounds.mean(axis=0))
    return mesh.apply_transform(_transform(model.geom_pos[geom], model.geom_quat[geom]))


def _transform(position: np.ndarray, wxyz: np.ndarray) -> np.ndarray:
    matrix = trimesh.transformations.quaternion_matrix(wxyz)
    matrix[:3, 3] = position
    return matrix
