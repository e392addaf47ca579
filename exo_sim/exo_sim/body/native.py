# SPDX-License-Identifier: Apache-2.0
"""MuJoCo's C functions and arrays, by address, for compiled code that steps many bodies without Python in between."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from pathlib import Path

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
