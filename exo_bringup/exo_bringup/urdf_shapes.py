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
LIMB_RADIUS_M = {"femur": 0.06, "tibia": 0.045, "calcn": 0.032, "pelvis": 0.075, "torso": 0.11}
HEAD_RADIUS_M = 0.10
#: MyoLegs ends at the tip of the toes' contact geometry, this far ahead of the toes' joint (m).
TOES_LENGTH_M = 0.06
#: Drawn behind the ankle for the heel, in calcn's frame, where the origin is at the heel (m).
SHORTEST_DRAWN_M = 0.01


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
        return [_device_part(model, body)]
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


def _device_part(model: mujoco.MjModel, body: int) -> Shape:
    """The solid box that has the part's mass and principal moments: 12 I_x / m = y^2 + z^2 and so on."""
    moments = model.body_inertia[body] * 6.0 / model.body_mass[body]
    edges = np.sqrt(np.maximum(moments.sum() - 2.0 * moments, SHORTEST_DRAWN_M**2))
    centre = model.body_ipos[body]
    return Shape(centre, centre, 0.0, DEVICE, edges)
