# SPDX-License-Identifier: Apache-2.0
"""What a device looks like in the film: belt, bars, cuffs, foot plates, motors, where its description says.

Shapes are ours and for the eye; where they sit follows from the device's segments, its driven joints and the
body's own measures. Body frames are those of MyoLegs: x forward, y up, z to the right.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from exo_bringup.film.look import (
    CUFF,
    FRAME,
    MOTOR,
    SMALLEST_TORQUE,
    TORQUE,
    TORQUE_SWEEP_RAD,
)
from exo_bringup.film.solids import SolidPainter
from exo_sim.body.model import BodyModel

SIDE_SIGN = {"r": 1.0, "l": -1.0}
#: Driven joint (without side): body whose z axis the motor sits on, distance from the joint along it and
#: radius (m), and the axis of the moved segment from which the torque's arrow sets out.
MOTORS = {
    "hip_flexion": ("pelvis", 0.115, 0.055, (0.0, -1.0, 0.0)),
    "knee_angle": ("femur", 0.075, 0.048, (0.0, -1.0, 0.0)),
    "ankle_angle": ("tibia", 0.070, 0.042, (1.0, 0.0, 0.0)),
}
MOTOR_HALF_THICKNESS_M = 0.018
BAR_RADIUS_M = 0.011
#: Half widths of limbs where cuffs go round them (m), forward and sideways.
THIGH_M, CALF_M, WAIST_M = (0.078, 0.072), (0.052, 0.048), (0.120, 0.155)
#: Bands are made of flat pieces, this many and half this thick; half as high as given (m).
BAND_PIECES, BAND_HALF_THICKNESS_M, CUFF_HALF_HEIGHT_M, BELT_HALF_HEIGHT_M = 18, 0.004, 0.027, 0.024
#: A torque's arrow: radius of its arc, half its thickness (m), and the turn that its head takes up (rad).
ARC_RADIUS_M, ARC_THICKNESS_M, ARC_PIECES, HEAD_RAD = 0.135, 0.014, 10, 0.55
#: The head is a stack of discs, the first this much wider than the shaft; below this share of the limit
#: the whole arrow is drawn smaller.
HEAD_WIDTH, HEAD_DISCS, FULL_SIZE_SHARE = 2.4, 14, 0.35


@dataclass(frozen=True)
class MotorPlace:
    """A motor in the world: the body that carries it, centre (3,) and half its height outwards (3,), radius
    (m), the joint's axis (3,) and the direction (3,) from which the torque's arrow sets out."""

    carrier: str
    centre: np.ndarray
    half: np.ndarray
    radius: float
    axis: np.ndarray
    setting_out: np.ndarray


class DeviceSolids:
    """Draws one body's device."""

    def __init__(self, body: BodyModel):
        self._body, self._model = body, body.model
        self._scale = body.subject.length_scale
        self._segments = dict(body.device.segments) if body.device else {}

    def draw(self, painter: SolidPainter, data: mujoco.MjData, torque: dict[str, float]) -> None:
        """Add the device in its present place; torque (Nm) by joint, in the sign of the joint."""
        for segment in self._segments:
            self.draw_segment(painter, data, segment)
        for joint in self._body.exo_joints:
            self._motor(painter, data, joint, torque.get(joint, 0.0))

    @property
    def segments(self) -> tuple[str, ...]:
        """Bodies that the device is strapped to."""
        return tuple(self._segments)

    def draw_segment(self, painter, data: mujoco.MjData, segment: str) -> None:
        """Add what is strapped to one body, in its present place; nothing where there is no drawing for it."""
        if segment == "pelvis":
            self._belt(painter, data)
            return
        stem, _, side = segment.rpartition("_")
        drawing = {"femur": self._thigh, "tibia": self._shank, "calcn": self._foot}.get(stem)
        if drawing is not None:
            drawing(painter, data, side, self._segments[segment].com_m[1])

    def motor_place(self, data: mujoco.MjData, joint: str) -> MotorPlace | None:
        """Where the motor of a driven joint sits now; None where there is no drawing for one."""
        stem, _, side = joint.rpartition("_")
        if stem not in MOTORS:
            return None
        carrier, distance, radius, setting_out = MOTORS[stem]
        carrier = carrier if carrier == "pelvis" else f"{carrier}_{side}"
        outward = data.body(carrier).xmat.reshape(3, 3)[:, 2] * SIDE_SIGN[side]
        segment = data.body(self._model.jnt_bodyid[self._model.joint(joint).id]).xmat.reshape(3, 3)
        return MotorPlace(
            carrier,
            data.joint(joint).xanchor + outward * distance * self._scale,
            outward * MOTOR_HALF_THICKNESS_M * self._scale,
            radius * self._scale,
            data.joint(joint).xaxis.copy(),
            segment @ np.array(setting_out),
        )

    def torque_share(self, joint: str, torque: float) -> float:
        """Torque (Nm) over the joint's limit, -1 to 1; 0 where it is not known."""
        limit = self._body.device.joints[joint].torque_limit(self._body.body_mass)
        return float(np.clip(torque / limit, -1.0, 1.0)) if np.isfinite(torque) else 0.0

    def _place(self, data: mujoco.MjData, body: str):
        """Function from a point (3,) in a body's frame at the unscaled size to the world."""
        place = data.body(body)
        position, rotation = place.xpos.copy(), place.xmat.reshape(3, 3).copy()
        return lambda *point: position + rotation @ (np.array(point) * self._scale)

    def _band(self, painter, at, height, middle, half, half_height) -> None:
        turns = np.linspace(0.0, 2.0 * np.pi, BAND_PIECES + 1)
        points = np.array([at(middle + half[0] * np.cos(t), height, half[1] * np.sin(t)) for t in turns])
        up = at(0.0, 1.0, 0.0) - at(0.0, 0.0, 0.0)
        up = up / np.linalg.norm(up)
        for start, end in zip(points, points[1:]):
            length = np.linalg.norm(end - start)
            along = (end - start) / length
            painter.box(
                0.5 * (start + end),
                np.column_stack([along, up, np.cross(along, up)]),
                (0.55 * length, half_height * self._scale, BAND_HALF_THICKNESS_M * self._scale),
                CUFF,
            )

    def _belt(self, painter, data) -> None:
        at = self._place(data, "pelvis")
        rotation = data.body("pelvis").xmat.reshape(3, 3)
        self._band(painter, at, 0.035, -0.050, WAIST_M, BELT_HALF_HEIGHT_M)
        painter.box(at(-0.205, 0.045, 0.0), rotation, np.array([0.035, 0.085, 0.100]) * self._scale, FRAME)
        painter.box(at(-0.243, 0.045, 0.0), rotation, np.array([0.010, 0.060, 0.070]) * self._scale, CUFF)
        for side, sign in SIDE_SIGN.items():
            if f"hip_flexion_{side}" in self._body.exo_joints:
                x, y, z = self._model.body(f"femur_{side}").pos / self._scale
                painter.capsule(
                    at(-0.055, 0.042, sign * WAIST_M[1]),
                    at(x, y, z + sign * MOTORS["hip_flexion"][1]),
                    BAR_RADIUS_M * self._scale,
                    FRAME,
                )

    def _thigh(self, painter, data, side, height) -> None:
        at, sign = self._place(data, f"femur_{side}"), SIDE_SIGN[side]
        top = at(0.0, 0.0, sign * MOTORS["hip_flexion"][1])
        middle = at(0.012, height + 0.05, sign * (THIGH_M[1] + 0.012))
        painter.chain(
            np.array([top, middle, at(0.012, height - 0.05, sign * (THIGH_M[1] + 0.006))]),
            [BAR_RADIUS_M * self._scale] * 2,
            FRAME,
        )
        self._band(painter, at, height, 0.012, THIGH_M, CUFF_HALF_HEIGHT_M)

    def _shank(self, painter, data, side, height) -> None:
        at, sign = self._place(data, f"tibia_{side}"), SIDE_SIGN[side]
        cuff = height + 0.05
        ankle = self._model.body(f"talus_{side}").pos / self._scale
        painter.chain(
            np.array(
                [
                    at(-0.02, cuff + 0.03, sign * (CALF_M[1] + 0.006)),
                    at(-0.02, cuff - 0.03, sign * (CALF_M[1] + 0.008)),
                    at(ankle[0], ankle[1], sign * MOTORS["ankle_angle"][1]),
                ]
            ),
            [BAR_RADIUS_M * self._scale] * 2,
            FRAME,
        )
        self._band(painter, at, cuff, -0.02, CALF_M, CUFF_HALF_HEIGHT_M)

    def _foot(self, painter, data, side, _height) -> None:
        at, sign = self._place(data, f"calcn_{side}"), SIDE_SIGN[side]
        rotation = data.body(f"calcn_{side}").xmat.reshape(3, 3)
        painter.box(at(0.085, -0.012, 0.0), rotation, np.array([0.115, 0.006, 0.045]) * self._scale, FRAME)
        joint = data.joint(f"ankle_angle_{side}").xanchor
        outward = data.body(f"tibia_{side}").xmat.reshape(3, 3)[:, 2] * sign * MOTORS["ankle_angle"][1] * self._scale
        painter.capsule(joint + outward, at(0.085, -0.010, sign * 0.048), BAR_RADIUS_M * self._scale, FRAME)

    def _motor(self, painter, data, joint, torque) -> None:
        place = self.motor_place(data, joint)
        if place is None:
            return
        share = self.torque_share(joint, torque)
        glow = np.array(MOTOR) + abs(share) * (np.array(TORQUE) - np.array(MOTOR))
        centre, half = place.centre, place.half
        painter.cylinder(centre - half, centre + half, place.radius, MOTOR)
        painter.cylinder(centre + half, centre + 1.4 * half, 0.7 * place.radius, glow)
        if abs(share) > SMALLEST_TORQUE:
            self._arc(painter, centre + 1.5 * half, place.axis, place.setting_out, share)

    def _arc(self, painter, centre, axis, first, share) -> None:
        """An arrow round the axis, from the direction `first` on, as far as the share of the torque limit."""
        first = first - axis * (first @ axis)
        first = first / np.linalg.norm(first)
        sweep, sign, size = (
            abs(share) * TORQUE_SWEEP_RAD,
            np.sign(share),
            min(1.0, abs(share) / FULL_SIZE_SHARE),
        )
        turns = sign * np.append(
            np.linspace(0.0, sweep, ARC_PIECES + 1),
            sweep + size * HEAD_RAD * np.linspace(0.0, 1.0, HEAD_DISCS + 1)[1:],
        )
        across = np.cross(axis, first)
        points = centre + ARC_RADIUS_M * self._scale * (
            np.outer(np.cos(turns), first) + np.outer(np.sin(turns), across)
        )
        thickness = size * ARC_THICKNESS_M * self._scale
        painter.chain(points[: ARC_PIECES + 1], [thickness] * ARC_PIECES, TORQUE)
        for disc, (start, end) in enumerate(zip(points[ARC_PIECES:], points[ARC_PIECES + 1 :])):
            painter.cylinder(start, end, HEAD_WIDTH * thickness * (1.0 - disc / HEAD_DISCS), TORQUE)
