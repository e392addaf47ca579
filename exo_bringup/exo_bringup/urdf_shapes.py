# SPDX-License-Identifier: Apache-2.0
"""What the URDF's links look like: simple shapes of our own, sized from where the joints and masses are.

Positions are in the link's frame (m), which is that of the MyoLegs body: x forward, y up, z to the right.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

SKIN = "skin"
DEVICE = "device"
#: Colours (red, green, blue, opacity): light grey body, blue device (from Okabe and Ito's palette).
MATERIALS = {SKIN: (0.82, 0.80, 0.78, 0.55), DEVICE: (0.0, 0.45, 0.70, 1.0)}

#: Radii to draw limbs with (m); for the eye only.
LIMB_RADIUS_M = {"femur": 0.06, "tibia": 0.045, "calcn": 0.032, "pelvis": 0.075, "torso": 0.12}
HEAD_RADIUS_M = 0.10
#: MyoLegs ends at the tip of the toes' contact geometry, this far ahead of the toes' joint (m).
TOES_LENGTH_M = 0.06
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
    """A cylinder along a line, a sphere (both ends the same) or a box (size set) with one material."""

    start: np.ndarray
    end: np.ndarray
    radius: float
    material: str = SKIN
    #: Edges of a box around `start` (m); None for a cylinder or sphere.
    box: np.ndarray | None = None


def shapes_of(model: mujoco.MjModel, body: int) -> list[Shape]:
    """Shapes (possibly none) of one body of the model."""
    name = model.body(body).name
    if name.startswith("exo_"):
        return _device_parts(model, body)
    stem = name.rsplit("_", 1)[0]
    child_at = {
        model.body(i).name: model.body_pos[i] for i in range(model.nbody) if model.body_parentid[i] == body
    }
    origin = np.zeros(3)
    if stem in ("femur", "tibia", "calcn"):
        next_stem = {"femur": "tibia", "tibia": "talus", "calcn": "toes"}[stem]
        end = child_at[f"{next_stem}_{name[-1]}"]
        return _capsule(origin, end, LIMB_RADIUS_M[stem])
    if stem == "toes":
        return _capsule(origin, np.array([TOES_LENGTH_M, 0.0, 0.0]), LIMB_RADIUS_M["calcn"] * 0.8)
    if name == "pelvis":
        return _capsule(child_at["femur_r"], child_at["femur_l"], LIMB_RADIUS_M["pelvis"])
    if name == "torso":
        # The ribcage: about the centre of mass, as wide as the shoulders of the model's 1.70 m.
        centre = model.body_ipos[body]
        return _capsule(centre + [0.0, -0.22, 0.0], centre + [0.0, 0.10, 0.0], LIMB_RADIUS_M["torso"])
    if name == "head":
        return [Shape(model.body_ipos[body], model.body_ipos[body], HEAD_RADIUS_M)]
    return []


def _capsule(start: np.ndarray, end: np.ndarray, radius: float) -> list[Shape]:
    # URDF has no capsule: a cylinder with a ball at each end
    return [Shape(start, end, radius), Shape(start, start, radius), Shape(end, end, radius)]


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
            Shape(along[0] + outwards, along[1] + outwards, STRUT_RADIUS_M, DEVICE),
            Shape(motor, motor + MOTOR_WIDTH_M / width * outwards, MOTOR_RADIUS_M, DEVICE),
            Shape(cuff - half_height, cuff + half_height, width - STRUT_RADIUS_M, DEVICE),
        ]
    if stem == "calcn":
        middle = origin + 0.5 * model.body_pos[model.body(f"toes_{side}").id] + PLATE_BELOW_M
        return [Shape(middle, middle, 0.0, DEVICE, PLATE_M)]
    if name == "pelvis":
        pack, belt = origin + PACK_AT_M, origin + BELT_AT_M
        up = np.array([0.0, 0.5 * CUFF_HEIGHT_M, 0.0])
        return [Shape(pack, pack, 0.0, DEVICE, PACK_M), Shape(belt - up, belt + up, BELT_RADIUS_M, DEVICE)]
    return [_solid_box(model, body)]


def _solid_box(model: mujoco.MjModel, body: int) -> Shape:
    """The solid box that has the part's mass and principal moments: 12 I_x / m = y^2 + z^2 and so on."""
    moments = model.body_inertia[body] * 6.0 / model.body_mass[body]
    edges = np.sqrt(np.maximum(moments.sum() - 2.0 * moments, SHORTEST_DRAWN_M**2))
    centre = model.body_ipos[body]
    return Shape(centre, centre, 0.0, DEVICE, edges)
