# SPDX-License-Identifier: Apache-2.0
"""What a device looks like: belt, bars, cuffs, foot plates and motors as visual geoms of the model.

Film, viewer and URDF draw these geoms and nothing else. They have neither mass nor contact, and a body that is built
without visuals does not have them, so that the physics knows nothing of them. Shapes are for the eye; where they sit
follows from the device's segments, its driven joints and the body's own measures. Segment frames are those of MyoLegs:
x forward, y up, z to the right.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import mujoco
import numpy as np

from exo_core.joints import ANKLE, HIP, KNEE
from exo_device.description import DeviceDescription

#: MuJoCo's group of the device's geoms; bones have 0, muscles' wrapping surfaces and the soles have others.
DEVICE_GROUP = 2
#: Colours (red, green, blue from 0 to 1) of what carries, of what is strapped on, and of motors.
FRAME, CUFF, MOTOR = (0.22, 0.24, 0.28), (0.36, 0.39, 0.44), (0.16, 0.17, 0.20)
#: Driven joint (without side): segment that its motor sits on, body whose origin the joint's axis passes through, distance
#: from there outwards, and radius (m).
MOTORS = {
    HIP: ("pelvis", "femur", 0.115, 0.055),
    KNEE: ("femur", "tibia", 0.075, 0.048),
    ANKLE: ("tibia", "talus", 0.070, 0.042),
}
MOTOR_HALF_THICKNESS_M, BAR_RADIUS_M = 0.018, 0.011
#: Half widths of limbs where cuffs go round them (m), forward and sideways.
THIGH_M, CALF_M, WAIST_M = (0.078, 0.072), (0.052, 0.048), (0.120, 0.155)
#: Bands are made of flat pieces, this many and half this thick; half as high as given (m).
BAND_PIECES, BAND_HALF_THICKNESS_M, CUFF_HALF_HEIGHT_M, BELT_HALF_HEIGHT_M = 18, 0.004, 0.027, 0.024
#: Shortest edge of the box that stands for a part without a drawing (m).
SHORTEST_EDGE_M = 0.01


def motor_cap_name(joint: str) -> str:
    """Name of the geom on a motor's outer face: a cylinder whose z axis points away from the leg."""
    return f"exo_{joint}_cap"


def add_device_geoms(spec: mujoco.MjSpec, device: DeviceDescription, length_scale: float) -> None:
    """Adds the geoms of a device to the segments that wear it.

    Args:
        length_scale: size of the body, which is in the spec already, relative to the unscaled MyoLegs.
    """
    drawing = _Drawing(spec, length_scale)
    drawings = {"femur": drawing.thigh, "tibia": drawing.shank, "calcn": drawing.foot}
    for segment, part in device.segments.items():
        stem, _, side = segment.rpartition("_")
        if segment == "pelvis":
            drawing.belt([joint[-1] for joint in device.joints if joint.startswith(HIP)])
        elif stem in drawings:
            drawings[stem](side, part.com_m[1])
        else:
            # the solid box that has the part's mass and principal moments: 12 I_x / m = y^2 + z^2 and so on
            moments = 6.0 * np.array(part.inertia_kgm2) / part.mass_kg
            edges = np.sqrt(np.maximum(moments.sum() - 2.0 * moments, SHORTEST_EDGE_M**2))
            drawing.box(segment, part.com_m, 0.5 * edges / length_scale, FRAME)
    for joint in device.joints:
        drawing.motor(joint)


