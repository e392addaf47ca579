# SPDX-License-Identifier: Apache-2.0
"""The person in the device on a chequered floor, drawn at any instant of a recorded motion."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from exo_bringup.film import look
from exo_bringup.film.device_solids import DeviceSolids
from exo_bringup.film.gl import make_context
from exo_bringup.film.solids import SolidPainter
from exo_core.errors import UserError
from exo_core.joints import SIDES
from exo_lab.recorded_motion import RecordedMotion
from exo_sim.body.model import FLOOR_GEOM, MYO_TO_REP103, BodyModel
from exo_sim.gait.reference import GRAVITY_M_S2

MOST_SOLIDS = 6000
FORCE_RADIUS_M = 0.016
SHADOW_EDGE, SAMPLES, ROUNDNESS = 2048, 4, 16
#: Bones are meshes of this group; muscles' wrapping surfaces and contact shapes have others.
BONE_GROUP = 0
CHEQUER_EDGE = 64
#: From where the light falls, relative to the person (m, REP-103), and how far shadows reach (m).
LIGHT_FROM = np.array([1.5, -2.0, 4.0])
SHADOW_REACH = 1.4
#: A wall of the background's colour behind everything, out in the fog (m): without it the sky would be black.
WALL_DISTANCE_M, WALL_HALF_M = 18.0, 40.0


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
        dict(zip(motion.device_names, between(motion.device_torque))),
    )


class FilmScene:
    """Draws one body. Close it, or use it with `with`.

    Args:
        body: built with visuals. Its model is changed: colours, floor texture, hidden scenery.
        backend: from `gl.choose_backend`.
        width, height: of a picture (pixels).

    Raises:
        UserError: OpenGL fails.
    """

    def __init__(self, body: BodyModel, backend: str, width: int, height: int):
        self._body, self._model = body, body.model
        self._data = mujoco.MjData(body.model)
        self._device = DeviceSolids(body)
        self._muscle_tendon = body.model.actuator_trnid[: len(body.muscles), 0].copy()
        self._prepare_model(width, height)
        self._gl = make_context(backend, width, height)
        self._gl.make_current()
        self._viewport = mujoco.MjrRect(0, 0, width, height)
        self._scene = mujoco.MjvScene(body.model, MOST_SOLIDS)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_FOG] = True
        self._scene.flags[mujoco.mjtRndFlag.mjRND_HAZE] = False
        self._scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
        self._painter = SolidPainter(self._scene)
        self._option = mujoco.MjvOption()
        self._option.geomgroup[:] = 0
        self._option.geomgroup[BONE_GROUP] = self._option.geomgroup[self._model.geom(FLOOR_GEOM).group[0]] = 1
        self._option.sitegroup[:] = 0
        self._option.flags[mujoco.mjtVisFlag.mjVIS_TENDON] = True
        self._camera = mujoco.MjvCamera()
        self._camera.azimuth, self._camera.elevation = look.AZIMUTH_DEG, look.ELEVATION_DEG
        self._camera.distance = (
            0.5 * body.subject.length_scale * look.VIEW_HEIGHT_M / np.tan(0.5 * np.deg2rad(look.FIELD_OF_VIEW_DEG))
        )
        self._context = mujoco.MjrContext(self._model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        if self._context.currentBuffer != mujoco.mjtFramebuffer.mjFB_OFFSCREEN:
            raise UserError("this OpenGL driver has no off-screen buffer; try MUJOCO_GL=osmesa")

    def __enter__(self) -> FilmScene:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Give the OpenGL context back."""
        if self._context is not None:
            self._gl.make_current()
            self._context.free()
            self._gl.free()
            self._context = None

    def render(
        self, pose: Pose, joint_names: tuple[str, ...], muscle_names: tuple[str, ...], camera_at: np.ndarray
    ) -> np.ndarray:
        """Picture (height, width, 3) of bytes; the camera looks at camera_at (2,), m on the floor."""
        self._set_pose(pose, joint_names)
        self._colour_muscles(dict(zip(muscle_names, pose.activation)))
        # MuJoCo draws the scene's own lights: the light goes along with the person, so that the shadow does
        self._camera.lookat[:] = MYO_TO_REP103.T @ np.array(
            [*camera_at, self._body.subject.length_scale * look.VIEW_MIDDLE_M]
        )
        mujoco.mjv_updateScene(
            self._model, self._data, self._option, None, self._camera, mujoco.mjtCatBit.mjCAT_ALL, self._scene
        )
        for light in self._scene.lights[: self._scene.nlight]:
            light.pos[:] = MYO_TO_REP103.T @ (LIGHT_FROM + [*camera_at, 0.0])
            light.dir[:] = MYO_TO_REP103.T @ (-LIGHT_FROM / np.linalg.norm(LIGHT_FROM))
        self._draw_wall()
        self._device.draw(self._painter, self._data, pose.torque)
        self._draw_forces(pose)
        self._gl.make_current()
        mujoco.mjr_render(self._viewport, self._scene, self._context)
        picture = np.empty((self._viewport.height, self._viewport.width, 3), dtype=np.uint8)
        mujoco.mjr_readPixels(picture, None, self._viewport, self._context)
        return picture[::-1]

    def _set_pose(self, pose: Pose, joint_names: tuple[str, ...]) -> None:
        data, coupling = self._data, self._body.coupling
        for name, value in zip(joint_names, pose.joint_position):
            data.joint(name).qpos[0] = value
        data.qpos[coupling.qpos] = coupling.positions(data.qpos[self._body.joint_qpos])
        data.qpos[:3] = MYO_TO_REP103.T @ pose.root_position
        x, y, z, w = pose.root_orientation_xyzw
        matrix = np.empty(9)
        mujoco.mju_quat2Mat(matrix, np.array([w, x, y, z]))
        mujoco.mju_mat2Quat(data.qpos[3:7], (MYO_TO_REP103.T @ matrix.reshape(3, 3) @ MYO_TO_REP103).flatten())
        mujoco.mj_kinematics(self._model, data)
        mujoco.mj_comPos(self._model, data)
        mujoco.mj_camlight(self._model, data)
        mujoco.mj_tendon(self._model, data)

    def _colour_muscles(self, activation: dict[str, float]) -> None:
        levels = np.clip([activation.get(name, 0.0) for name in self._body.muscles], 0.0, 1.0)
        colours = look.MUSCLE_RELAXED + levels[:, None] * (look.MUSCLE_ACTIVE - look.MUSCLE_RELAXED)
        self._model.tendon_rgba[self._muscle_tendon, :3] = colours
        self._model.tendon_width[self._muscle_tendon] = look.MUSCLE_THINNEST_M + levels * (
            look.MUSCLE_THICKEST_M - look.MUSCLE_THINNEST_M
        )

    def _draw_wall(self) -> None:
        azimuth = np.deg2rad(self._camera.azimuth)
        ahead, left = (
            np.array([np.cos(azimuth), np.sin(azimuth), 0.0]),
            np.array([-np.sin(azimuth), np.cos(azimuth), 0.0]),
        )
        self._painter.box(
            self._camera.lookat + WALL_DISTANCE_M * ahead,
            np.column_stack([ahead, left, [0.0, 0.0, 1.0]]),
            (0.1, WALL_HALF_M, WALL_HALF_M),
            look.BACKGROUND,
        )

    def _draw_forces(self, pose: Pose) -> None:
        weight = self._body.total_mass * GRAVITY_M_S2
        for place in range(len(SIDES)):
            force, foot = pose.force[place] / weight, pose.pressure_centre[place]
            if np.isfinite(foot).all() and np.linalg.norm(force) > look.SMALLEST_FORCE:
                self._painter.arrow(
                    MYO_TO_REP103.T @ foot,
                    MYO_TO_REP103.T @ (foot + look.FORCE_ARROW_M * force),
                    FORCE_RADIUS_M,
                    look.FORCE,
                )

    def _prepare_model(self, width: int, height: int) -> None:
        model = self._model
        model.vis.global_.offwidth, model.vis.global_.offheight = width, height
        model.vis.global_.fovy = look.FIELD_OF_VIEW_DEG
        quality = model.vis.quality
        quality.shadowsize, quality.offsamples = SHADOW_EDGE, SAMPLES
        quality.numslices = quality.numstacks = ROUNDNESS
        model.vis.headlight.ambient[:], model.vis.headlight.diffuse[:] = 0.45, 0.35
        model.vis.headlight.specular[:] = 0.1
        model.vis.rgba.fog[:] = (*look.BACKGROUND, 1.0)
        model.stat.extent = 1.0
        model.vis.map.fogstart, model.vis.map.fogend = 7.0, 16.0
        model.vis.map.znear, model.vis.map.zfar = 0.5, 30.0
        model.vis.map.shadowclip = SHADOW_REACH
        model.light_diffuse[:], model.light_ambient[:], model.light_specular[:] = 0.45, 0.0, 0.15
        model.light_type[:] = mujoco.mjtLightType.mjLIGHT_DIRECTIONAL
        for geom in range(model.ngeom):
            if model.geom_bodyid[geom] == 0 and model.geom(geom).name != FLOOR_GEOM:
                model.geom_rgba[geom, 3] = 0.0
                model.geom_matid[geom] = -1
            elif model.geom_group[geom] == BONE_GROUP:
                model.geom_matid[geom] = -1
                model.geom_rgba[geom] = (*look.BONE, 1.0)
        self._lay_floor()

    def _lay_floor(self) -> None:
        """An endless floor, its texture overwritten with a chequer of ours."""
        model = self._model
        floor = model.geom(FLOOR_GEOM)
        model.geom_size[floor.id, :2] = 0.0
        material = int(floor.matid[0])
        if material < 0 or (texture := int(model.mat_texid[material].max())) < 0:
            raise UserError("the body's floor has no texture to draw a chequer on")
        rows, columns = int(model.tex_height[texture]), int(model.tex_width[texture])
        odd = (np.arange(rows)[:, None] * 2 // rows + np.arange(columns)[None, :] * 2 // columns) % 2
        colours = np.where(odd[..., None] == 1, look.FLOOR_DARK, look.FLOOR_LIGHT)
        start = int(model.tex_adr[texture])
        model.tex_data[start : start + rows * columns * 3] = (255 * colours).astype(np.uint8).flatten()
        model.mat_texuniform[material] = True
        model.mat_texrepeat[material] = 0.5 / look.TILE_M
        model.mat_reflectance[material], model.mat_specular[material] = 0.0, 0.0
        model.mat_rgba[material] = 1.0
