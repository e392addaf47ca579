# SPDX-License-Identifier: Apache-2.0
"""Measured gross cost of level walking, to hold simulated cost against."""

from __future__ import annotations

import numpy as np


def looney2019(speed_mps: np.ndarray | float) -> np.ndarray | float:
    """Gross metabolic power (W/kg) of level walking at speeds in m/s: 1.44 + 1.94 v^0.43 + 0.24 v^4.

    The same shape as its input. Source: Looney, Santee, Hansen, Bonventre, Chalmers and Potter 2019, Med Sci Sports Exerc
    51(9):1954-1960, doi 10.1249/MSS.0000000000002002; the level equation comes from their meta-regression over 95 people of
    11 studies up to 1.96 m/s, Med Sci Sports Exerc 51(2):346-351. 1.44 W/kg is standing.
    """
    speed = np.asarray(speed_mps, dtype=float)
    return 1.44 + 1.94 * speed**0.43 + 0.24 * speed**4
