# SPDX-License-Identifier: Apache-2.0
"""Starts a program of a package, whatever the user's shell has set.

Imports take seconds; a signal in that time must end it quietly.
"""

from __future__ import annotations

import importlib
import os
import signal

from exo_core.files import keep_private

SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: Exit code of a program that a signal ended, as shells count.
EXIT_BY_SIGNAL = 128
#: With it MuJoCo loads a graphics library as soon as it is imported, and fails where that is not there.
GRAPHICS_VARIABLE = "MUJOCO_GL"
_graphics_wanted = ""


def prepare() -> None:
    """Does what every program needs first, before anything heavy is imported.

    Files that it writes are its user's alone; and MUJOCO_GL is set aside, for itself and its children: films alone
    draw, and ask graphics_wanted().
    """
    global _graphics_wanted
    keep_private()
    _graphics_wanted = os.environ.pop(GRAPHICS_VARIABLE, _graphics_wanted)


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
