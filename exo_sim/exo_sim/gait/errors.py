# SPDX-License-Identifier: Apache-2.0
"""The one error type of exo_sim.gait."""


class GaitError(ValueError):
    """Input that the gait code cannot use; the message says what is wrong and what is allowed."""
