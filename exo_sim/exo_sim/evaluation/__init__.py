# SPDX-License-Identifier: Apache-2.0
"""Measures policies over seeds and conditions, offline and in lockstep."""
from __future__ import annotations


def main(argv: list[str] | None = None) -> int:
    """`exo evaluate human`; imports only when called."""
    from exo_sim.evaluation.evaluate_human import main as run
    return run(argv)
