# SPDX-License-Identifier: Apache-2.0
"""Starts a program of a package, whatever the user's shell has set.

Imports take seconds; a signal in that time must end it quietly.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
from pathlib import Path

from exo_core.errors import UserError
from exo_core.files import keep_private, runtime_folder

SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: Exit code of a program that a signal ended, as shells count.
EXIT_BY_SIGNAL = 128
#: With it MuJoCo loads a graphics library as soon as it is imported, and fails where that is not there.
GRAPHICS_VARIABLE = "MUJOCO_GL"
#: Read by numba when it is imported.
CACHE_VARIABLE = "NUMBA_CACHE_DIR"
_graphics_wanted = ""


def prepare() -> None:
    """Does what every program needs first, before anything heavy is imported.

    Files that it writes are its user's alone; MUJOCO_GL is set aside, for itself and its children: films alone draw,
    and ask graphics_wanted(); and numba has a place for what it compiles.
    """
    global _graphics_wanted
    keep_private()
    _graphics_wanted = os.environ.pop(GRAPHICS_VARIABLE, _graphics_wanted)
    _find_compiled_code_a_place()


def _find_compiled_code_a_place() -> None:
    """numba keeps it beside the sources or in the user's cache; where neither can be written it raises an error."""
    if CACHE_VARIABLE in os.environ or os.access(Path(__file__).parent, os.W_OK):
        return
    cache = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    try:
        cache.mkdir(parents=True, exist_ok=True)
        writable = os.access(cache, os.W_OK)
    except OSError:  # no home, or not ours
        writable = False
    if not writable:
        with contextlib.suppress(UserError):
            os.environ[CACHE_VARIABLE] = str(runtime_folder() / "numba")


def graphics_wanted() -> str:
    """Returns what the user's MUJOCO_GL says, in small letters; empty without one."""
    return (os.environ.get(GRAPHICS_VARIABLE) or _graphics_wanted).strip().lower()


def _end(number: int, _frame: object) -> None:
    os._exit(EXIT_BY_SIGNAL + number)  # nothing has begun yet: no motor, no node, no file


def start(module: str) -> int:
    """Imports module and runs its main(), which may set handlers of its own. Returns its exit code."""
    for number in SIGNALS:
        signal.signal(number, _end)
    prepare()
    program = importlib.import_module(module)
    # rclpy's handlers call those that were there before them: ours would end a node that is shutting down
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        return program.main()
    except KeyboardInterrupt:
        return EXIT_BY_SIGNAL + signal.SIGINT
