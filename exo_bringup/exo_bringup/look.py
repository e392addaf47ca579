# SPDX-License-Identifier: Apache-2.0
"""How film, viewer and RViz draw what cannot be seen: muscles at work, forces on the floor, torques of the device.

Colours are red, green and blue from 0 to 1, lengths are in m. The device itself is part of the model
(exo_sim.body.device_geoms).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exo_core.joints import ANKLE

#: Relaxed to fully active, blue to red, a little darker than pure.
MUSCLE_RELAXED, MUSCLE_ACTIVE = np.array([0.20, 0.30, 0.80]), np.array([0.85, 0.10, 0.10])
BONE = (0.93, 0.91, 0.86)
#: Okabe and Ito's orange and green.
TORQUE, FORCE = (0.90, 0.60, 0.00), (0.00, 0.62, 0.45)
BACKGROUND = (0.965, 0.970, 0.975)

#: A body weight of force as an arrow (m); less than the smallest share of a body weight is not drawn.
FORCE_ARROW_M, SMALLEST_FORCE = 0.75, 0.05
#: The arrow round a joint turns by this angle (rad) at the device's torque limit; less than the smallest share of it
#: is sensor noise and not drawn. Below the third share the whole arrow is drawn thinner.
TORQUE_SWEEP_RAD, SMALLEST_TORQUE, FULL_SIZE_SHARE = 2.2, 0.04, 0.35
#: A torque's arrow: radius of its arc and of its shaft (m), straight pieces of the arc.
ARC_RADIUS_M, ARC_SHAFT_M, ARC_PIECES = 0.135, 0.012, 16
#: A force's shaft (m). A head is this much wider than its shaft, and this much longer than wide.
FORCE_SHAFT_M, HEAD_WIDTH, HEAD_SLENDERNESS = 0.014, 2.6, 2.2


def muscle_colours(activation: np.ndarray) -> np.ndarray:
    """Colours (N, 3) of activations (N,) from 0 to 1; what is not known is relaxed."""
    levels = np.clip(np.nan_to_num(activation), 0.0, 1.0)[:, None]
    return MUSCLE_RELAXED + levels * (MUSCLE_ACTIVE - MUSCLE_RELAXED)


@dataclass(frozen=True)
class Arrows:
    """Shafts from starts to ends (N, 3) with radii (N,); heads from feet to tips (M, 3) with radii (M,)."""

    starts: np.ndarray
    ends: np.ndarray
    radii: np.ndarray
    feet: np.ndarray
    tips: np.ndarray
    head_radii: np.ndarray


def _no_arrow(shafts: int) -> Arrows:
    """An arrow that is not drawn; it keeps the number of pieces the same."""
    nowhere, nothing = np.zeros((shafts, 3)), np.zeros(shafts)
    return Arrows(nowhere, nowhere, nothing, np.zeros((1, 3)), np.zeros((1, 3)), np.zeros(1))


def force_arrow(start: np.ndarray, force: np.ndarray) -> Arrows:
    """An arrow from a point (3,) along a force (3,), in body weights; none where it is small or not known."""
    way = FORCE_ARROW_M * force
    length = np.linalg.norm(way)
    head = HEAD_WIDTH * FORCE_SHAFT_M * HEAD_SLENDERNESS
    is_drawn = np.isfinite(start).all() and np.isfinite(length) and length > max(head, SMALLEST_FORCE * FORCE_ARROW_M)
    if not is_drawn:
        return _no_arrow(1)
    neck, tip = start + way * (1.0 - head / length), start + way
    return Arrows(
        *(start[None], neck[None], np.array([FORCE_SHAFT_M])),
        *(neck[None], tip[None], np.array([HEAD_WIDTH * FORCE_SHAFT_M])),
    )


def torque_arrow(centre: np.ndarray, axis: np.ndarray, first: np.ndarray, share: float, scale: float) -> Arrows:
    """An arrow round an axis, as far as a share (-1 to 1) of the torque limit; none for the smallest shares.

    Args:
        centre, axis, first: (3,) m, the unit axis, and the direction from which the arrow sets out.
        share: right-handed about the axis where it is positive.
        scale: size of the body relative to the unscaled one.
    """
    if not abs(share) >= SMALLEST_TORQUE:
        return _no_arrow(ARC_PIECES)
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


def sets_out_from(joint: str) -> np.ndarray:
    """Axis (3,) of the moved segment from which a joint's torque arrow sets out: along the limb, or along the foot."""
    return np.array([1.0, 0.0, 0.0] if joint.startswith(ANKLE) else [0.0, -1.0, 0.0])
