# SPDX-License-Identifier: Apache-2.0
"""Starts a program of a package. Imports take seconds; a signal in that time must end it quietly."""

from __future__ import annotations

import importlib
import os
import signal

SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: Exit code of a program that a signal ended, as shells count.
EXIT_BY_SIGNAL = 128


def _end(number: int, _frame: object) -> None:
    os._exit(EXIT_BY_SIGNAL + number)  # nothing has begun yet: no motor, no node, no file


def start(module: str) -> int:
    """Imports module and runs its main(), which may set handlers of its own. Returns its exit code."""
    for number in SIGNALS:
        signal.signal(number, _end)
    program = importlib.import_module(module)
    # rclpy's handlers call those that were there before them: ours would end a node that is shutting down
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        return program.main()
    except KeyboardInterrupt:
        return EXIT_BY_SIGNAL + signal.SIGINT
