# SPDX-License-Identifier: Apache-2.0
"""Arrows as arrays of shafts and heads: straight ones for forces, bent ones for torques."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exo_bringup.film.look import SMALLEST_TORQUE, TORQUE_SWEEP_RAD

#: A torque's arrow: radius of its arc and of its shaft (m), straight pieces of the arc.
ARC_RADIUS_M, ARC_SHAFT_M, ARC_PIECES = 0.135, 0.011, 16
#: A force's shaft (m). A head is this much wider than its shaft, and this much longer than wide.
FORCE_SHAFT_M, HEAD_WIDTH, HEAD_SLENDERNESS = 0.013, 2.6, 2.2
#: Below this share of the limit the whole arrow of a torque is drawn thinner.
FULL_SIZE_SHARE = 0.35


@dataclass(frozen=True)
class Arrows:
    """Shafts from starts to ends (N, 3) with radii (N,); heads from feet to tips (M, 3) with radii (M,)."""

    starts: np.ndarray
    ends: np.ndarray
    radii: np.ndarray
    feet: np.ndarray
    tips: np.ndarray
    head_radii: np.ndarray


def none_of(shafts: int, heads: int) -> Arrows:
    """Arrows that are not drawn; they keep the number of instances the same."""
    return Arrows(
        *(np.zeros((shafts, 3)), np.zeros((shafts, 3)), np.zeros(shafts)),
        *(np.zeros((heads, 3)), np.zeros((heads, 3)), np.zeros(heads)),
    )


def straight(start: np.ndarray, end: np.ndarray) -> Arrows:
    """One arrow between two points (3,); none where they are not finite or too close for a head."""
    way = end - start
    length = np.linalg.norm(way)
    head = HEAD_WIDTH * FORCE_SHAFT_M * HEAD_SLENDERNESS
    if not (np.isfinite(length) and length > head):
        return none_of(1, 1)
    neck = end - way * (head / length)
    return Arrows(
        *(start[None], neck[None], np.array([FORCE_SHAFT_M])),
        *(neck[None], end[None], np.array([HEAD_WIDTH * FORCE_SHAFT_M])),
    )


def bent(centre: np.ndarray, axis: np.ndarray, first: np.ndarray, share: float, scale: float) -> Arrows:
    """An arrow round an axis, as far as a share (-1 to 1) of the torque limit; none for the smallest shares.

    Args:
        centre, axis, first: (3,) m, the unit axis, and the direction from which the arrow sets out.
        share: right-handed about the axis where it is positive.
        scale: size of the body relative to the unscaled one.
    """
    if abs(share) < SMALLEST_TORQUE:
        return none_of(ARC_PIECES, 1)
    size = min(1.0, abs(share) / FULL_SIZE_SHARE)
    shaft, radius = size * ARC_SHAFT_M * scale, ARC_RADIUS_M * scale
    first = first - axis * (first @ axis)
    first = first / np.linalg.norm(first)
    sweep = share * TORQUE_SWEEP_RAD
    head_turn = np.sign(share) * HEAD_WIDTH * shaft * HEAD_SLENDERNESS / radius
    turns = np.append(np.linspace(0.0, sweep, ARC_PIECES + 1), sweep + head_turn)
    points = centre + radius * (np.outer(np.cos(turns), first) + np.outer(np.sin(turns), np.cross(axis, first)))
    return Arrows(
        *(points[:-2], points[1:-1], np.full(ARC_PIECES, shaft)),
        *(points[-2:-1], points[-1:], np.array([HEAD_WIDTH * shaft])),
    )
