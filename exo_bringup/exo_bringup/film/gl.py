# SPDX-License-Identifier: Apache-2.0
"""Which way to draw without a display: EGL where it works, else OSMesa (MuJoCo's two off-screen contexts)."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

from exo_core.errors import UserError
from exo_core.programs import GRAPHICS_VARIABLE as VARIABLE
from exo_core.programs import graphics_wanted

#: In the order in which they are tried; MuJoCo's own variable chooses one.
BACKENDS = ("egl", "osmesa")
PROBE_TIMEOUT_S = 60.0
#: Edge of the context that is tried (pixels).
PROBE_EDGE = 16
HELP = (
    "no off-screen OpenGL: neither EGL nor OSMesa works here; install one of them "
    "(Debian and Ubuntu: apt install libegl1 libgl1-mesa-dri, or libosmesa6)"
)


def choose_backend() -> str:
    """Name of a context that works here.

    A failed attempt leaves PyOpenGL bound to that platform, so each is tried in a process of its own.

    Raises:
        UserError: none works, or MUJOCO_GL names one that does not.
    """
    wanted = graphics_wanted()
    if wanted and wanted not in BACKENDS:
        raise UserError(
            f"{VARIABLE}={wanted} cannot draw without a display: unset it, or choose {' or '.join(BACKENDS)}"
        )
    for backend in (wanted,) if wanted else BACKENDS:
        if _works(backend):
            return backend
    raise UserError(f"{VARIABLE}={wanted} does not work here: unset it to try the other one" if wanted else HELP)


def make_context(backend: str, width: int, height: int):
    """An OpenGL context (make_current, free) for pictures of up to width by height pixels.

    Raises UserError if this process is bound to another platform already.
    """
    try:
        return importlib.import_module(f"mujoco.{backend}").GLContext(width, height)
    except Exception as error:  # PyOpenGL's errors have no common base
        raise UserError(f"OpenGL by {backend} failed: {' '.join(str(error).split())}") from error


def _works(backend: str) -> bool:
    code = (
        f"import mujoco, mujoco.{backend} as gl; c = gl.GLContext({PROBE_EDGE}, {PROBE_EDGE}); "
        "c.make_current(); "
        "mujoco.MjrContext(mujoco.MjModel.from_xml_string('<mujoco/>'), mujoco.mjtFontScale.mjFONTSCALE_100)"
    )
    environment = {key: value for key, value in os.environ.items() if key not in ("PYOPENGL_PLATFORM", VARIABLE)}
    try:
        return (
            subprocess.run(
                [sys.executable, "-c", code], env=environment, capture_output=True, timeout=PROBE_TIMEOUT_S
            ).returncode
            == 0
        )
    except subprocess.TimeoutExpired:
        return False