class _Drawing:
    """Adds geoms to segments; points and sizes (m) are those of the unscaled body."""

    def __init__(self, spec: mujoco.MjSpec, scale: float):
        self._spec, self._scale = spec, scale

    def box(self, segment: str, centre, half, colour, rotation: np.ndarray | None = None) -> None:
        """A box with half edges (3,) along the columns of a rotation (3, 3)."""
        quaternion = np.array([1.0, 0.0, 0.0, 0.0])
        if rotation is not None:
            mujoco.mju_mat2Quat(quaternion, rotation.flatten())
        size, place = self._scale * np.asarray(half), self._scale * np.asarray(centre)
        self._add(segment, colour, type=mujoco.mjtGeom.mjGEOM_BOX, pos=place, quat=quaternion, size=size)

    def chain(self, segment: str, points: Sequence, colour) -> None:
        """Bars from point to point (3,)."""
        for start, end in pairwise(points):
            self._connect(segment, mujoco.mjtGeom.mjGEOM_CAPSULE, start, end, BAR_RADIUS_M, colour)

    def motor(self, joint: str) -> None:
        """A motor and the cap on its outer face; nothing for a joint that has no drawing."""
        stem, _, side = joint.rpartition("_")
        if stem not in MOTORS:
            return
        carrier, axis_body, distance, radius = MOTORS[stem]
        segment = carrier if carrier == "pelvis" else f"{carrier}_{side}"
        outward = np.array([0.0, 0.0, _outwards(side)])
        centre = self._origin(f"{axis_body}_{side}") + distance * outward
        half, kind = MOTOR_HALF_THICKNESS_M * outward, mujoco.mjtGeom.mjGEOM_CYLINDER
        self._connect(segment, kind, centre - half, centre + half, radius, MOTOR)
        # from the far end to the near one: MuJoCo turns z of what lies between two points from the second to the first
        self._connect(segment, kind, centre + 1.4 * half, centre + half, 0.7 * radius, CUFF, motor_cap_name(joint))

    def belt(self, hips: Sequence[str]) -> None:
        """Belt and pack, and a bar to the motor at each driven hip (sides)."""
        self._band("pelvis", 0.035, -0.050, WAIST_M, BELT_HALF_HEIGHT_M)
        self.box("pelvis", (-0.205, 0.045, 0.0), (0.035, 0.085, 0.100), FRAME)
        self.box("pelvis", (-0.243, 0.045, 0.0), (0.010, 0.060, 0.070), CUFF)
        for side in hips:
            motor = self._origin(f"femur_{side}") + [0.0, 0.0, _outwards(side) * MOTORS[HIP][2]]
            self.chain("pelvis", [(-0.055, 0.042, _outwards(side) * WAIST_M[1]), motor], FRAME)

    def thigh(self, side: str, height: float) -> None:
        """A cuff at a height (m) below the hip, and a bar from there to the hip."""
        sign = _outwards(side)
        bar = [
            (0.0, 0.0, sign * MOTORS[HIP][2]),
            (0.012, height + 0.05, sign * (THIGH_M[1] + 0.012)),
            (0.012, height - 0.05, sign * (THIGH_M[1] + 0.006)),
        ]
        self.chain(f"femur_{side}", bar, FRAME)
        self._band(f"femur_{side}", height, 0.012, THIGH_M, CUFF_HALF_HEIGHT_M)

    def shank(self, side: str, height: float) -> None:
        """A cuff above a height (m) below the knee, and a bar from there to the ankle."""
        sign, cuff = _outwards(side), height + 0.05
        ankle = self._origin(f"talus_{side}")
        bar = [
            (-0.02, cuff + 0.03, sign * (CALF_M[1] + 0.006)),
            (-0.02, cuff - 0.03, sign * (CALF_M[1] + 0.008)),
            (ankle[0], ankle[1], sign * MOTORS[ANKLE][2]),
        ]
        self.chain(f"tibia_{side}", bar, FRAME)
        self._band(f"tibia_{side}", cuff, -0.02, CALF_M, CUFF_HALF_HEIGHT_M)

    def foot(self, side: str, _height: float) -> None:
        """A plate under the foot, and a bar from the ankle's motor to it."""
        segment, sign = f"calcn_{side}", _outwards(side)
        motor = [0.0, 0.0, sign * MOTORS[ANKLE][2]] - self._origin(segment)  # the ankle as the heel sees it
        self.box(segment, (0.085, -0.012, 0.0), (0.115, 0.006, 0.045), FRAME)
        self.chain(segment, [motor, (0.085, -0.010, sign * 0.048)], FRAME)

    def _band(self, segment: str, height: float, middle: float, half: tuple[float, float], half_height: float) -> None:
        """A band about y at a height, round a middle forward of the segment's axis (m)."""
        turns = np.linspace(0.0, 2.0 * np.pi, BAND_PIECES + 1)
        points = np.column_stack(
            [middle + half[0] * np.cos(turns), np.full(len(turns), height), half[1] * np.sin(turns)]
        )
        up = np.array([0.0, 1.0, 0.0])
        for start, end in pairwise(points):
            length = np.linalg.norm(end - start)
            along = (end - start) / length
            rotation = np.column_stack([along, up, np.cross(along, up)])
            edges = (0.55 * length, half_height, BAND_HALF_THICKNESS_M)
            self.box(segment, 0.5 * (start + end), edges, CUFF, rotation)

    def _origin(self, body: str) -> np.ndarray:
        """Origin (3,) of a body in its parent's frame."""
        return np.array(self._spec.body(body).pos) / self._scale

    def _connect(self, segment: str, kind, start, end, radius: float, colour, name: str = "") -> None:
        ends = self._scale * np.concatenate([start, end])
        self._add(segment, colour, name, type=kind, fromto=ends, size=[self._scale * radius, 0.0, 0.0])

    def _add(self, segment: str, colour, name: str = "", **shape) -> None:
        self._spec.body(segment).add_geom(
            name=name, rgba=[*colour, 1.0], group=DEVICE_GROUP, contype=0, conaffinity=0, mass=0.0, **shape
        )


def _outwards(side: str) -> float:
    return 1.0 if side == "r" else -1.0
