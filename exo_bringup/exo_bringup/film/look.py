# SPDX-License-Identifier: Apache-2.0
"""How the film looks: colours (red, green, blue from 0 to 1), sizes and where the camera is."""

from __future__ import annotations

import numpy as np

from exo_lab.report.style import COLOURS, FAINT_INK, INK

__all__ = ["COLOURS", "FAINT_INK", "INK", "meaningful_colours"]

#: Relaxed to fully active, as the RViz markers have them; drawn thicker the more active (m).
MUSCLE_RELAXED, MUSCLE_ACTIVE = np.array([0.20, 0.30, 0.80]), np.array([0.85, 0.10, 0.10])
MUSCLE_THINNEST_M, MUSCLE_THICKEST_M = 0.005, 0.013
BONE = (0.93, 0.91, 0.86)
FRAME, CUFF, MOTOR = (0.22, 0.24, 0.28), (0.36, 0.39, 0.44), (0.16, 0.17, 0.20)
#: Okabe and Ito's orange and green.
TORQUE, FORCE = (0.90, 0.60, 0.00), (0.00, 0.62, 0.45)
BACKGROUND = (0.965, 0.970, 0.975)
FLOOR_LIGHT, FLOOR_DARK = (0.93, 0.935, 0.94), (0.865, 0.875, 0.89)
#: A floor tile's edge (m).
TILE_M = 0.5

#: A body weight of force as an arrow (m).
FORCE_ARROW_M = 0.75
#: Less than this share of a body weight is not drawn.
SMALLEST_FORCE = 0.05
#: The arrow round a joint turns by this angle (rad) at the device's torque limit; less than the smallest
#: share of it is sensor noise and not drawn.
TORQUE_SWEEP_RAD, SMALLEST_TORQUE = 2.2, 0.04

#: From the wearer's right, a little from ahead and above (degrees; azimuth 0 looks to the wearer's left).
AZIMUTH_DEG, ELEVATION_DEG = 24.0, -8.0
#: Vertical field of view: narrow, as from far off (degrees); the height that fills the picture and its middle
#: (m, for the unscaled body).
FIELD_OF_VIEW_DEG, VIEW_HEIGHT_M, VIEW_MIDDLE_M = 22.0, 1.92, 0.86

#: Steps of the muscles' scale that a reduced palette keeps as they are.
KEPT_MUSCLE_STEPS = 8


def meaningful_colours() -> list[tuple[int, int, int]]:
    """Colours (0 to 255) that a reader compares with a legend: a reduced palette must keep them."""
    scale = [
        MUSCLE_RELAXED + share * (MUSCLE_ACTIVE - MUSCLE_RELAXED) for share in np.linspace(0.0, 1.0, KEPT_MUSCLE_STEPS)
    ]
    written = [tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5)) for colour in (*COLOURS.values(), INK, FAINT_INK)]
    return [
        *written,
        (255, 255, 255),
        *(tuple(round(255 * float(part)) for part in colour) for colour in (TORQUE, FORCE, BACKGROUND, *scale)),
    ]
