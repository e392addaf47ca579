# SPDX-License-Identifier: Apache-2.0
"""Measures people and policies over seeds, speeds and conditions, offline and in lockstep.

Read in this order: figures (what a measure is), command (what every study does), then human, exo or impaired, each with
its measures beside it: human_measures, exo_measures and population, clinical and patient_measures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path


def main(
    argv: Sequence[str] | None = None, report: Callable[[Path], Path] | None = None, kind: str = "human", **more
) -> int:
    """`exo evaluate KIND` (human, exo or impaired), whose modules are imported only now; returns the exit code.

    Args:
        argv: without the command's name.
        report: draws the folder's report and returns its path.
        more: what only one kind takes, see there.
    """
    return import_module(f"exo_lab.evaluate.{kind}").main(argv, report, **more)
