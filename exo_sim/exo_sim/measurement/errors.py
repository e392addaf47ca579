# SPDX-License-Identifier: Apache-2.0
"""The one error type of exo_sim.measurement."""


class MeasurementError(ValueError):
    """A figure or result file that cannot be made; the message says what is wrong and what to do."""
