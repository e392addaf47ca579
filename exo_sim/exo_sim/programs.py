# SPDX-License-Identifier: Apache-2.0
"""Programs of this package, quiet about a signal that comes while they are imported."""

from __future__ import annotations

from exo_core.programs import start


def simulator_node() -> int:
    """The simulator node."""
    return start("exo_sim.simulator_node")
