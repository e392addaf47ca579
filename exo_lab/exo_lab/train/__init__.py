# SPDX-License-Identifier: Apache-2.0
"""Environments that train the human and the exoskeleton, and the commands that run them."""

from __future__ import annotations


def main(argv: list[str] | None = None, kind: str = "human") -> int:
    """`exo train human`, `exo train compensations`, `exo train exo` or `exo personalise`; imports only when called."""
    if kind == "personalise":
        from exo_lab.train.personalise import main as run
    elif kind == "compensations":
        from exo_lab.train.compensation.command import main as run
    elif kind == "exo":
        from exo_lab.train.train_exo import main as run
    else:
        from exo_lab.train.train_human import main as run
    return run(argv)
