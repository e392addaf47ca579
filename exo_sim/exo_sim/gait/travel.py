# SPDX-License-Identifier: Apache-2.0
"""Turns a stride into its direction of travel: a walk may drift from the world's x axis.

Gait laboratories measure fore-aft force, step length and width along the direction of progression. A walkway
fixes it; here it is where both feet went during the stride (one foot alone turns with the width of its steps).
"""

from __future__ import annotations

import numpy as np

from exo_core.joints import SIDES
from exo_sim.gait.layout import SampleLayout

#: A body that moved less than this in a stride (m) marks time and has no direction: the world's x axis stays.
SHORTEST_WAY_M = 0.1


def direction_of_travel(layout: SampleLayout, rows: np.ndarray) -> float:
    """Heading (rad, left of the world's x axis +) of the mean way of both feet from the first to the last row.

    Args:
        layout: the columns of ``rows``.
        rows: (n, len(layout)) of one stride.

    Returns:
        0 where the feet were not measured or hardly moved.
    """
    way = [
        np.mean([rows[-1, column] - rows[0, column] for column in _columns(layout, "foot", axis)]) for axis in range(2)
    ]
    return float(np.arctan2(way[1], way[0])) if np.hypot(*way) >= SHORTEST_WAY_M else 0.0


def turned_into_travel(layout: SampleLayout, rows: np.ndarray, heading: float) -> np.ndarray:
    """The rows with horizontal vectors and pelvis rotation as seen along a heading (rad); a copy.

    Axes are then forward, left and up; positions keep the world's origin.
    """
    turned = rows.copy()
    cos, sin = np.cos(heading), np.sin(heading)
    for block in ("grf", "foot"):
        x, y = _columns(layout, block, 0), _columns(layout, block, 1)
        turned[:, x] = cos * rows[:, x] + sin * rows[:, y]
        turned[:, y] = cos * rows[:, y] - sin * rows[:, x]
    rotation = layout.index("pelvis", "rotation")
    turned[:, rotation] = (rows[:, rotation] - heading + np.pi) % (2.0 * np.pi) - np.pi
    return turned


def _columns(layout: SampleLayout, block: str, axis: int) -> list[int]:
    return [layout.index(block, side, axis) for side in SIDES]
