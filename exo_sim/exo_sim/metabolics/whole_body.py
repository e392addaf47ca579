# SPDX-License-Identifier: Apache-2.0
"""From muscles to the whole body, and what people were measured to spend."""

from __future__ import annotations

import numpy as np

from exo_sim.metabolics.errors import MetabolicsError

BASAL_W_KG = 1.2  # OpenSim's default: everything that is not a simulated leg muscle, per kg of body mass


def whole_body_power(total: np.ndarray, body_mass: float) -> np.ndarray:
    """Gross metabolic power: muscles (..., M) W and basal power of the body (kg) -> (...) W.

    Raises:
        MetabolicsError: body mass not positive.
    """
    if not np.isfinite(body_mass) or body_mass <= 0:
        raise MetabolicsError(f"body mass must be a positive number of kg, got {body_mass}")
    return np.sum(total, axis=-1) + BASAL_W_KG * body_mass
