# SPDX-License-Identifier: Apache-2.0
"""What the device looks like in the URDF: simple shapes, sized from where the joints and masses are.

Positions are in the link's frame (m), which is that of the MyoLegs body: x forward, y up, z to the right.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

BONE = "bone"
DEVICE = "device"
#: Colours (red, green, blue, opacity): bone, and blue for the device (from Okabe and Ito's palette).
MATERIALS = {BONE: (0.89, 0.86, 0.78, 1.0), DEVICE: (0.0, 0.45, 0.70, 1.0)}

#: Shortest edge of a box (m).
SHORTEST_DRAWN_M = 0.01

#: A limb's part is a strut with a motor at one end and a cuff at the other. By segment: the body at its far
#: joint, shares of the way there where the strut begins and ends, share where the motor sits, and the strut's
#: distance from the limb's axis (m).
_WORN_ALONG = {"femur": ("tibia", (0.0, 0.62), 0.0, 0.095), "tibia": ("talus", (0.35, 1.0), 1.0, 0.065)}
STRUT_RADIUS_M, MOTOR_RADIUS_M, MOTOR_WIDTH_M, CUFF_HEIGHT_M = 0.012, 0.042, 0.03, 0.05
#: Foot plate: edges, and its place under the middle of the foot (m).
PLATE_M, PLATE_BELOW_M = np.array([0.22, 0.012, 0.085]), np.array([0.0, -0.028, 0.0])
#: Battery pack behind the pelvis, and a belt around it (m).
PACK_M, PACK_AT_M = np.array([0.06, 0.14, 0.2]), np.array([-0.16, 0.06, 0.0])
BELT_AT_M, BELT_RADIUS_M = np.array([-0.03, 0.03, 0.0]), 0.125


@dataclass(frozen=True)
class Shape:
    """A cylinder along a line, a ring (a hollow one), or a box (edges set)."""

    start: np.ndarray
    end: np.ndarray
    radius: float
    is_ring: bool = False
    #: Edges of a box around `start` (m); None for the others.
    box: np.ndarray | None = None


def shapes_of(model: mujoco.MjModel, body: int) -> list[Shape]:
    """Shapes of one body of the model; none where it is not a part of the device."""
    return _device_parts(model, body) if model.body(body).name.startswith("exo_") else []


def _device_parts(model: mujoco.MjModel, body: int) -> list[Shape]:
    """Drawn from the joints of the segment that wears the part; its masses are in the link's inertia."""
    name = model.body(body).name.removeprefix("exo_")
    side = name[-1]
    stem = name.rsplit("_", 1)[0]
    origin = -model.body_pos[body]  # the segment's origin, seen from the part's link
    if stem in _WORN_ALONG:
        far_body, reach, motor_at, width = _WORN_ALONG[stem]
        limb = model.body_pos[model.body(f"{far_body}_{side}").id]
        outwards = np.array([0.0, 0.0, width if side == "r" else -width])
        along = [origin + share * limb for share in reach]
        motor = origin + motor_at * limb + outwards
        cuff = along[0] if motor_at > 0.5 else along[1]
        half_height = 0.5 * CUFF_HEIGHT_M * limb / np.linalg.norm(limb)
        return [
            Shape(along[0] + outwards, along[1] + outwards, STRUT_RADIUS_M),
            Shape(motor, motor + MOTOR_WIDTH_M / width * outwards, MOTOR_RADIUS_M),
            Shape(cuff - half_height, cuff + half_height, width, is_ring=True),
        ]
    if stem == "calcn":
        middle = origin + 0.5 * model.body_pos[model.body(f"toes_{side}").id] + PLATE_BELOW_M
        return [Shape(middle, middle, 0.0, box=PLATE_M)]
    if name == "pelvis":
        pack, belt = origin + PACK_AT_M, origin + BELT_AT_M
        up = np.array([0.0, 0.5 * CUFF_HEIGHT_M, 0.0])
        return [Shape(pack, pack, 0.0, box=PACK_M), Shape(belt - up, belt + up, BELT_RADIUS_M, is_ring=True)]
    return [_solid_box(model, body)]


def _solid_box(model: mujoco.MjModel, body: int) -> Shape:
    """The solid box that has the part's mass and principal moments: 12 I_x / m = y^2 + z^2 and so on."""
    moments = model.body_inertia[body] * 6.0 / model.body_mass[body]
    edges = np.sqrt(np.maximum(moments.sum() - 2.0 * moments, SHORTEST_DRAWN_M**2))
    centre = model.body_ipos[body]
    return Shape(centre, centre, 0.0, box=edges)
