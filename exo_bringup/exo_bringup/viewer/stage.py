# SPDX-License-Identifier: Apache-2.0
"""The scene on the page: made once, then a few arrays a frame.

All muscles are one object of the page, and so are all shafts and all heads of arrows; bones and device parts
are meshes that only move. Everything is placed relative to the spot under the pelvis: a page that takes up
one change a moment after another would otherwise draw the muscles behind the bones.
"""

from __future__ import annotations

import numpy as np
import viser

from exo_bringup.viewer import arrows, look, shapes
from exo_bringup.viewer.figure import MODEL_TO_WORLD_WXYZ, Figure
from exo_bringup.viewer.rigid_parts import BONES, CUFF_PARTS, FRAME_PARTS
from exo_bringup.viewer.snapshot import Snapshot
from exo_bringup.viewer.tubes import instances
from exo_sim.body.model import MYO_TO_REP103

BODY = "/body"
PART_COLOURS = {BONES: look.BONE, FRAME_PARTS: look.FRAME, CUFF_PARTS: look.CUFF}
MUSCLE_SIDES, ARROW_SIDES = 6, 10
#: Instances of the muscles' object are made in blocks: how many pieces there are changes with the pose.
MUSCLE_BLOCK = 64
#: Tiles along each edge of the floor, which stays under the person, and their own edge (m).
FLOOR_TILES, TILE_M = 32, 0.5
#: From where to where the floor fades into the background (m, from the camera).
FADE_M = (6.0, 10.0)
#: The camera's vertical field of view at first (rad): narrow, as from far off.
FIELD_OF_VIEW_RAD = 0.5
#: The camera at first: from the person's right, a little from ahead (m).
CAMERA_FROM, CAMERA_TO = (2.3, -3.6, 1.5), (0.0, 0.0, 0.86)
UPRIGHT_XYZW = np.array([0.0, 0.0, 0.0, 1.0])


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
        scene.configure_fog(*FADE_M, color=look.colour_255(look.BACKGROUND))
        self._body: viser.FrameHandle | None = None
        self._frames: list[viser.FrameHandle] = []
        self._meshes: dict[str, list[viser.MeshHandle]] = {kind: [] for kind in PART_COLOURS}
        self._floor = scene.add_frame("/floor", show_axes=False)
        for name, tiles, colour in zip(("light", "dark"), shapes.chequer(FLOOR_TILES, TILE_M), look.FLOOR):
            scene.add_mesh_simple(
                f"/floor/{name}", *tiles, color=look.colour_255(colour), cast_shadow=False, side="double"
            )
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
                    self._meshes[kind].append(
                        scene.add_mesh_simple(
                            f"{frame}/{kind}", vertices, faces, color=look.colour_255(PART_COLOURS[kind])
                        )
                    )
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
        root, turn = self._root(now, simulated)
        figure.set_pose(root, turn, {**(now.joints if simulated else {}), **now.device_joints})
        with self._server.atomic():
            under = np.array([root[0], root[1], 0.0])
            self._move(under)
            origin = MYO_TO_REP103.T @ under
            positions, wxyzs = figure.part_places()
            for frame, position, wxyz in zip(self._frames, positions - origin, wxyzs):
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
        starts, ends = starts - origin, ends - origin
        activation = now.muscle_values(now.activation, figure.muscles)
        force = now.muscle_values(now.muscle_force, figure.muscles)
        count = len(starts)
        radii, colours = look.muscle_radii(force)[muscle], look.muscle_colours(activation)[muscle]
        if count > self._muscle_capacity:
            self._muscle_capacity = -(-count // MUSCLE_BLOCK) * MUSCLE_BLOCK
        spare = self._muscle_capacity - count
        nothing = np.zeros((spare, 3))
        places = instances(
            np.concatenate([starts, nothing]),
            np.concatenate([ends, nothing]),
            np.append(radii, np.zeros(spare)),
        )
        colours = np.concatenate([colours, nothing.astype(np.uint8)])
        self._muscles = self._batch(
            self._muscles, "muscles", shapes.unit_cylinder(MUSCLE_SIDES, caps=False), places, colours
        )

    def _draw_arrows(self, now: Snapshot, simulated: bool, origin: np.ndarray) -> None:
        figure = self._figure
        drawn, colours = [], []
        for joint, arc in figure.torque_arcs().items():
            share = figure.torque_share(joint, now.device_torque.get(joint, np.nan))
            scale = figure.subject.length_scale
            drawn.append(arrows.bent(arc.centre - origin, arc.axis, arc.first, share, scale))
            colours.append(look.TORQUE)
        for foot in now.feet.values():
            force = foot.force / figure.weight_n
            if simulated and np.linalg.norm(force) > look.SMALLEST_FORCE:
                start = MYO_TO_REP103.T @ foot.centre - origin
                drawn.append(arrows.straight(start, start + look.FORCE_ARROW_M * (MYO_TO_REP103.T @ force)))
            else:
                drawn.append(arrows.none_of(1, 1))
            colours.append(look.FORCE)
        tints = np.array([look.colour_255(colour) for colour in colours], dtype=np.uint8)
        shafts = [np.concatenate([getattr(a, n) for a in drawn]) for n in ("starts", "ends", "radii")]
        heads = [np.concatenate([getattr(a, n) for a in drawn]) for n in ("feet", "tips", "head_radii")]
        self._shafts = self._batch(
            self._shafts,
            "shafts",
            shapes.unit_cylinder(ARROW_SIDES, caps=True),
            instances(*shafts),
            np.repeat(tints, [len(a.radii) for a in drawn], axis=0),
        )
        self._heads = self._batch(self._heads, "heads", shapes.unit_cone(ARROW_SIDES), instances(*heads), tints)

    def _batch(self, handle, name: str, shape: shapes.Mesh, places, colours: np.ndarray):
        """Make the object of many instances, or change it in place."""
        positions, wxyzs, scales = places
        if handle is None:
            handle = self._server.scene.add_batched_meshes_simple(
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
        else:
            handle.batched_positions, handle.batched_wxyzs = positions, wxyzs
            handle.batched_scales, handle.batched_colors = scales, colours
        return handle

    def _set_faint(self, faint: bool) -> None:
        if faint != self._faint:
            self._faint = faint
            for mesh in self._meshes[BONES]:
                mesh.opacity = look.GHOST_OPACITY if faint else None
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
