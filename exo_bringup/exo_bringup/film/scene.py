# SPDX-License-Identifier: Apache-2.0
"""The person in the device on a chequered floor, drawn off-screen at any instant of a recorded motion."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from dataclasses import dataclass
from itertools import pairwise

import mujoco
import numpy as np
from mujoco.rendering.classic import gl_context

from exo_bringup.body_pose import BodyPose
from exo_bringup.look import BACKGROUND, BONE, FORCE, TORQUE, Arrows, muscle_colours
from exo_core.errors import UserError
from exo_core.programs import GRAPHICS_VARIABLE, graphics_wanted
from exo_lab.recorded_motion import RecordedMotion
from exo_sim.body.device_geoms import CUFF, DEVICE_GROUP
from exo_sim.body.model import FLOOR_GEOM, MYO_TO_REP103, BodyModel

#: MuJoCo's two ways to draw without a display, in the order in which they are tried; MUJOCO_GL chooses one.
BACKENDS = ("egl", "osmesa")
PROBE_TIMEOUT_S = 60.0
NO_OPENGL = (
    "no off-screen OpenGL: neither EGL nor OSMesa works here; install one of them "
    "(Debian and Ubuntu: apt install libegl1 libgl1-mesa-dri, or libosmesa6)"
)
#: Bones are meshes of this group; muscles' wrapping surfaces and contact shapes have others.
BONE_GROUP = 0
MOST_GEOMS, HEAD_DISCS = 6000, 14
SHADOW_EDGE, SAMPLES, ROUNDNESS = 2048, 4, 16
FLOOR_LIGHT, FLOOR_DARK = (0.93, 0.935, 0.94), (0.865, 0.875, 0.89)
#: A floor tile's edge, and a muscle's width at rest and fully active (m).
TILE_M, MUSCLE_THINNEST_M, MUSCLE_THICKEST_M = 0.5, 0.005, 0.013
#: From the wearer's right, a little from ahead and above (degrees; azimuth 0 looks to the wearer's left).
AZIMUTH_DEG, ELEVATION_DEG = 24.0, -8.0
#: Vertical field of view: narrow, as from far off (degrees); the height that fills the picture and its middle (m, for
#: the unscaled body).
FIELD_OF_VIEW_DEG, VIEW_HEIGHT_M, VIEW_MIDDLE_M = 22.0, 1.92, 0.86
#: From where the light falls, relative to the person (m, REP-103), and how far shadows reach (m).
LIGHT_FROM, SHADOW_REACH = np.array([1.5, -2.0, 4.0]), 1.4
#: A wall of the background's colour behind everything, out in the fog (m): without it the sky would be black.
WALL_DISTANCE_M, WALL_HALF_M = 18.0, 40.0


def choose_backend() -> str:
    """Name of a way to draw that works here.

    A failed attempt leaves PyOpenGL bound to that platform, so each is tried in a process of its own.

    Raises:
        UserError: none works, or MUJOCO_GL names one that does not.
    """
    wanted = graphics_wanted()
    if wanted and wanted not in BACKENDS:
        raise UserError(
            f"{GRAPHICS_VARIABLE}={wanted} cannot draw without a display: unset it, or choose {' or '.join(BACKENDS)}"
        )
    for backend in (wanted,) if wanted else BACKENDS:
        if _works(backend):
            return backend
    told = f"{GRAPHICS_VARIABLE}={wanted} does not work here: unset it to try the other one"
    raise UserError(told if wanted else NO_OPENGL)


def _works(backend: str) -> bool:
    code = "import mujoco; mujoco.Renderer(mujoco.MjModel.from_xml_string('<mujoco/>'), 16, 16).render()"
    environment = {key: value for key, value in os.environ.items() if key != "PYOPENGL_PLATFORM"}
    environment[GRAPHICS_VARIABLE] = backend
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, timeout=PROBE_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


@dataclass(frozen=True)
class Pose:
    """One instant, interpolated from a motion; arrays as in RecordedMotion, without their first axis."""

    root_position: np.ndarray
    root_orientation_xyzw: np.ndarray
    joint_position: np.ndarray
    activation: np.ndarray
    force: np.ndarray
    pressure_centre: np.ndarray
    torque: dict[str, float]


def pose_at(motion: RecordedMotion, time_s: float) -> Pose:
    """The motion at a time within it, linear between samples."""
    after = int(np.clip(np.searchsorted(motion.time_s, time_s), 1, len(motion) - 1))
    before = after - 1
    share = float(np.clip((time_s - motion.time_s[before]) / (motion.time_s[after] - motion.time_s[before]), 0.0, 1.0))

    def between(values: np.ndarray) -> np.ndarray:
        return values[before] + share * (values[after] - values[before])

    first, second = motion.root_orientation_xyzw[before], motion.root_orientation_xyzw[after]
    turned = first + share * (np.copysign(1.0, first @ second) * second - first)
    return Pose(
        between(motion.root_position),
        turned / np.linalg.norm(turned),
        between(motion.joint_position),
        between(motion.activation),
        between(motion.force),
        between(motion.pressure_centre),
        dict(zip(motion.device_names, between(motion.device_torque), strict=False)),
    )


class FilmScene:
    """Draws one body. Close it, or use it with `with`.

    Args:
        body: built with visuals. Its model is changed: colours, floor texture, hidden scenery.
        backend: from `choose_backend`.
        width, height: of a picture (pixels).

    Raises:
        UserError: OpenGL fails.
    """

    def __init__(self, body: BodyModel, backend: str, width: int, height: int):
        self._pose, self._model = BodyPose(body), body.model
        self._prepare_model(width, height)
        try:
            # MuJoCo chooses when it is imported, and by a variable that programs of this project set aside
            gl_context.GLContext = importlib.import_module(f"mujoco.{backend}").GLContext
            self._renderer = mujoco.Renderer(self._model, height, width, max_geom=MOST_GEOMS)
        except Exception as error:  # PyOpenGL's errors have no common base
            raise UserError(f"OpenGL by {backend} failed: {' '.join(str(error).split())}") from error
        flags = self._renderer.scene.flags
        flags[mujoco.mjtRndFlag.mjRND_FOG] = True
        flags[mujoco.mjtRndFlag.mjRND_HAZE] = flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
        self._option = mujoco.MjvOption()
        self._option.geomgroup[:] = self._option.sitegroup[:] = 0
        self._option.geomgroup[[BONE_GROUP, DEVICE_GROUP, self._model.geom(FLOOR_GEOM).group[0]]] = 1
        self._option.flags[mujoco.mjtVisFlag.mjVIS_TENDON] = True
        self._camera = mujoco.MjvCamera()
        self._camera.azimuth, self._camera.elevation = AZIMUTH_DEG, ELEVATION_DEG
        self._scale = body.subject.length_scale
        self._camera.distance = 0.5 * self._scale * VIEW_HEIGHT_M / np.tan(0.5 * np.deg2rad(FIELD_OF_VIEW_DEG))

    def __enter__(self) -> FilmScene:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Give the OpenGL context back."""
        self._renderer.close()

    def render(
        self, pose: Pose, joint_names: tuple[str, ...], muscle_names: tuple[str, ...], camera_at: np.ndarray
    ) -> np.ndarray:
        """Picture (height, width, 3) of bytes; the camera looks at camera_at (2,), m on the floor."""
        data = self._pose.data
        self._pose.set_positions(
            dict(zip(joint_names, pose.joint_position, strict=False)), (pose.root_position, pose.root_orientation_xyzw)
        )
        mujoco.mj_comPos(self._model, data)
        mujoco.mj_camlight(self._model, data)
        mujoco.mj_tendon(self._model, data)
        self._colour(dict(zip(muscle_names, pose.activation, strict=False)), pose.torque)
        self._camera.lookat[:] = MYO_TO_REP103.T @ np.array([*camera_at, self._scale * VIEW_MIDDLE_M])
        self._renderer.update_scene(data, self._camera, self._option)
        scene = self._renderer.scene
        # the scene's own lights go along with the person, so that the shadow does
        for light in scene.lights[: scene.nlight]:
            light.pos[:] = MYO_TO_REP103.T @ (LIGHT_FROM + [*camera_at, 0.0])
            light.dir[:] = MYO_TO_REP103.T @ (-LIGHT_FROM / np.linalg.norm(LIGHT_FROM))
        self._draw_wall()
        for arrow in self._pose.torque_arrows(pose.torque):
            self._draw_arrow(arrow, TORQUE)
        for arrow in self._pose.force_arrows(pose.force, pose.pressure_centre):
            self._draw_arrow(arrow, FORCE)
        return self._renderer.render()

    def _colour(self, activation: dict[str, float], torque: dict[str, float]) -> None:
        """Muscles by activation, the caps of motors by torque."""
        body, model = self._pose.body, self._model
        levels = np.clip([activation.get(name, 0.0) for name in body.muscles], 0.0, 1.0)
        tendons = model.actuator_trnid[: len(levels), 0]
        model.tendon_rgba[tendons, :3] = muscle_colours(levels)
        model.tendon_width[tendons] = MUSCLE_THINNEST_M + levels * (MUSCLE_THICKEST_M - MUSCLE_THINNEST_M)
        for joint, cap in self._pose.motor_caps.items():
            share = abs(self._pose.torque_share(joint, torque.get(joint, np.nan)))
            model.geom_rgba[cap, :3] = np.array(CUFF) + share * (np.array(TORQUE) - np.array(CUFF))

    def _draw_arrow(self, arrow: Arrows, colour) -> None:
        for start, end, radius in zip(arrow.starts, arrow.ends, arrow.radii, strict=False):
            self._connect(mujoco.mjtGeom.mjGEOM_CAPSULE, start, end, radius, colour)
        for foot, tip, radius in zip(arrow.feet, arrow.tips, arrow.head_radii, strict=False):
            points = np.linspace(foot, tip, HEAD_DISCS + 1)  # MuJoCo has no cone
            for disc, (start, end) in enumerate(pairwise(points)):
                kind = mujoco.mjtGeom.mjGEOM_CYLINDER
                self._connect(kind, start, end, radius * (1.0 - disc / HEAD_DISCS), colour)

    def _connect(self, kind, start: np.ndarray, end: np.ndarray, radius: float, colour) -> None:
        if radius > 0.0:
            geom = self._add(kind, np.zeros(3), np.zeros(3), np.eye(3), colour)
            mujoco.mjv_connector(geom, kind, radius, start, end)

    def _draw_wall(self) -> None:
        azimuth = np.deg2rad(self._camera.azimuth)
        ahead = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
        axes = np.column_stack([ahead, [-ahead[1], ahead[0], 0.0], [0.0, 0.0, 1.0]])
        half = np.array([0.1, WALL_HALF_M, WALL_HALF_M])
        self._add(mujoco.mjtGeom.mjGEOM_BOX, half, self._camera.lookat + WALL_DISTANCE_M * ahead, axes, BACKGROUND)

    def _add(self, kind, size, place, axes, colour) -> mujoco.MjvGeom:
        """One more geom of the scene, until the next update."""
        scene = self._renderer.scene
        geom = scene.geoms[scene.ngeom]
        scene.ngeom += 1
        mujoco.mjv_initGeom(geom, kind, size, place, axes.flatten(), np.array([*colour, 1.0], dtype=np.float32))
        return geom

    def _prepare_model(self, width: int, height: int) -> None:
        model = self._model
        model.vis.global_.offwidth, model.vis.global_.offheight = width, height
        model.vis.global_.fovy = FIELD_OF_VIEW_DEG
        quality = model.vis.quality
        quality.shadowsize, quality.offsamples = SHADOW_EDGE, SAMPLES
        quality.numslices = quality.numstacks = ROUNDNESS
        model.vis.headlight.ambient[:], model.vis.headlight.diffuse[:] = 0.45, 0.35
        model.vis.headlight.specular[:] = 0.1
        model.vis.rgba.fog[:] = (*BACKGROUND, 1.0)
        model.stat.extent = 1.0
        model.vis.map.fogstart, model.vis.map.fogend = 7.0, 16.0
        model.vis.map.znear, model.vis.map.zfar = 0.5, 30.0
        model.vis.map.shadowclip = SHADOW_REACH
        model.light_diffuse[:], model.light_ambient[:], model.light_specular[:] = 0.45, 0.0, 0.15
        model.light_type[:] = mujoco.mjtLightType.mjLIGHT_DIRECTIONAL
        floor = model.geom(FLOOR_GEOM).id
        is_scenery = (model.geom_bodyid == 0) & (np.arange(model.ngeom) != floor)
        is_bone = (model.geom_bodyid != 0) & (model.geom_group == BONE_GROUP)
        model.geom_rgba[is_scenery, 3] = 0.0
        model.geom_rgba[is_bone] = (*BONE, 1.0)
        model.geom_matid[is_scenery | is_bone] = -1
        self._lay_floor(floor)

    def _lay_floor(self, floor: int) -> None:
        """An endless floor, its texture overwritten with a chequer of ours."""
        model = self._model
        model.geom_size[floor, :2] = 0.0
        material = int(model.geom_matid[floor])
        if material < 0 or (texture := int(model.mat_texid[material].max())) < 0:
            raise UserError("the body's floor has no texture to draw a chequer on")
        rows, columns = int(model.tex_height[texture]), int(model.tex_width[texture])
        odd = (np.arange(rows)[:, None] * 2 // rows + np.arange(columns)[None, :] * 2 // columns) % 2
        colours = np.where(odd[..., None] == 1, FLOOR_DARK, FLOOR_LIGHT)
        start = int(model.tex_adr[texture])
        model.tex_data[start : start + rows * columns * 3] = (255 * colours).astype(np.uint8).flatten()
        model.mat_texuniform[material] = True
        model.mat_texrepeat[material] = 0.5 / TILE_M
        model.mat_reflectance[material], model.mat_specular[material] = 0.0, 0.0
        model.mat_rgba[material] = 1.0
