# SPDX-License-Identifier: Apache-2.0
"""Programs of this package, quiet about a signal that comes while they are imported."""

from __future__ import annotations

from exo_core.programs import start


def policy_node() -> int:
    """The policy node."""
    return start("exo_policy.policy_node")
