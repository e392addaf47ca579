# SPDX-License-Identifier: Apache-2.0
"""How impaired people walk, what a device does for them, and for whom it does how much."""

from __future__ import annotations

from collections.abc import Callable


def main(argv: list[str] | None = None, report: Callable | None = None) -> int:
    """`exo evaluate impaired`; imports only when called. See `exo_lab.evaluate.impaired.command`."""
    from exo_lab.evaluate.impaired.command import main as run

    return run(argv, report)
