# SPDX-License-Identifier: Apache-2.0
"""Measures policies over seeds, speeds and conditions, offline and in lockstep."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def main(argv: list[str] | None = None, report: Callable[[Path], Path] | None = None) -> int:
    """`exo evaluate human`; imports only when called. `report` draws the folder's report and returns its path."""
    from exo_lab.evaluate.evaluate_human import main as run

    return run(argv, report)
