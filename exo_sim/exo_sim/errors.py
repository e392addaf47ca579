# SPDX-License-Identifier: Apache-2.0
"""The error type of the simulator."""

from __future__ import annotations


class SimError(ValueError):
    """Input that the simulator cannot use; the message is one line that says what is wrong and what to do."""
