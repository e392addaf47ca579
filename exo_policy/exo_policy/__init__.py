# SPDX-License-Identifier: Apache-2.0
"""Exoskeleton policies: what a controller may sense, what it may command, and the controllers themselves.

The package runs on a light device computer: its core is numpy, scipy and pydantic, without ROS, without a
simulator and without torch (torch is needed only to train, see :mod:`exo_lab.rl`).
"""

from exo_core.programs import start


def start_policy_node() -> int:
    """The policy node, quiet about a signal that comes while it is imported."""
    return start("exo_policy.policy_node")
