# SPDX-License-Identifier: Apache-2.0
"""Where bones, muscles and the device are for given joint angles: MuJoCo's kinematics, no physics."""

from __future__ import annotations

from collections.abc import Mapping

import mujoco
import numpy as np
from scipy.spatial.transform import Rotation

from exo_bringup.look import Arrows, force_arrow, sets_out_from, torque_arrow
from exo_core.joints import SIDES
from exo_sim.body.device_geoms import motor_cap_name
from exo_sim.body.model import MYO_TO_REP103, BodyModel

#: MuJoCo marks a pulley in wrap_obj with this; it divides a tendon and has no place.
PULLEY = -2
#: A body must be compiled for some rate; its kinematics do not depend on it.
ANY_PHYSICS_RATE_HZ = 500.0
#: A torque's arrow turns this far outside the middle of the motor's cap (in half thicknesses of the cap).
ARC_OUTSIDE = 1.5


class BodyPose:
    """Kinematics of one body. Without a root it stands at the origin, so that places are relative to base_link.

    Attributes:
        data: MuJoCo's, in the axes of the body's model.
    """

    def __init__(self, body: BodyModel):
        self.body, self._model = body, body.model
        self.data = mujoco.MjData(body.model)
        self._qpos = {body.model.joint(i).name: int(body.model.jnt_qposadr[i]) for i in range(1, body.model.njnt)}
        self._tendons = body.model.actuator_trnid[: len(body.muscles), 0]
        muscle_of_tendon = np.full(body.model.ntendon, -1)
        muscle_of_tendon[self._tendons] = np.arange(len(body.muscles))
        self._muscle_of_tendon = muscle_of_tendon
        caps = {joint: mujoco.mj_name2id(body.model, mujoco.mjtObj.mjOBJ_GEOM, motor_cap_name(joint))
                for joint in body.exo_joints}  # fmt: skip
        #: Geom of the motor's cap by driven joint; none without visuals.
        self.motor_caps = {joint: geom for joint, geom in caps.items() if geom >= 0}
        self._torque_limits = {
            joint: body.device.joints[joint].torque_limit(body.body_mass) for joint in body.exo_joints
        }
        self.data.qpos[:7] = (0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)
        self.set_positions({})

    def set_positions(self, positions: Mapping[str, float], root: tuple[np.ndarray, np.ndarray] | None = None) -> None:
        """Take joint positions (rad or m) by name; the knee's followers are computed from it.

        Joints that are not named keep their place; names that the body does not have are left aside.

        Args:
            root: the pelvis' place (3,) m and orientation (4,) x, y, z, w in the world (REP-103); None: as it was.
        """
        data, coupling = self.data, self.body.coupling
        for name, value in positions.items():
            if name in self._qpos:
                data.qpos[self._qpos[name]] = value
        data.qpos[coupling.qpos] = coupling.positions(data.qpos[self.body.joint_qpos])
        if root is not None:
            data.qpos[:3] = MYO_TO_REP103.T @ root[0]
            turned = MYO_TO_REP103.T @ Rotation.from_quat(root[1]).as_matrix() @ MYO_TO_REP103
            data.qpos[3:7] = Rotation.from_matrix(turned).as_quat()[[3, 0, 1, 2]]
        mujoco.mj_kinematics(self._model, data)

    def positions(self) -> dict[str, float]:
        """Positions (rad or m) of all joints by name, followers included."""
        return {name: float(self.data.qpos[address]) for name, address in self._qpos.items()}

    def muscle_paths(self) -> dict[str, np.ndarray]:
        """Points (P, 3) in m of each muscle's path from origin to insertion, by muscle; in base_link without a root."""
        data = self.data
        mujoco.mj_tendon(self._model, data)
        points = data.wrap_xpos.reshape(-1, 3) @ MYO_TO_REP103.T
        objects = data.wrap_obj.reshape(-1)
        paths = {}
        for muscle, tendon in zip(self.body.muscles, self._tendons, strict=False):
            start = int(data.ten_wrapadr[tendon])
            span = slice(start, start + int(data.ten_wrapnum[tendon]))
            paths[muscle] = points[span][objects[span] != PULLEY]
        return paths

    def muscle_segments(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Starts and ends (S, 3) of the straight pieces of all muscles in the model's axes, and whose they are (S,)."""
        data = self.data
        mujoco.mj_tendon(self._model, data)
        count = int(data.ten_wrapnum.sum())
        points = data.wrap_xpos.reshape(-1, 3)[:count]
        muscle = np.repeat(self._muscle_of_tendon, data.ten_wrapnum)
        muscle[data.wrap_obj.reshape(-1)[:count] == PULLEY] = -1
        joined = (muscle[:-1] == muscle[1:]) & (muscle[:-1] >= 0)
        return points[:-1][joined], points[1:][joined], muscle[:-1][joined]

    def joint_axis(self, joint: str) -> tuple[str, np.ndarray]:
        """Link that a joint moves, and the joint's axis (3,) in its frame. KeyError: no such joint."""
        index = self._model.joint(joint).id
        return self._model.body(self._model.jnt_bodyid[index]).name, self._model.jnt_axis[index].copy()

    def torque_share(self, joint: str, torque: float) -> float:
        """Torque (Nm) over the joint's limit, -1 to 1; 0 where it is not known."""
        return float(np.clip(torque / self._torque_limits[joint], -1.0, 1.0)) if np.isfinite(torque) else 0.0

    def torque_arrows(self, torque: Mapping[str, float]) -> list[Arrows]:
        """An arrow round every motor, by torques (Nm) in the sign of their joints, in the model's axes."""
        data, drawn = self.data, []
        for joint, cap in self.motor_caps.items():
            index = self._model.joint(joint).id
            outwards = data.geom_xmat[cap].reshape(3, 3)[:, 2]
            centre = data.geom_xpos[cap] + ARC_OUTSIDE * self._model.geom_size[cap, 1] * outwards
            moved = data.xmat[self._model.jnt_bodyid[index]].reshape(3, 3)
            share = self.torque_share(joint, torque.get(joint, np.nan))
            first = moved @ sets_out_from(joint)
            drawn.append(torque_arrow(centre, data.xaxis[index], first, share, self.body.subject.length_scale))
        return drawn

    def force_arrows(self, force_n: np.ndarray, centre: np.ndarray) -> list[Arrows]:
        """An arrow for each foot, right and left, in the model's axes.

        Args:
            force_n, centre: (2, 3) N and m in the world (REP-103); NaN where they are not known.
        """
        weight_n = self.body.total_mass * self.body.gravity
        places, forces = centre @ MYO_TO_REP103, force_n @ MYO_TO_REP103 / weight_n
        return [force_arrow(places[foot], forces[foot]) for foot in range(len(SIDES))]
