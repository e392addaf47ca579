# SPDX-License-Identifier: Apache-2.0
"""Simple solids in the world frame of a MuJoCo scene."""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np

Colour = Sequence[float]


class SolidPainter:
    """Adds solids to a scene, until it is emptied by the next update."""

    def __init__(self, scene: mujoco.MjvScene):
        self._scene = scene

    def capsule(self, start: np.ndarray, end: np.ndarray, radius: float, colour: Colour) -> None:
        """A capsule between two points (3,)."""
        self._connect(mujoco.mjtGeom.mjGEOM_CAPSULE, start, end, radius, colour)

    def cylinder(self, start: np.ndarray, end: np.ndarray, radius: float, colour: Colour) -> None:
        """A cylinder between two points (3,)."""
        self._connect(mujoco.mjtGeom.mjGEOM_CYLINDER, start, end, radius, colour)

    def arrow(self, start: np.ndarray, end: np.ndarray, radius: float, colour: Colour) -> None:
        """An arrow from start to end (3,)."""
        self._connect(mujoco.mjtGeom.mjGEOM_ARROW, start, end, radius, colour)

    def box(self, centre: np.ndarray, rotation: np.ndarray, half: Sequence[float], colour: Colour) -> None:
        """A box with half edges (3,) along the axes (columns) of a rotation (3, 3)."""
        geom = self._next()
        if geom is not None:
            mujoco.mjv_initGeom(
                geom,
                mujoco.mjtGeom.mjGEOM_BOX,
                np.asarray(half, dtype=float),
                centre,
                rotation.flatten(),
                _rgba(colour),
            )

    def chain(self, points: np.ndarray, radii: Sequence[float], colour: Colour) -> None:
        """Capsules from point to point (n, 3), n - 1 radii."""
        for start, end, radius in zip(points, points[1:], radii):
            self.capsule(start, end, radius, colour)

    def _connect(self, kind, start, end, radius, colour) -> None:
        geom = self._next()
        if geom is not None:
            mujoco.mjv_initGeom(geom, kind, np.zeros(3), np.zeros(3), np.eye(3).flatten(), _rgba(colour))
            mujoco.mjv_connector(geom, kind, radius, np.asarray(start, dtype=float), np.asarray(end, dtype=float))

    def _next(self):
        scene = self._scene
        if scene.ngeom >= scene.maxgeom:
            return None
        scene.ngeom += 1
        return scene.geoms[scene.ngeom - 1]


def _rgba(colour: Colour) -> np.ndarray:
    return np.array([*colour, 1.0] if len(colour) == 3 else colour, dtype=np.float32)
