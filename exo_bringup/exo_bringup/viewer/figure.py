# SPDX-License-Identifier: Apache-2.0
"""The person and the device of the page: rigid parts, made once, and where they and the muscles are.

Everything is in the axes of the body's model; `MODEL_TO_WORLD_WXYZ` turns them into REP-103's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import mujoco
import numpy as np

from exo_bringup.body_pose import PULLEY
from exo_bringup.film.device_solids import DeviceSolids
from exo_bringup.urdf_export import ANY_PHYSICS_RATE_HZ
from exo_bringup.viewer.rigid_parts import RigidPart, rigid_parts
from exo_device.description import load_device
from exo_sim.body.model import MYO_TO_REP103, BodyModel, build_body
from exo_sim.body.subject import Subject

#: MYO_TO_REP103 as a quaternion w, x, y, z: a quarter turn to the left.
MODEL_TO_WORLD_WXYZ = (np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5))


@dataclass(frozen=True)
class TorqueArc:
    """A driven joint's torque: where its arrow turns, about which axis, from which direction, each (3,)."""

    centre: np.ndarray
    axis: np.ndarray
    first: np.ndarray


class Figure:
    """One body with its device, and its pose.

    Args:
        subject: who.
        device_file: YAML of the device; empty for none.

    Raises:
        ValueError: of one line, for a file that cannot be used.
    """

    def __init__(self, subject: Subject, device_file: str = ""):
        device = load_device(device_file) if device_file else None
        self._body: BodyModel = build_body(subject, device, ANY_PHYSICS_RATE_HZ, visuals=True)
        self._model = model = self._body.model
        self._data = mujoco.MjData(model)
        self._solids = DeviceSolids(self._body)
        self._qpos = {model.joint(i).name: int(model.jnt_qposadr[i]) for i in range(1, model.njnt)}
        self.muscles = self._body.muscles
        self.device_joints = self._body.exo_joints
        muscle_of_tendon = np.full(model.ntendon, -1)
        muscle_of_tendon[model.actuator_trnid[: len(self.muscles), 0]] = np.arange(len(self.muscles))
        self._muscle_of_tendon = muscle_of_tendon
        mujoco.mj_kinematics(model, self._data)
        self.parts: tuple[RigidPart, ...] = rigid_parts(self._body, self._data, self._solids)
        self._part_ids = np.array([model.body(part.body).id for part in self.parts])
        self.standing_height_m = float(self._data.body("pelvis").xpos[2])

    @property
    def subject(self) -> Subject:
        """Whose body it is."""
        return self._body.subject

    @property
    def weight_n(self) -> float:
        """Weight of person and device (N)."""
        return self._body.total_mass * self._body.gravity

    @property
    def leg_length_m(self) -> float:
        """Hip height (m)."""
        return self._body.leg_length_m

    @property
    def mass_kg(self) -> float:
        """Mass of the person (kg)."""
        return self._body.body_mass

    def set_pose(self, position: np.ndarray, xyzw: np.ndarray, joints: Mapping[str, float]) -> None:
        """Take the pelvis' place (3,) m and orientation (4,) in the world, and joint positions by name.

        Joints that are not named keep their place; names that the body does not have are left aside.
        """
        data, coupling = self._data, self._body.coupling
        for name, value in joints.items():
            address = self._qpos.get(name)
            if address is not None:
                data.qpos[address] = value
        data.qpos[coupling.qpos] = coupling.positions(data.qpos[self._body.joint_qpos])
        data.qpos[:3] = MYO_TO_REP103.T @ position
        matrix = np.empty(9)
        mujoco.mju_quat2Mat(matrix, np.asarray(xyzw, dtype=float)[[3, 0, 1, 2]])
        turned = MYO_TO_REP103.T @ matrix.reshape(3, 3) @ MYO_TO_REP103
        mujoco.mju_mat2Quat(data.qpos[3:7], turned.flatten())
        mujoco.mj_kinematics(self._model, data)

    def part_places(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions (P, 3) and quaternions (P, 4) w, x, y, z of `parts`."""
        return self._data.xpos[self._part_ids], self._data.xquat[self._part_ids]

    def muscle_segments(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Starts and ends (S, 3) of the straight pieces of all muscles, and whose they are (S,)."""
        data = self._data
        mujoco.mj_tendon(self._model, data)
        count = int(data.ten_wrapnum.sum())
        points = data.wrap_xpos.reshape(-1, 3)[:count]
        muscle = np.repeat(self._muscle_of_tendon, data.ten_wrapnum)
        muscle[data.wrap_obj.reshape(-1)[:count] == PULLEY] = -1
        joined = (muscle[:-1] == muscle[1:]) & (muscle[:-1] >= 0)
        return points[:-1][joined], points[1:][joined], muscle[:-1][joined]

    def torque_arcs(self) -> dict[str, TorqueArc]:
        """Where to draw torques, by driven joint."""
        arcs = {}
        for joint in self.device_joints:
            place = self._solids.motor_place(self._data, joint)
            if place is not None:
                arcs[joint] = TorqueArc(place.centre + 1.5 * place.half, place.axis, place.setting_out)
        return arcs

    def torque_share(self, joint: str, torque: float) -> float:
        """Torque (Nm) over the joint's limit, -1 to 1; 0 where it is not known."""
        return self._solids.torque_share(joint, torque)
