# SPDX-License-Identifier: Apache-2.0
"""Where the URDF's links are: transforms from joint positions, as robot_state_publisher computes them."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass

import numpy as np

from exo_bringup import rotations
from exo_bringup.errors import BringupError


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
    """Transforms of one URDF."""

    def __init__(self, urdf: str):
        """Raises BringupError if the text is not URDF, or has a joint that the exporter would not write."""
        try:
            robot = ElementTree.fromstring(urdf.encode())
        except ElementTree.ParseError as error:
            raise BringupError(f"robot description is not XML: {error}") from error
        self._joints = [_read_joint(element) for element in robot.iter("joint")]

    @property
    def movable(self) -> tuple[str, ...]:
        """Names of the joints that move."""
        return tuple(joint.name for joint in self._joints if joint.kind != "fixed")

    def static_transforms(self) -> list[Transform]:
        """Transforms of the fixed joints, for /tf_static."""
        return [
            Transform(j.parent, j.child, j.position, j.quaternion) for j in self._joints if j.kind == "fixed"
        ]

    def transforms(self, positions: dict[str, float]) -> list[Transform]:
        """Transforms of the moving joints, for /tf.

        Args:
            positions: rad or m by joint; a joint that is not named is at zero.
        """
        moved = []
        for joint in self._joints:
            value = positions.get(joint.name, 0.0)
            if joint.kind == "revolute":
                turn = rotations.about_axis(value, joint.axis)
                moved.append(
                    Transform(
                        joint.parent, joint.child, joint.position, rotations.multiply(joint.quaternion, turn)
                    )
                )
            elif joint.kind == "prismatic":
                slide = rotations.to_matrix(joint.quaternion) @ joint.axis * value
                moved.append(Transform(joint.parent, joint.child, joint.position + slide, joint.quaternion))
        return moved


def _read_joint(element: ElementTree.Element) -> _Joint:
    name, kind = element.get("name"), element.get("type")
    if kind not in ("fixed", "revolute", "prismatic"):
        raise BringupError(
            f"robot description: joint {name} is of kind '{kind}', not fixed, revolute or prismatic"
        )
    origin, axis = element.find("origin"), element.find("axis")
    return _Joint(
        name,
        kind,
        element.find("parent").get("link"),
        element.find("child").get("link"),
        _vector(origin, "xyz", (0, 0, 0)),
        rotations.from_roll_pitch_yaw(_vector(origin, "rpy", (0, 0, 0))),
        _vector(axis, "xyz", (1, 0, 0)),
    )


def _vector(element: ElementTree.Element | None, attribute: str, default: tuple) -> np.ndarray:
    text = None if element is None else element.get(attribute)
    return np.array(default if text is None else [float(word) for word in text.split()], dtype=float)
