# SPDX-License-Identifier: Apache-2.0
"""MuJoCo's C functions and arrays, by address, for compiled code that steps many bodies without Python in between; and
lengths and moment arms of all muscles in one compiled pass: what MuJoCo's mj_tendon does, four times faster.

MuJoCo merges the kinematic chains of both ends of every path segment anew in each step. Which joints lie between two
bodies never changes: here it is looked up once. The rate at which a segment along the unit vector u, through the
point p, lengthens with a joint is the moment of u about the joint's axis, w . (p x u) + v . u in Pluecker
coordinates (w, v) of the axis; for a sliding joint it is the axis' component along u.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import mujoco
import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from exo_sim.errors import SimError


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    files = sorted(Path(mujoco.__file__).parent.glob("libmujoco*"))
    if not files:
        raise SimError("MuJoCo's library is not where its Python package is; reinstall mujoco")
    return ctypes.CDLL(str(files[0]))


def function_address(name: str) -> int:
    """Address of one of MuJoCo's exported functions.

    Raises:
        SimError: this version of MuJoCo has no such function.
    """
    try:
        return ctypes.cast(getattr(_library(), name), ctypes.c_void_p).value
    except AttributeError:
        raise SimError(
            f"MuJoCo {mujoco.__version__} has no {name}; install the version that requirements.txt names"
        ) from None


@intrinsic
def _pointer(typingctx, address):
    def build(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), build


@numba.njit(inline="always")
def doubles(address, count):
    """The float64 array of so many numbers at an address."""
    return numba.carray(_pointer(address), count, np.float64)


@numba.njit(inline="always")
def vectors(address, count):
    """The float64 array (count, 3) at an address."""
    return numba.carray(_pointer(address), (count, 3), np.float64)


@intrinsic
def call(typingctx, function, model, data):
    """Calls void function(const mjModel*, mjData*); all three are addresses."""

    def build(context, builder, signature, arguments):
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, cgutils.voidptr_t])
        target = builder.inttoptr(arguments[0], kind.as_pointer())
        builder.call(target, [builder.inttoptr(argument, cgutils.voidptr_t) for argument in arguments[1:]])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), build


@intrinsic
def call_wrap(typingctx, function, points, start, end, position, matrix, radius, kind, side):
    """Calls mju_wrap: length of the curved part, or -1 where the straight line misses the obstacle.

    All but radius (m) and kind (mjtWrap) are addresses; `points` receives where the path touches, 6 numbers.
    """

    def build(context, builder, signature, arguments):
        pointer, number = cgutils.voidptr_t, ir.DoubleType()
        function_type = ir.FunctionType(number, [pointer] * 5 + [number, ir.IntType(32), pointer])
        target = builder.inttoptr(arguments[0], function_type.as_pointer())
        places = [builder.inttoptr(argument, pointer) for argument in arguments[1:6]]
        return builder.call(
            target,
            [
                *places,
                arguments[6],
                builder.trunc(arguments[7], ir.IntType(32)),
                builder.inttoptr(arguments[8], pointer),
            ],
        )

    integer = types.int64
    return types.float64(*[integer] * 6, types.float64, integer, integer), build


class Gathered:
    """One array of many MjData, as rows of a batch: np.stack without its cost per array.

    Args:
        field: name of the array.
        datas: of models that agree on its size.
    """

    def __init__(self, field: str, datas: list[mujoco.MjData]):
        self._field = field
        self._addresses = np.zeros(len(datas), dtype=np.int64)
        self._size = getattr(datas[0], field).size
        for i, data in enumerate(datas):
            self.replace(i, data)

    def replace(self, i: int, data: mujoco.MjData) -> None:
        """Row i is of this one from now on; the caller keeps it alive."""
        self._addresses[i] = getattr(data, self._field).ctypes.data

    def __call__(self) -> np.ndarray:
        """A copy (n, size) of all arrays, flattened."""
        rows = np.empty((len(self._addresses), self._size))
        _gather(self._addresses, rows)
        return rows


@numba.njit(cache=True)
def _gather(addresses, rows):
    for i in range(addresses.shape[0]):
        rows[i] = doubles(addresses[i], rows.shape[1])


_SITE, _SPHERE, _CYLINDER = (
    int(kind) for kind in (mujoco.mjtWrap.mjWRAP_SITE, mujoco.mjtWrap.mjWRAP_SPHERE, mujoco.mjtWrap.mjWRAP_CYLINDER)
)


class MusclePaths(NamedTuple):
    """How the tendons of a model run. Segments run from site to site, some around a geom in between.

    Three spans of each segment may lengthen with joints: the whole where it is straight, and both straight parts where
    it wraps. The effects of span s are entries effect_start[s] to effect_start[s + 1].
    """

    tendon: np.ndarray  #: (G,) of each segment
    first: np.ndarray  #: (G,) site that it starts from
    last: np.ndarray  #: (G,) site that it ends at
    geom: np.ndarray  #: (G,) geom that it may wrap around, or -1
    kind: np.ndarray  #: (G,) mjtWrap of that geom
    side: np.ndarray  #: (G,) site on the side of the geom that it passes, or -1
    effect_start: np.ndarray  #: (3 G + 1,)
    effect_dof: np.ndarray  #: (E,) dof that lengthens the span
    effect_place: np.ndarray  #: (E,) its place in ten_J
    effect_sign: np.ndarray  #: (E,)
    dof_joint: np.ndarray  #: (nv,) joint of each dof that some span crosses, else -1
    dof_slides: np.ndarray  #: (nv,) bool
    sizes: np.ndarray  #: tendons, numbers in ten_J, sites, geoms, joints
    wrap: int  #: address of mju_wrap


def muscle_paths(model: mujoco.MjModel) -> MusclePaths:
    """Reads a model's tendons, which must run through sites, spheres and cylinders only.

    Raises:
        SimError: a tendon has pulleys or is a sum of joint angles.
    """
    segments, starts, effects = [], [0], []
    for tendon in range(model.ntendon):
        row = slice(model.ten_J_rowadr[tendon], model.ten_J_rowadr[tendon] + model.ten_J_rownnz[tendon])
        place = {int(dof): int(row.start + k) for k, dof in enumerate(model.ten_J_colind[row])}
        path = range(model.tendon_adr[tendon], model.tendon_adr[tendon] + model.tendon_num[tendon])
        kinds, ids = model.wrap_type[path.start : path.stop], model.wrap_objid[path.start : path.stop]
        if not np.isin(kinds, (_SITE, _SPHERE, _CYLINDER)).all():
            raise SimError(f"tendon {model.tendon(tendon).name} has pulleys or joints: its path is not known here")
        k = 0
        while k < len(kinds) - 1:
            wraps = kinds[k + 1] != _SITE
            end = k + 2 if wraps else k + 1
            geom = int(ids[k + 1]) if wraps else -1
            side = round(float(model.wrap_prm[path.start + k + 1])) if wraps else -1
            segments.append((tendon, ids[k], ids[end], geom, kinds[k + 1] if wraps else 0, side))
            bodies = [model.site_bodyid[ids[k]], model.site_bodyid[ids[end]]]
            spans = [bodies]
            if wraps:
                spans += [[bodies[0], model.geom_bodyid[geom]], [model.geom_bodyid[geom], bodies[1]]]
            for span in range(3):
                if span < len(spans):
                    near, far = (_moved_by(model, body) for body in spans[span])
                    effects += [(dof, place[dof], 1.0 if dof in far else -1.0) for dof in sorted(near ^ far)]
                starts.append(len(effects))
            k = end
    tendons, first, last, geom, kind, side = (
        np.array(column, dtype=np.int64) for column in zip(*segments, strict=True)
    )
    dofs, places, signs = zip(*effects, strict=True)
    dof_joint = np.full(model.nv, -1, dtype=np.int64)
    dof_joint[sorted(set(dofs))] = model.dof_jntid[sorted(set(dofs))]
    if not np.isin(
        model.jnt_type[dof_joint[dof_joint >= 0]], (mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtJoint.mjJNT_SLIDE)
    ).all():
        raise SimError("a muscle crosses a free or ball joint: its path is not known here")
    slides = model.jnt_type[model.dof_jntid] == mujoco.mjtJoint.mjJNT_SLIDE
    return MusclePaths(
        tendons,
        first,
        last,
        geom,
        kind,
        side,
        np.array(starts),
        np.array(dofs, dtype=np.int64),
        np.array(places),
        np.array(signs),
        dof_joint,
        slides,
        np.array([model.ntendon, len(model.ten_J_colind), model.nsite, model.ngeom, model.njnt]),
        function_address("mju_wrap"),
    )


def _moved_by(model: mujoco.MjModel, body: int) -> set[int]:
    """Dofs that move a body."""
    dofs: set[int] = set()
    while body > 0:
        first = model.body_dofadr[body]
        if first >= 0:
            dofs.update(range(first, first + model.body_dofnum[body]))
        body = model.body_parentid[body]
    return dofs


@numba.njit(cache=True, error_model="numpy")
def compute_paths(paths, site_xpos, geom_xpos, geom_xmat, geom_size, xaxis, xanchor, ten_length, ten_jacobian, scratch):
    """Writes ten_length and ten_J of a body whose kinematics have been computed; array arguments are addresses.

    Args:
        scratch: (nv + 2, 6) of anything.
    """
    tendons, numbers, sites, geoms, joints = paths.sizes
    site, size = vectors(site_xpos, sites), vectors(geom_size, geoms)
    axis, anchor = vectors(xaxis, joints), vectors(xanchor, joints)
    length, jacobian = doubles(ten_length, tendons), doubles(ten_jacobian, numbers)
    length[:] = 0.0
    jacobian[:] = 0.0
    for dof in range(paths.dof_joint.shape[0]):
        j = paths.dof_joint[dof]
        if j < 0:
            continue
        line = scratch[dof]
        if paths.dof_slides[dof]:
            line[0] = line[1] = line[2] = 0.0
            line[3], line[4], line[5] = axis[j, 0], axis[j, 1], axis[j, 2]
        else:
            line[0], line[1], line[2] = axis[j, 0], axis[j, 1], axis[j, 2]
            line[3] = anchor[j, 1] * axis[j, 2] - anchor[j, 2] * axis[j, 1]
            line[4] = anchor[j, 2] * axis[j, 0] - anchor[j, 0] * axis[j, 2]
            line[5] = anchor[j, 0] * axis[j, 1] - anchor[j, 1] * axis[j, 0]
    touch = scratch[paths.dof_joint.shape[0]]
    touching = touch.ctypes.data
    for g in range(paths.tendon.shape[0]):
        tendon, first, last, geom = paths.tendon[g], paths.first[g], paths.last[g], paths.geom[g]
        curved = -1.0
        if geom >= 0:
            side = paths.side[g]
            curved = call_wrap(
                paths.wrap,
                touching,
                site_xpos + 24 * first,
                site_xpos + 24 * last,
                geom_xpos + 24 * geom,
                geom_xmat + 72 * geom,
                size[geom, 0],
                paths.kind[g],
                site_xpos + 24 * side if side >= 0 else 0,
            )
        if curved < 0.0:
            length[tendon] += _span(
                paths,
                3 * g,
                site[first, 0],
                site[first, 1],
                site[first, 2],
                site[last, 0],
                site[last, 1],
                site[last, 2],
                scratch,
                jacobian,
            )
        else:
            length[tendon] += curved + _span(
                paths,
                3 * g + 1,
                site[first, 0],
                site[first, 1],
                site[first, 2],
                touch[0],
                touch[1],
                touch[2],
                scratch,
                jacobian,
            )
            length[tendon] += _span(
                paths,
                3 * g + 2,
                touch[3],
                touch[4],
                touch[5],
                site[last, 0],
                site[last, 1],
                site[last, 2],
                scratch,
                jacobian,
            )


@numba.njit(inline="always")
def _span(paths, span, x0, y0, z0, x1, y1, z1, lines, jacobian):
    """Length of a straight part; adds what joints do to it."""
    x, y, z = x1 - x0, y1 - y0, z1 - z0
    length = np.sqrt(x * x + y * y + z * z)
    begin, end = paths.effect_start[span], paths.effect_start[span + 1]
    if begin < end:
        x, y, z = x / length, y / length, z / length
        a, b, c = y0 * z - z0 * y, z0 * x - x0 * z, x0 * y - y0 * x
        for e in range(begin, end):
            line = lines[paths.effect_dof[e]]
            jacobian[paths.effect_place[e]] += paths.effect_sign[e] * (
                line[0] * a + line[1] * b + line[2] * c + line[3] * x + line[4] * y + line[5] * z
            )
    return length
