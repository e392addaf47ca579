# SPDX-License-Identifier: Apache-2.0
"""Environments that train the human and the exoskeleton, and the commands that run them."""

from __future__ import annotations

import os


def main(argv: list[str] | None = None, kind: str = "human") -> int:
    """`exo train human`, `exo train nerves`, `exo train compensations`, `exo train exo` or `exo personalise`; imports only when called."""
    # Read when torch is imported. Workers and learner take turns on the cores: threads that wait actively would take
    # them from those who work.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if kind == "personalise":
        from exo_lab.train.personalise import main as run
    elif kind == "compensations":
        from exo_lab.train.compensations import main as run
    elif kind == "nerves":
        from exo_lab.train.nerves.command import main as run
    elif kind == "exo":
        from exo_lab.train.train_exo import main as run
    else:
        from exo_lab.train.train_human import main as run
    return run(argv)
