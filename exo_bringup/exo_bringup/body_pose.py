# SPDX-License-Identifier: Apache-2.0
"""Where muscles run and coupled joints stand for given joint angles: MuJoCo's kinematics, no physics."""

from __future__ import annotations

from collections.abc import Mapping

import mujoco
import numpy as np

from exo_sim.body.model import BodyModel

#: The root body's axes to base_link's: MyoLegs walks along -y with +x to its left, REP-103 along +x.
ROOT_TO_BASE = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
#: MuJoCo marks a pulley in wrap_obj with this; it divides a tendon and has no place.
PULLEY = -2


class BodyPose:
    """Kinematics of one body, relative to base_link (pelvis origin, REP-103 axes)."""

    def __init__(self, body: BodyModel):
        self._body = body
        self._model = body.model
        self._data = mujoco.MjData(body.model)
        self._qpos = {body.model.joint(i).name: int(body.model.jnt_qposadr[i]) for i in range(1, body.model.njnt)}
        self._tendons = [(body.muscles[i], int(body.model.actuator_trnid[i, 0])) for i in range(len(body.muscles))]
        # the root at the origin, upright: every place comes out relative to it
        self._data.qpos[:7] = (0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)
        self.set_positions({})

    def set_positions(self, positions: Mapping[str, float]) -> None:
        """Take joint positions (rad or m) by name; the knee's followers are computed from it.

        Names that the body does not have are left aside.
        """
        data, coupling = self._data, self._body.coupling
        for name, value in positions.items():
            if name in self._qpos:
                data.qpos[self._qpos[name]] = value
        data.qpos[coupling.qpos] = coupling.positions(data.qpos[self._body.joint_qpos])
        mujoco.mj_kinematics(self._model, data)

    def positions(self) -> dict[str, float]:
        """Positions (rad or m) of all joints by name, followers included."""
        return {name: float(self._data.qpos[address]) for name, address in self._qpos.items()}

    def muscle_paths(self) -> dict[str, np.ndarray]:
        """Points (P, 3) in m of each muscle's path from origin to insertion, in base_link, by muscle."""
        mujoco.mj_tendon(self._model, self._data)
        points = self._data.wrap_xpos.reshape(-1, 3) @ ROOT_TO_BASE.T
        objects = self._data.wrap_obj.reshape(-1)
        paths = {}
        for muscle, tendon in self._tendons:
            start = int(self._data.ten_wrapadr[tendon])
            span = slice(start, start + int(self._data.ten_wrapnum[tendon]))
            paths[muscle] = points[span][objects[span] != PULLEY]
        return paths

    def joint_axis(self, joint: str) -> tuple[str, np.ndarray]:
        """Link that a joint moves, and the joint's axis (3,) in its frame. KeyError: no such joint."""
        index = self._model.joint(joint).id
        return self._model.body(self._model.jnt_bodyid[index]).name, self._model.jnt_axis[index].copy()
