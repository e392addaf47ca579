# SPDX-License-Identifier: Apache-2.0
"""Coordination and physics of many bodies in compiled code: what Coordinator and mj_step do, faster.

MuJoCo's own stages of a step are called one after the other, as mj_step does, but for mj_tendon, whose work
native.py does, and for the sensors, which are read only at the end. States agree with mj_step's to rounding.
What mj_tendon leaves for a viewer (the drawn paths of muscles) is not kept up to date.
"""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numba
import numpy as np

from exo_sim.body.coordination import CoordinationMap, Coordinator, drive, share_out
from exo_sim.body.impaired_body import Nerves
from exo_sim.body.model import BodyModel
from exo_sim.body.muscles import MuscleCurves
from exo_sim.body.native import call, compute_paths, doubles, function_address, muscle_paths

#: Stages of mj_step with the Euler integrator, before and after the muscles' paths; None where sensors are computed.
_BEFORE = ("mj_checkPos", "mj_checkVel", "mj_kinematics", "mj_comPos")
_AFTER = (
    "mj_makeM",
    "mj_factorM",
    "mj_collision",
    "mj_makeConstraint",
    "mj_projectConstraint",
    "mj_transmission",
    "mj_sensorPos",
    "mj_fwdVelocity",
    "mj_sensorVel",
    "mj_fwdActuation",
    "mj_fwdAcceleration",
    "mj_fwdConstraint",
    "mj_sensorAcc",
    "mj_checkAcc",
    "mj_Euler",
)
STAGES = _BEFORE + _AFTER
#: What mj_sensorAcc would leave to a flag, which only mj_forward resets: the accelerations that an accelerometer reads.
_FOR_ACCELEROMETER = "mj_rnePostConstraint"
_FIELDS = (
    "qpos",
    "qvel",
    "act",
    "ctrl",
    "actuator_length",
    "actuator_velocity",
    "actuator_moment",
    "actuator_force",
    "site_xpos",
    "geom_xpos",
    "geom_xmat",
    "xaxis",
    "xanchor",
    "ten_length",
    "ten_J",
    "userdata",
)
_CURVES = len(MuscleCurves._fields)
_NERVES = len(Nerves._fields)


class BatchStep:
    """Moves n bodies of the same topology: same device, any size and strength.

    Args:
        bodies: (n).
        coordinators, datas: (n) of the same bodies.
        substeps: physics steps per call.
    """

    def __init__(
        self,
        bodies: Sequence[BodyModel],
        coordinators: Sequence[Coordinator],
        datas: Sequence[mujoco.MjData],
        substeps: int,
    ):
        model, data = bodies[0].model, mujoco.MjData(bodies[0].model)
        mujoco.mj_forward(model, data)
        self._substeps = substeps
        self._paths = muscle_paths(model)
        self._layout = coordinators[0].map
        self._sparsity = (data.moment_rownnz.copy(), data.moment_rowadr.copy(), data.moment_colind.copy())
        self._sizes = np.array(
            [model.nq, model.nv, model.na, model.nu, len(data.actuator_moment.ravel()), len(data.userdata)]
        )
        self._before = np.array([function_address(name) for name in _BEFORE])
        after = list(_AFTER)
        if "accelerometer" in bodies[0].imu_sensor:
            after.insert(after.index("mj_sensorAcc"), _FOR_ACCELEROMETER)
        self._after = np.array([function_address(name) for name in after])
        self._senses = np.array([name.startswith("mj_sensor") or name == _FOR_ACCELEROMETER for name in after])
        self._exo = bodies[0].exo_actuators, bodies[0].exo_joint_index
        self._scratch = np.zeros((model.nv + 2, 6))
        self._table = np.zeros((len(bodies), 8 + len(_FIELDS)), dtype=np.int64)
        for i, (body, coordinator, data) in enumerate(zip(bodies, coordinators, datas, strict=False)):
            self.replace(i, body, coordinator, data)

    @staticmethod
    def can_move(body: BodyModel) -> bool:
        """Whether bodies of this kind can be moved here."""
        return body.model.opt.integrator == mujoco.mjtIntegrator.mjINT_EULER

    def replace(self, i: int, body: BodyModel, coordinator: Coordinator, data: mujoco.MjData) -> None:
        """Body i is another one from now on; the caller keeps all three alive."""
        layout = coordinator.map
        self._table[i] = [
            body.model._address,
            data._address,
            body.model.geom_size.ctypes.data,
            coordinator.block.ctypes.data,
            layout.stiffness.ctypes.data,
            layout.damping.ctypes.data,
            layout.polynomial.ctypes.data,
            *(getattr(data, field).ctypes.data for field in _FIELDS),
            body.condition.nerves.ctypes.data,
        ]

    def __call__(self, goal: np.ndarray, rate: np.ndarray, feedforward: np.ndarray, wanted: np.ndarray) -> None:
        """Sets every body's excitations and advances it; arguments as `Coordinator.excite`, (n, 14) each."""
        self.activate(self.share_out(goal, rate, feedforward, wanted, told=True))

    def share_out(
        self, goal: np.ndarray, rate: np.ndarray, feedforward: np.ndarray, wanted: np.ndarray, told: bool
    ) -> np.ndarray:
        """Activations (n, M) that the coordination wants; nothing moves.

        Args:
            goal, rate, feedforward, wanted: as `Coordinator.excite`, (n, 14) each.
            told: whether the muscles make less torque by what the device gives at present.
        """
        activation = np.empty((len(self._table), len(self._layout.muscle_leg)))
        _share_out(
            self._table,
            self._sizes,
            self._layout,
            self._sparsity,
            self._exo,
            told,
            goal,
            rate,
            feedforward,
            wanted,
            activation,
        )
        return activation

    def activate(self, activation: np.ndarray) -> None:
        """Advances every body, whose muscles are to reach these activations (n, M), 0 to 1."""
        _advance(
            self._table,
            self._sizes,
            self._paths,
            self._before,
            self._after,
            self._senses,
            self._substeps,
            np.ascontiguousarray(activation, dtype=float),
            self._scratch,
        )


