# SPDX-License-Identifier: Apache-2.0
"""Environments that train the human, and the commands that run them."""
from __future__ import annotations


def main(argv: list[str] | None = None) -> int:
    """`exo train human`; imports only when called."""
    from exo_sim.training.train_human import main as run
    return run(argv)
