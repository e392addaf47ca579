# SPDX-License-Identifier: Apache-2.0
"""The error types of the simulated side: each message is one line that says what is wrong and what to do."""

from __future__ import annotations


class SimError(ValueError):
    """Input that the simulator cannot use; the message is one line that says what is wrong and what to do."""


class GaitError(ValueError):
    """Input that the gait code cannot use; the message says what is wrong and what is allowed."""


class MeasurementError(ValueError):
    """A figure or result file that cannot be made; the message says what is wrong and what to do."""


class MetabolicsError(ValueError):
    """Input that the metabolic models cannot use; the message says what is wrong and what is allowed."""
