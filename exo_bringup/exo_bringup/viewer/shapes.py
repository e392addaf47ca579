# SPDX-License-Identifier: Apache-2.0
"""Unit shapes, which the page draws many times over, and solids as meshes for a device's rigid parts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Mesh = tuple[np.ndarray, np.ndarray]


def unit_cylinder(sides: int, caps: bool) -> Mesh:
    """Radius 1 about z, from z = 0 to 1."""
    rings, faces = _rings(sides, ((1.0, 0.0), (1.0, 1.0)))
    if caps:
        faces = np.concatenate([faces, _fan(sides, 0, turned=True), _fan(sides, sides, turned=False)])
    return rings, faces


def unit_cone(sides: int) -> Mesh:
    """Base of radius 1 at z = 0, tip at z = 1."""
    angles = 2.0 * np.pi * np.arange(sides) / sides
    base = np.column_stack([np.cos(angles), np.sin(angles), np.zeros(sides)])
    vertices = np.vstack([base, [0.0, 0.0, 1.0]])
    here = np.arange(sides)
    sides_up = np.column_stack([here, (here + 1) % sides, np.full(sides, sides)])
    return vertices, np.concatenate([sides_up, _fan(sides, 0, turned=True)])


def capsule(start: np.ndarray, end: np.ndarray, radius: float, sides: int = 12) -> Mesh:
    """A tube with rounded ends between two points (3,), its ends' radius beyond them."""
    length = float(np.linalg.norm(end - start))
    tilts = np.deg2rad([-80.0, -50.0, -20.0, 0.0])
    lower = [(radius * np.cos(tilt), radius * np.sin(tilt)) for tilt in tilts]
    upper = [(radius * np.cos(tilt), length - radius * np.sin(tilt)) for tilt in tilts[::-1]]
    vertices, faces = _rings(sides, (*lower, *upper))
    last = len(vertices) - sides
    faces = np.concatenate([faces, _fan(sides, 0, turned=True), _fan(sides, last, turned=False)])
    return vertices @ frame_along(end - start).T + start, faces


def cylinder(start: np.ndarray, end: np.ndarray, radius: float, sides: int = 24) -> Mesh:
    """A closed cylinder between two points (3,)."""
    vertices, faces = unit_cylinder(sides, caps=True)
    scaled = vertices * [radius, radius, np.linalg.norm(end - start)]
    return scaled @ frame_along(end - start).T + start, faces


def box(centre: np.ndarray, rotation: np.ndarray, half: Sequence[float]) -> Mesh:
    """A box with half edges (3,) along the columns of a rotation (3, 3)."""
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=float)
    faces = np.array(
        [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1], [2, 3, 7], [2, 7, 6], [0, 2, 6],
         [0, 6, 4], [1, 5, 7], [1, 7, 3]]
    )  # fmt: skip
    return (corners * half) @ rotation.T + centre, faces


def chequer(tiles: int, edge: float) -> tuple[Mesh, Mesh]:
    """A square floor at z = 0 about the origin: its even and its odd tiles.

    Args:
        tiles: along each edge of the square, an even number.
        edge: of a tile (m).
    """
    row, column = np.divmod(np.arange(tiles * tiles), tiles)
    low = np.column_stack([row, column, np.zeros_like(row)]) - [tiles / 2, tiles / 2, 0.0]
    corners = edge * (low[:, None] + [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    meshes = []
    for odd in (0, 1):
        chosen = corners[(row + column) % 2 == odd]
        first = 4 * np.arange(len(chosen))[:, None]
        faces = np.concatenate([first + [0, 1, 2], first + [0, 2, 3]])
        meshes.append((chosen.reshape(-1, 3), faces))
    return meshes[0], meshes[1]


def frame_along(direction: np.ndarray) -> np.ndarray:
    """A rotation (3, 3) whose z column points along a direction (3,) that is not zero."""
    z = direction / np.linalg.norm(direction)
    x = np.cross([0.0, 1.0, 0.0] if abs(z[0]) > 0.9 else [1.0, 0.0, 0.0], z)
    x = x / np.linalg.norm(x)
    return np.column_stack([x, np.cross(z, x), z])


def _rings(sides: int, outline: Sequence[tuple[float, float]]) -> Mesh:
    """Surface of revolution about z through (radius, height) points."""
    angles = 2.0 * np.pi * np.arange(sides) / sides
    vertices = np.concatenate(
        [
            np.column_stack([radius * np.cos(angles), radius * np.sin(angles), np.full(sides, height)])
            for radius, height in outline
        ]
    )
    here, there = np.arange(sides), (np.arange(sides) + 1) % sides
    faces = [
        np.concatenate(
            [
                np.column_stack([low + here, low + there, low + sides + there]),
                np.column_stack([low + here, low + sides + there, low + sides + here]),
            ]
        )
        for low in range(0, sides * (len(outline) - 1), sides)
    ]
    return vertices, np.concatenate(faces)


def _fan(sides: int, first: int, turned: bool) -> np.ndarray:
    """A flat lid on the ring that begins at vertex `first`."""
    here = np.arange(1, sides - 1)
    fan = np.column_stack([np.zeros_like(here), here, here + 1]) + first
    return fan[:, ::-1] if turned else fan
