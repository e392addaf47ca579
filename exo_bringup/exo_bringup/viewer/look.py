# SPDX-License-Identifier: Apache-2.0
"""How the page looks: the film's colours, and sizes that suit a page."""

from __future__ import annotations

import numpy as np

from exo_bringup.film.look import (
    BACKGROUND,
    BONE,
    CUFF,
    FORCE,
    FORCE_ARROW_M,
    FRAME,
    MUSCLE_ACTIVE,
    MUSCLE_RELAXED,
    SMALLEST_FORCE,
    TORQUE,
)
from exo_lab.report.style import COLOURS, INK, NORM_BAND, NORM_LINE

# a plain list: an import that no plain __all__ names counts as unused, and was once removed
__all__ = [
    "BACKGROUND",
    "BONE",
    "COLOURS",
    "CUFF",
    "FORCE",
    "FORCE_ARROW_M",
    "FRAME",
    "INK",
    "MUSCLE_ACTIVE",
    "MUSCLE_RELAXED",
    "NORM_BAND",
    "NORM_LINE",
    "SMALLEST_FORCE",
    "TORQUE",
]

#: Light and dark tiles: the page's lamps are brighter than the film's.
FLOOR = ((0.90, 0.905, 0.915), (0.76, 0.775, 0.80))
#: A muscle's tube without force, and what a force of STRONG_N adds to its radius (m). Cross sections grow
#: with force, hence the root.
THIN_M, STRONG_M, STRONG_N = 0.0035, 0.0085, 2000.0
#: Right and left, told apart with any kind of colour vision (Okabe and Ito).
SIDE_COLOURS = {"r": "#D55E00", "l": "#0072B2"}
#: Lines of a plot that are no sides.
LINE_COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999", "#000000")
#: Bones where nobody says how they stand.
GHOST_OPACITY = 0.35


def colour_255(colour) -> tuple[int, int, int]:
    """Red, green and blue from 0 to 1 as whole numbers from 0 to 255."""
    red, green, blue = (round(255 * float(part)) for part in colour)
    return red, green, blue


def muscle_colours(activation: np.ndarray) -> np.ndarray:
    """Colours (N, 3), 0 to 255, of activations (N,) from 0 to 1."""
    levels = np.clip(np.nan_to_num(activation), 0.0, 1.0)[:, None]
    return (255.0 * (MUSCLE_RELAXED + levels * (MUSCLE_ACTIVE - MUSCLE_RELAXED))).astype(np.uint8)


def muscle_radii(force_n: np.ndarray) -> np.ndarray:
    """Radii (N,) in m of forces (N,) in N."""
    return THIN_M + STRONG_M * np.sqrt(np.clip(np.nan_to_num(force_n), 0.0, None) / STRONG_N)
