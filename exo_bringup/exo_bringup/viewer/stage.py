# SPDX-License-Identifier: Apache-2.0
"""The scene on the page: made once, then a few arrays a frame.

All muscles are one object of the page, and so are all shafts and all heads of arrows; bones and device parts
are meshes that only move. Everything is placed relative to the spot under the pelvis: a page that takes up
one change a moment after another would otherwise draw the muscles behind the bones.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import trimesh
import viser

from exo_bringup.look import BACKGROUND, FORCE, TORQUE, muscle_colours
from exo_bringup.viewer.figure import BONES, MODEL_TO_WORLD_WXYZ, PART_COLOURS, Figure
from exo_bringup.viewer.state import Snapshot
from exo_core.joints import SIDES
from exo_sim.body.model import MYO_TO_REP103

BODY = "/body"
MUSCLE_SIDES, ARROW_SIDES = 6, 10
#: Instances of the muscles' object are made in blocks: how many pieces there are changes with the pose.
MUSCLE_BLOCK = 64
#: A muscle's tube without force, and what a force of STRONG_N adds to its radius (m). Cross sections grow
#: with force, hence the root.
THIN_M, STRONG_M, STRONG_N = 0.0035, 0.0085, 2000.0
#: Light and dark tiles of the floor: the page's lamps are brighter than the film's.
FLOOR = ((0.90, 0.905, 0.915), (0.76, 0.775, 0.80))
#: Tiles along each edge of the floor, which stays under the person, and their own edge (m).
FLOOR_TILES, TILE_M = 32, 0.5
#: From where to where the floor fades into the background (m, from the camera).
FADE_M = (6.0, 10.0)
#: Bones where nobody says how they stand.
GHOST_OPACITY = 0.35
#: The camera's vertical field of view at first (rad): narrow, as from far off.
FIELD_OF_VIEW_RAD = 0.5
#: The camera at first: from the person's right, a little from ahead (m).
CAMERA_FROM, CAMERA_TO = (2.3, -3.6, 1.5), (0.0, 0.0, 0.86)
UPRIGHT_XYZW = np.array([0.0, 0.0, 0.0, 1.0])
#: Shorter than this has no direction (m).
SHORTEST_M = 1e-6


class Stage:
    """Everything three-dimensional."""

    def __init__(self, server: viser.ViserServer):
        self._server = server
        #: Whether the page keeps the person in its middle.
        self.follow = True
        #: Pictures of the scene per second while somebody looks (Hz).
        self.rate_hz = 30.0
        self._figure: Figure | None = None
        self._muscle_capacity = 0
        self._visible = {"bones": True, "muscles": True, "device": True, "arrows": True}
        self._faint = False
        scene = server.scene
        scene.set_up_direction("+z")
        scene.world_axes.visible = False
        scene.configure_default_lights(cast_shadow=False)
        server.initial_camera.position, server.initial_camera.look_at = CAMERA_FROM, CAMERA_TO
        server.initial_camera.fov = FIELD_OF_VIEW_RAD
        scene.configure_fog(*FADE_M, color=_colour_255(BACKGROUND))
        self._body: viser.FrameHandle | None = None
        self._frames: list[viser.FrameHandle] = []
        self._meshes: dict[str, list[viser.MeshHandle]] = {kind: [] for kind in PART_COLOURS}
        self._floor = scene.add_frame("/floor", show_axes=False)
        for odd, colour in enumerate(FLOOR):
            tiles = chequer(FLOOR_TILES, TILE_M, odd)
            scene.add_mesh_simple(f"/floor/{odd}", *tiles, color=_colour_255(colour), cast_shadow=False, side="double")
        self._muscles = self._shafts = self._heads = None

    def show(self, figure: Figure) -> None:
        """Take another figure; the former one goes."""
        scene = self._server.scene
        with self._server.atomic():
            scene.remove_by_name(BODY)
            self._body = scene.add_frame(BODY, show_axes=False, wxyz=MODEL_TO_WORLD_WXYZ)
            self._figure, self._frames = figure, []
            self._meshes = {kind: [] for kind in PART_COLOURS}
            for part in figure.parts:
                frame = f"{BODY}/{part.body.replace(' ', '_')}"
                self._frames.append(scene.add_frame(frame, show_axes=False))
                for kind, (vertices, faces) in part.meshes.items():
                    colour = _colour_255(PART_COLOURS[kind])
                    mesh = scene.add_mesh_simple(f"{frame}/{kind}", vertices, faces, color=colour)
                    self._meshes[kind].append(mesh)
            self._muscle_capacity = 0
            self._muscles = self._shafts = self._heads = None
            self._faint = False
        self._apply_visibility()

    def set_visible(self, what: str, visible: bool) -> None:
        """Show or hide bones, muscles, device or arrows."""
        self._visible[what] = visible
        self._apply_visibility()

    def update(self, now: Snapshot, simulated: bool) -> None:
        """Draw the latest. Without a simulator: the device, faint bones, and no muscles and forces."""
        figure = self._figure
        if figure is None:
            return
        root = self._root(now, simulated)
        figure.set_positions({**(now.joints if simulated else {}), **now.device_joints}, root)
        with self._server.atomic():
            under = np.array([*root[0][:2], 0.0])
            self._move(under)
            origin = MYO_TO_REP103.T @ under
            positions, wxyzs = figure.part_places()
            for frame, position, wxyz in zip(self._frames, positions - origin, wxyzs, strict=False):
                frame.position, frame.wxyz = position, wxyz
            self._draw_muscles(now, origin)
            self._draw_arrows(now, simulated, origin)
            self._set_faint(not simulated)

    def _root(self, now: Snapshot, simulated: bool) -> tuple[np.ndarray, np.ndarray]:
        if simulated and now.root_position is not None:
            return now.root_position, now.root_xyzw
        standing = np.array([0.0, 0.0, self._figure.standing_height_m])
        return standing, now.imu_xyzw if now.imu_xyzw is not None else UPRIGHT_XYZW

    def _move(self, under: np.ndarray) -> None:
        """Moving the floor instead of every page's camera is one message, and leaves cameras alone."""
        away = under if self.follow else np.zeros(3)
        self._body.position = under - away
        pattern = 2.0 * TILE_M
        self._floor.position = pattern * np.round(under / pattern) - away

    def _draw_muscles(self, now: Snapshot, origin: np.ndarray) -> None:
        figure = self._figure
        starts, ends, muscle = figure.muscle_segments()
        activation = now.muscle_values(now.activation, figure.muscles)
        force = now.muscle_values(now.muscle_force, figure.muscles)
        colours = (255.0 * muscle_colours(activation)).astype(np.uint8)[muscle]
        count = len(starts)
        if count > self._muscle_capacity:
            self._muscle_capacity = -(-count // MUSCLE_BLOCK) * MUSCLE_BLOCK
        nothing = np.zeros((self._muscle_capacity - count, 3))
        places = instances(
            np.concatenate([starts - origin, nothing]),
            np.concatenate([ends - origin, nothing]),
            np.append(muscle_radii(force)[muscle], nothing[:, 0]),
        )
        colours = np.concatenate([colours, nothing.astype(np.uint8)])
        shape = unit_cylinder(MUSCLE_SIDES, caps=False)
        self._muscles = self._batch(self._muscles, "muscles", shape, places, colours)

    def _draw_arrows(self, now: Snapshot, simulated: bool, origin: np.ndarray) -> None:
        figure = self._figure
        feet = [now.feet[side] for side in SIDES]
        force = np.array([foot.force if simulated else np.zeros(3) for foot in feet])
        torques = figure.torque_arrows(now.device_torque)
        drawn = [*torques, *figure.force_arrows(force, np.array([foot.centre for foot in feet]))]
        colours = [TORQUE] * len(torques) + [FORCE] * len(feet)
        tints = np.array([_colour_255(colour) for colour in colours], dtype=np.uint8)
        shafts = [np.concatenate([getattr(a, n) for a in drawn]) for n in ("starts", "ends", "radii")]
        heads = [np.concatenate([getattr(a, n) for a in drawn]) for n in ("feet", "tips", "head_radii")]
        self._shafts = self._batch(
            self._shafts,
            "shafts",
            unit_cylinder(ARROW_SIDES, caps=True),
            instances(shafts[0] - origin, shafts[1] - origin, shafts[2]),
            np.repeat(tints, [len(a.radii) for a in drawn], axis=0),
        )
        places = instances(heads[0] - origin, heads[1] - origin, heads[2])
        self._heads = self._batch(self._heads, "heads", unit_cone(ARROW_SIDES), places, tints)

    def _batch(self, handle, name: str, shape, places, colours: np.ndarray):
        """Make the object of many instances, or change it in place."""
        positions, wxyzs, scales = places
        if handle is None:
            return self._server.scene.add_batched_meshes_simple(
                f"{BODY}/{name}",
                *shape,
                batched_wxyzs=wxyzs,
                batched_positions=positions,
                batched_scales=scales,
                batched_colors=colours,
                lod="off",
                cast_shadow=False,
                receive_shadow=False,
                visible=self._visible["muscles" if name == "muscles" else "arrows"],
            )
        handle.batched_positions, handle.batched_wxyzs = positions, wxyzs
        handle.batched_scales, handle.batched_colors = scales, colours
        return handle

    def _set_faint(self, faint: bool) -> None:
        if faint != self._faint:
            self._faint = faint
            for mesh in self._meshes[BONES]:
                mesh.opacity = GHOST_OPACITY if faint else None
            self._apply_visibility()

    def _apply_visibility(self) -> None:
        shown = self._visible
        for kind, meshes in self._meshes.items():
            for mesh in meshes:
                mesh.visible = shown["bones" if kind == BONES else "device"]
        if self._muscles is not None:
            self._muscles.visible = shown["muscles"] and not self._faint
        for handle in (self._shafts, self._heads):
            if handle is not None:
                handle.visible = shown["arrows"]


def _colour_255(colour) -> tuple[int, int, int]:
    """Red, green and blue from 0 to 1 as whole numbers from 0 to 255."""
    red, green, blue = (round(255 * float(part)) for part in colour)
    return red, green, blue


def muscle_radii(force_n: np.ndarray) -> np.ndarray:
    """Radii (N,) in m of forces (N,) in N."""
    return THIN_M + STRONG_M * np.sqrt(np.clip(np.nan_to_num(force_n), 0.0, None) / STRONG_N)


@lru_cache
def unit_cylinder(sides: int, caps: bool) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and faces of a cylinder of radius 1 about z, from z = 0 to 1."""
    mesh = trimesh.creation.cylinder(1.0, 1.0, sections=sides)
    mesh.apply_translation([0.0, 0.0, 0.5])
    faces = mesh.faces if caps else mesh.faces[np.abs(mesh.face_normals[:, 2]) < 0.5]
    return np.array(mesh.vertices), np.array(faces)


@lru_cache
def unit_cone(sides: int) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and faces of a cone with a base of radius 1 at z = 0 and its tip at z = 1."""
    mesh = trimesh.creation.cone(1.0, 1.0, sections=sides)
    return np.array(mesh.vertices), np.array(mesh.faces)


def chequer(tiles: int, edge: float, odd: int) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and faces of the even (0) or the odd (1) tiles of a square floor at z = 0 about the origin.

    Args:
        tiles: along each edge of the square, an even number.
        edge: of a tile (m).
    """
    row, column = np.divmod(np.arange(tiles * tiles), tiles)
    low = np.column_stack([row, column, np.zeros_like(row)]) - [tiles / 2, tiles / 2, 0.0]
    corners = edge * (low[:, None] + [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    chosen = corners[(row + column) % 2 == odd]
    first = 4 * np.arange(len(chosen))[:, None]
    return chosen.reshape(-1, 3), np.concatenate([first + [0, 1, 2], first + [0, 2, 3]])


def instances(starts: np.ndarray, ends: np.ndarray, radii: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Instances of a shape of radius 1 that reaches from z = 0 to 1.

    Args:
        starts, ends: (N, 3) m.
        radii: (N,) m.

    Returns:
        positions (N, 3), quaternions (N, 4) w, x, y, z, scales (N, 3), all float32. An instance without
        length or with a value that is not finite gets the scale zero: nothing is drawn.
    """
    along = ends - starts
    length = np.linalg.norm(along, axis=1)
    drawn = np.isfinite(length) & (length > SHORTEST_M) & np.isfinite(radii)
    along = np.where(drawn[:, None], along, [0.0, 0.0, 1.0]) / np.where(drawn, length, 1.0)[:, None]
    # half-way between z and the direction: w = 1 + z.d, (x, y, z) = z cross d; downwards turns about x
    quaternions = np.column_stack([1.0 + along[:, 2], -along[:, 1], along[:, 0], np.zeros(len(along))])
    quaternions[quaternions[:, 0] < SHORTEST_M] = (0.0, 1.0, 0.0, 0.0)
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    scales = np.column_stack([radii, radii, length])
    return (
        np.where(drawn[:, None], starts, 0.0).astype(np.float32),
        quaternions.astype(np.float32),
        np.where(drawn[:, None], scales, 0.0).astype(np.float32),
    )
