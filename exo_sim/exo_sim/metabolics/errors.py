# SPDX-License-Identifier: Apache-2.0
"""The one error type of exo_sim.metabolics."""


class MetabolicsError(ValueError):
    """Input that the metabolic models cannot use; the message says what is wrong and what is allowed."""
