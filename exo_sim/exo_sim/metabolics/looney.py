# SPDX-License-Identifier: Apache-2.0
"""Measured gross cost of level walking, to hold simulated cost against."""

from __future__ import annotations

import numpy as np


def looney2019(speed_mps: np.ndarray | float) -> np.ndarray | float:
    """Gross metabolic power (W/kg) of level walking at speeds in m/s: 1.44 + 1.94 v^0.43 + 0.24 v^4.

    Source: Looney et al. 2019 (Med Sci Sports Exerc 51:2164-2172), a fit through studies of healthy adults on
    treadmills; 1.44 W/kg is standing.
    """
    return 1.44 + 1.94 * speed_mps**0.43 + 0.24 * speed_mps**4
