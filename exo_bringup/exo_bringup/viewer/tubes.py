# SPDX-License-Identifier: Apache-2.0
"""Many straight tubes as instances of one unit cylinder: positions, quaternions and scales by arrays."""

from __future__ import annotations

import numpy as np

#: Shorter than this has no direction (m).
SHORTEST_M = 1e-6


def instances(starts: np.ndarray, ends: np.ndarray, radii: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Instances of a shape of radius 1 that reaches from z = 0 to 1.

    Args:
        starts, ends: (N, 3) m.
        radii: (N,) m.

    Returns:
        positions (N, 3), quaternions (N, 4) w, x, y, z, scales (N, 3), all float32. An instance without
        length or with a value that is not finite gets the scale zero: nothing is drawn.
    """
    along = ends - starts
    length = np.linalg.norm(along, axis=1)
    drawn = np.isfinite(length) & (length > SHORTEST_M) & np.isfinite(radii)
    along = np.where(drawn[:, None], along, [0.0, 0.0, 1.0]) / np.where(drawn, length, 1.0)[:, None]
    # half-way between z and the direction: w = 1 + z.d, (x, y, z) = z cross d; downwards turns about x
    quaternions = np.column_stack([1.0 + along[:, 2], -along[:, 1], along[:, 0], np.zeros(len(along))])
    quaternions[quaternions[:, 0] < SHORTEST_M] = (0.0, 1.0, 0.0, 0.0)
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    scales = np.column_stack([radii, radii, length])
    return (
        np.where(drawn[:, None], starts, 0.0).astype(np.float32),
        quaternions.astype(np.float32),
        np.where(drawn[:, None], scales, 0.0).astype(np.float32),
    )
