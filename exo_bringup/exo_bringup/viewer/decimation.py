# SPDX-License-Identifier: Apache-2.0
"""Makes triangle meshes coarser, so that a page loads and draws quickly.

Vertices that share a cell of a grid become one (Rossignac and Borrel 1993, Multi-resolution 3D approximations
for rendering complex scenes): crude, but quick, and fine for bones seen from a few metres.
"""

from __future__ import annotations

import numpy as np


def cluster_vertices(vertices: np.ndarray, faces: np.ndarray, cell_m: float) -> tuple[np.ndarray, np.ndarray]:
    """A coarser mesh.

    Args:
        vertices: (V, 3) m.
        faces: (F, 3) indices into vertices.
        cell_m: edge of the grid's cells (m), above 0: details that are smaller vanish.

    Returns:
        vertices (W, 3), the means of those that became one, and faces (G, 3) without those that collapsed.
    """
    cells = np.floor(vertices / cell_m).astype(np.int64)
    _, group, count = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    group = group.reshape(-1)
    merged = np.stack([np.bincount(group, vertices[:, axis]) for axis in range(3)], axis=1) / count[:, None]
    faces = group[faces]
    collapsed = (faces == np.roll(faces, 1, axis=1)).any(axis=1)
    faces = faces[~collapsed]
    # the same three corners in the same direction are one face, wherever the row begins
    first = faces.argmin(axis=1)
    turned = faces[np.arange(len(faces))[:, None], (first[:, None] + np.arange(3)) % 3]
    return merged, np.unique(turned, axis=0)


def join(meshes: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Several meshes, each of vertices (V, 3) and faces (F, 3), as one. No mesh gives an empty one."""
    if not meshes:
        return np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64)
    offsets = np.cumsum([0, *(len(vertices) for vertices, _ in meshes[:-1])])
    return (
        np.concatenate([vertices for vertices, _ in meshes]),
        np.concatenate([faces + offset for (_, faces), offset in zip(meshes, offsets)]),
    )
