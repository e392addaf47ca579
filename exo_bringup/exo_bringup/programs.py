# SPDX-License-Identifier: Apache-2.0
"""Nodes of this package, quiet about a signal that comes while they are imported."""

from __future__ import annotations

from exo_core.programs import start


def recorder_node() -> int:
    """The recorder node."""
    return start("exo_bringup.recorder_node")


def viewer_node() -> int:
    """The viewer in the browser."""
    return start("exo_bringup.viewer_node")


def visualization_node() -> int:
    """The visualization node."""
    return start("exo_bringup.visualization_node")
