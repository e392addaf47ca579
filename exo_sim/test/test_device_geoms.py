# SPDX-License-Identifier: Apache-2.0
"""The device's shapes are for the eye alone: where they sit, and that the physics does not know them."""

import mujoco
import numpy as np
import pytest

from exo_device.description import load_device
from exo_device.devices import device_file
from exo_sim.body.device_geoms import DEVICE_GROUP, MOTORS, motor_cap_name
from exo_sim.body.model import build_body
from exo_sim.body.subject import Subject, make_subject

DEVICES = ("hip", "ankle", "hip_ankle", "hip_ankle_right")
STEPS = 50


def body_in(device, visuals, subject=None):
    return build_body(subject or Subject(), load_device(device_file(device)), 500.0, visuals=visuals)


def device_geoms(model):
    return np.flatnonzero(model.geom_group == DEVICE_GROUP)


@pytest.mark.parametrize("device", DEVICES)
def test_masses_and_motion_are_those_of_a_body_without_shapes(device):
    plain, drawn = (body_in(device, visuals).model for visuals in (False, True))
    assert device_geoms(drawn).size and not device_geoms(plain).size
    for field in ("body_mass", "body_inertia", "body_ipos", "body_iquat", "body_subtreemass", "dof_armature"):
        assert np.array_equal(getattr(plain, field), getattr(drawn, field)), field
    states = []
    for model in (plain, drawn):
        data = mujoco.MjData(model)
        rng = np.random.default_rng(0)
        for _ in range(STEPS):
            data.ctrl[:] = np.clip(rng.uniform(-1.0, 1.0, model.nu), *model.actuator_ctrlrange.T)
            mujoco.mj_step(model, data)
        states.append(np.concatenate([data.qpos, data.qvel, data.act]))
    assert np.allclose(*states, rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("device", DEVICES)
def test_nothing_of_the_device_touches_and_every_segment_shows_it(device):
    body = body_in(device, visuals=True)
    geoms = device_geoms(body.model)
    assert not body.model.geom_contype[geoms].any() and not body.model.geom_conaffinity[geoms].any()
    wearing = {body.model.body(i).name for i in body.model.geom_bodyid[geoms]}
    assert set(body.device.segments) <= wearing


@pytest.mark.parametrize("height", [1.55, 1.9])
def test_a_motor_sits_on_the_outer_side_of_its_joint(height):
    body = body_in("hip_ankle", visuals=True, subject=make_subject({"height_m": height}))
    model, data = body.model, mujoco.MjData(body.model)
    mujoco.mj_kinematics(model, data)
    for joint in body.exo_joints:
        stem, _, side = joint.rpartition("_")
        cap = model.geom(motor_cap_name(joint)).id
        away = data.geom_xpos[cap] - data.joint(joint).xanchor
        outwards = data.geom_xmat[cap].reshape(3, 3)[:, 2]
        assert away @ outwards == pytest.approx((MOTORS[stem][2] + 0.0216) * height / 1.70, abs=1e-3)
        # the world's +x is the left of MyoLegs
        assert np.sign(outwards[0]) == (1.0 if side == "l" else -1.0)


def test_a_part_without_a_drawing_is_the_box_that_weighs_as_much():
    device = load_device(device_file("hip"))
    parts = {**device.segments, "torso": next(iter(device.segments.values()))}
    model = build_body(Subject(), device.model_copy(update={"segments": parts}), 500.0, visuals=True).model
    geom = next(g for g in device_geoms(model) if model.body(model.geom_bodyid[g]).name == "torso")
    half, part = model.geom_size[geom], parts["torso"]
    moments = part.mass_kg / 3.0 * ((half**2).sum() - half**2)
    assert moments == pytest.approx(part.inertia_kgm2, rel=0.05)
