# SPDX-License-Identifier: Apache-2.0
"""What an exoskeleton policy is worth: without a device, unpowered, under the published profiles, under the policy."""

from __future__ import annotations

from collections.abc import Callable


def main(argv: list[str] | None = None, deploy: Callable | None = None, report: Callable | None = None) -> int:
    """`exo evaluate exo`; imports only when called. See `exo_lab.evaluate.exo.command`."""
    from exo_lab.evaluate.exo.command import main as run

    return run(argv, deploy, report)