@numba.njit(inline="always")
def _curves(row, muscles):
    block = doubles(row[3], _CURVES * muscles).reshape((_CURVES, muscles))
    return MuscleCurves(block[0], block[1], block[2], block[3], block[4], block[5], block[6], block[7], block[8])


@numba.njit(cache=True, error_model="numpy")
def _share_out(table, sizes, layout, sparsity, exo, told, goal, rate, feedforward, wanted, activation):
    nq, nv, nu, numbers = sizes[0], sizes[1], sizes[3], sizes[4]
    rownnz, rowadr, colind = sparsity
    actuators, driven = exo
    muscles = layout.muscle_leg.shape[0]
    exo_torque = np.zeros(goal.shape[1])
    for i in range(table.shape[0]):
        row = table[i]
        polynomial = doubles(row[6], layout.polynomial.size).reshape(layout.polynomial.shape)
        own = CoordinationMap(
            layout.joint_qpos,
            layout.joint_dof,
            layout.dof_joint,
            layout.dof_coupling,
            polynomial,
            layout.muscle_leg,
            layout.muscle_column,
            doubles(row[4], goal.shape[1]),
            doubles(row[5], goal.shape[1]),
        )
        if told:
            force = doubles(row[14], nu)
            for k in range(actuators.shape[0]):
                exo_torque[driven[k]] = force[actuators[k]]
        share_out(
            own,
            _curves(row, muscles),
            doubles(row[7], nq),
            doubles(row[8], nv),
            doubles(row[11], nu),
            doubles(row[12], nu),
            doubles(row[13], numbers),
            rownnz,
            rowadr,
            colind,
            goal[i],
            rate[i],
            feedforward[i],
            exo_torque,
            wanted[i],
            activation[i],
        )


@numba.njit(cache=True, error_model="numpy")
def _advance(table, sizes, paths, before, after, senses, substeps, activation, scratch):
    na, nu, remembered = sizes[2], sizes[3], sizes[5]
    muscles = activation.shape[1]
    for i in range(table.shape[0]):
        row = table[i]
        model, data = row[0], row[1]
        impaired = doubles(row[23], _NERVES * muscles).reshape((_NERVES, muscles))
        drive(
            _curves(row, muscles),
            Nerves(impaired[0], impaired[1], impaired[2]),
            doubles(row[12], nu),
            doubles(row[9], na),
            activation[i],
            doubles(row[22], remembered),
            doubles(row[10], nu),
        )
        for step in range(substeps):
            for function in before:
                call(function, model, data)
            compute_paths(paths, row[15], row[16], row[17], row[2], row[18], row[19], row[20], row[21], scratch)
            for k in range(after.shape[0]):
                if step == substeps - 1 or not senses[k]:
                    call(after[k], model, data)
