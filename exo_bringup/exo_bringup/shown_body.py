# SPDX-License-Identifier: Apache-2.0
"""One subject in one device, as RViz is told about it: URDF, where its links and muscles are, torque axes."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from exo_bringup.body_pose import ANY_PHYSICS_RATE_HZ, BodyPose
from exo_bringup.urdf_export import subject_urdf
from exo_core.errors import UserError
from exo_device.description import DeviceDescription
from exo_sim.body.model import build_body
from exo_sim.body.subject import Subject, make_subject


class ShownBody:
    """Built once for a size of the subject; strengths do not show.

    Attributes:
        description: the URDF.
        state: transforms of its joints.
        pose: muscle paths and coupled joints.
        torque_axes: link and axis (3,) in that link's frame, by driven joint.
    """

    def __init__(self, subject: Subject, device: DeviceDescription | None):
        body = build_body(subject, device, ANY_PHYSICS_RATE_HZ, visuals=True)
        self.subject, self._device = subject, device
        self.description = subject_urdf(body)
        self.state = RobotState(self.description)
        self.pose = BodyPose(body)
        self.torque_axes = {joint: self.pose.joint_axis(joint) for joint in body.exo_joints}

    def resized(self, height_m: float, mass_kg: float) -> ShownBody:
        """The body of this height (m) and mass (kg): itself where it has them already.

        Raises SimError for a size that the subject may not have.
        """
        if (height_m, mass_kg) == (self.subject.height_m, self.subject.mass_kg):
            return self
        fields = {**self.subject.model_dump(), "height_m": height_m, "mass_kg": mass_kg}
        return ShownBody(make_subject(fields, "human/subject"), self._device)


@dataclass(frozen=True)
class Transform:
    """Pose of a child frame in its parent's: position (3,) in m, quaternion (4,) x, y, z, w."""

    parent: str
    child: str
    position: np.ndarray
    quaternion: np.ndarray


@dataclass(frozen=True)
class _Joint:
    name: str
    kind: str
    parent: str
    child: str
    position: np.ndarray
    quaternion: np.ndarray
    axis: np.ndarray


class RobotState:
    """Transforms of one URDF from joint positions, as robot_state_publisher computes them."""

    def __init__(self, urdf: str):
        """Raises UserError if the text is not URDF, or has a joint that the exporter would not write."""
        try:
            robot = ElementTree.fromstring(urdf.encode())
        except ElementTree.ParseError as error:
            raise UserError(f"robot description is not XML: {error}") from error
        self._joints = [_read_joint(element) for element in robot.iter("joint")]
        self._moving = [joint for joint in self._joints if joint.kind != "fixed"]
        self._slides = np.array([joint.kind == "prismatic" for joint in self._moving], dtype=bool)
        self._places = np.array([joint.position for joint in self._moving]).reshape(-1, 3)
        axes = [joint.axis / np.linalg.norm(joint.axis) for joint in self._moving]
        turns = [joint.quaternion for joint in self._moving]
        # origin x rotation by an angle a = cos(a/2) origin + sin(a/2) (origin x axis): one product, made once
        self._turns = np.array(turns).reshape(-1, 4)
        self._half_turns = np.array(
            [_product(turn, np.append(axis, 0.0)) for turn, axis in zip(turns, axes, strict=False)]
        ).reshape(-1, 4)
        self._ways = np.array(
            [Rotation.from_quat(turn).apply(axis) for turn, axis in zip(turns, axes, strict=False)]
        ).reshape(-1, 3)

    @property
    def movable(self) -> tuple[str, ...]:
        """Names of the joints that move."""
        return tuple(joint.name for joint in self._moving)

    def static_transforms(self) -> list[Transform]:
        """Transforms of the fixed joints, for /tf_static."""
        return [Transform(j.parent, j.child, j.position, j.quaternion) for j in self._joints if j.kind == "fixed"]

    def transforms(self, positions: dict[str, float]) -> list[Transform]:
        """Transforms of the moving joints, for /tf.

        Args:
            positions: rad or m by joint; a joint that is not named is at zero.
        """
        values = np.array([positions.get(joint.name, 0.0) for joint in self._moving])
        angles = np.where(self._slides, 0.0, values)[:, None]
        slides = np.where(self._slides, values, 0.0)[:, None]
        places = self._places + slides * self._ways
        turns = np.cos(angles / 2.0) * self._turns + np.sin(angles / 2.0) * self._half_turns
        return [
            Transform(joint.parent, joint.child, place, turn)
            for joint, place, turn in zip(self._moving, places, turns, strict=False)
        ]


def _product(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Hamilton product (4,) of quaternions (4,) x, y, z, w that need not be of unit length."""
    (u, a), (v, b) = (first[:3], first[3]), (second[:3], second[3])
    return np.append(a * v + b * u + np.cross(u, v), a * b - u @ v)


def _read_joint(element: ElementTree.Element) -> _Joint:
    name, kind = element.get("name"), element.get("type")
    if kind not in ("fixed", "revolute", "prismatic"):
        raise UserError(f"robot description: joint {name} is of kind '{kind}', not fixed, revolute or prismatic")
    origin, axis = element.find("origin"), element.find("axis")
    return _Joint(
        name,
        kind,
        element.find("parent").get("link"),
        element.find("child").get("link"),
        _vector(origin, "xyz", (0, 0, 0)),
        Rotation.from_euler("xyz", _vector(origin, "rpy", (0, 0, 0))).as_quat(),
        _vector(axis, "xyz", (1, 0, 0)),
    )


def _vector(element: ElementTree.Element | None, attribute: str, default: tuple) -> np.ndarray:
    text = None if element is None else element.get(attribute)
    return np.array(default if text is None else [float(word) for word in text.split()], dtype=float)
