# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys

import mujoco
import numpy as np
import pytest

from exo_core.errors import UserError
from exo_device.devices import find_device
from exo_sim.body.model import MYO_TO_REP103, build_body, exo_actuator_name, exo_body_name
from exo_sim.body.muscle_groups import MUSCLE_GROUPS, muscles_of, strength_by_muscle
from exo_sim.body.muscles import all_active_and_passive, muscle_curves, normalised_length
from exo_sim.body.subject import Subject, load_subject, make_subject
from exo_sim.errors import SimError
from exo_sim.gait.reference import JOINTS


@pytest.fixture(scope="module")
def bare():
    return build_body(Subject(), None, 500.0)


@pytest.fixture(scope="module")
def worn():
    return build_body(Subject(), find_device("hip_ankle"), 500.0)


def test_has_80_muscles_and_finds_its_joints_by_name(bare):
    assert len(bare.muscles) == 80 and bare.model.nu == 80
    for joint, address in zip(JOINTS, bare.joint_qpos, strict=False):
        assert bare.model.joint(joint).qposadr[0] == address


def test_device_adds_its_mass_to_the_right_segments(bare, worn):
    assert worn.total_mass - bare.total_mass == pytest.approx(worn.device.mass_kg)
    assert worn.body_mass == pytest.approx(bare.total_mass)
    for segment, part in worn.device.segments.items():
        added = worn.model.body(exo_body_name(segment))
        assert added.mass[0] == pytest.approx(part.mass_kg)
        assert added.inertia == pytest.approx(part.inertia_kgm2)
        assert worn.model.body(added.parentid[0]).name == segment


def test_device_torque_is_limited_delayed_and_low_passed(worn):
    limits = worn.device.joints["ankle_angle_r"]
    actuator = worn.model.actuator(exo_actuator_name("ankle_angle_r")).id
    data = mujoco.MjData(worn.model)
    torque = []
    for step in range(60):  # 120 ms; the command jumps at 20 ms
        data.ctrl[actuator] = 0.0 if step < 10 else 10.0 * limits.torque_limit_nm
        mujoco.mj_step(worn.model, data)
        torque.append(data.actuator_force[actuator])
    timestep = worn.model.opt.timestep
    first = next(k for k, value in enumerate(torque) if value > 0.0)
    assert (first - 10) * timestep == pytest.approx(limits.delay_s, abs=2 * timestep)
    time_constant = 1.0 / (2.0 * np.pi * limits.bandwidth_hz)
    after = int(round(time_constant / timestep))
    assert torque[first + after] == pytest.approx(limits.torque_limit_nm * (1.0 - np.exp(-1.0)), rel=0.15)
    assert max(torque) <= limits.torque_limit_nm + 1e-9


def test_no_hand_of_god_the_device_cannot_push_the_body_as_a_whole(worn):
    data = mujoco.MjData(worn.model)
    mujoco.mj_forward(worn.model, data)
    data.ctrl[worn.exo_actuators] = 20.0
    data.act[80:] = 20.0
    mujoco.mj_forward(worn.model, data)
    assert np.abs(data.actuator_force[worn.exo_actuators]).min() > 1.0
    assert np.abs(data.qfrc_actuator[:6]).max() < 1e-9  # nothing on the root's six freedoms
    assert not data.xfrc_applied.any() and not data.qfrc_applied.any()


def test_scaled_body_has_the_mass_and_leg_length_asked_for():
    body = build_body(Subject(height_m=1.87, mass_kg=90.0), None, 500.0)
    assert body.body_mass == pytest.approx(90.0, rel=1e-3)
    assert body.leg_length_m == pytest.approx(0.9 * 1.87 / 1.70)
    plain = build_body(Subject(), None, 500.0)
    femur = body.model.body("tibia_r").pos / plain.model.body("tibia_r").pos
    assert femur[1] == pytest.approx(1.1)
    ratio = body.default_force / plain.default_force
    assert ratio == pytest.approx((90.0 / 75.0) ** (2.0 / 3.0))
    curves, plain_curves = (muscle_curves(b.model, 80) for b in (body, plain))
    assert curves.optimal_length / plain_curves.optimal_length == pytest.approx(1.1)


def test_scaling_keeps_muscles_at_the_same_normalised_length():
    lengths = []
    for subject in (Subject(), Subject(height_m=1.87, mass_kg=90.0)):
        body = build_body(subject, None, 500.0)
        data = mujoco.MjData(body.model)
        mujoco.mj_forward(body.model, data)
        lengths.append(normalised_length(muscle_curves(body.model, 80), data.actuator_length[:80]))
    assert np.abs(lengths[0] - lengths[1]).max() < 0.02


def test_weakness_scales_the_muscles_of_its_group_and_side_alone(bare):
    bare.set_strengths({"plantarflexors_r": 0.5})
    force = bare.model.actuator_gainprm[:80, 2] / bare.default_force
    weak = {name for name, share in zip(bare.muscles, force, strict=False) if share == pytest.approx(0.5)}
    assert weak == set(muscles_of("plantarflexors_r"))
    bare.set_strengths({})
    assert bare.model.actuator_gainprm[:80, 2] == pytest.approx(bare.default_force)


def test_muscle_in_two_groups_takes_the_smaller_strength():
    strengths = strength_by_muscle({"hip_flexors_r": 0.8, "knee_extensors_r": 0.6}, ("recfem_r", "psoas_r", "soleus_r"))
    assert strengths == [0.6, 0.8, 1.0]


def test_every_group_names_muscles_of_the_model(bare):
    for group in MUSCLE_GROUPS:
        for side in "rl":
            assert set(muscles_of(f"{group}_{side}")) <= set(bare.muscles)


def test_muscle_curves_agree_with_the_engine(bare):
    random = np.random.default_rng(1)
    data = mujoco.MjData(bare.model)
    curves = muscle_curves(bare.model, 80)
    active, passive = np.zeros(80), np.zeros(80)
    for _ in range(5):
        mujoco.mj_resetData(bare.model, data)
        data.qpos[bare.joint_qpos] += random.normal(0.0, 0.3, 14)
        data.qvel[bare.joint_dof] = random.normal(0.0, 2.0, 14)
        data.act[:] = random.random(80)
        mujoco.mj_forward(bare.model, data)
        all_active_and_passive(curves, data.actuator_length, data.actuator_velocity, active, passive)
        assert active * data.act + passive == pytest.approx(-data.actuator_force, abs=1e-6)


def test_imu_frame_is_forward_left_up_in_upright_stance(worn):
    data = mujoco.MjData(worn.model)
    mujoco.mj_forward(worn.model, data)
    axes = MYO_TO_REP103 @ data.site("exo_imu").xmat.reshape(3, 3)
    assert np.abs(axes - np.eye(3)).max() < 0.01


@pytest.mark.parametrize(
    "fields, part",
    [
        ({"height_m": 2.5}, "height_m"),
        ({"mass_kg": -1}, "mass_kg"),
        ({"shoe_size": 43}, "shoe_size"),
        ({"strengths": {"biceps_r": 0.5}}, "biceps_r"),
        ({"strengths": {"plantarflexors_r": -0.5}}, "strengths"),
    ],
)
def test_wrong_subject_says_which_field_and_what_is_allowed(fields, part):
    with pytest.raises(SimError, match=part):
        make_subject(fields)


def test_subject_file_errors_are_one_line(tmp_path):
    missing, broken = tmp_path / "no.yaml", tmp_path / "broken.yaml"
    broken.write_text("{height_m: [")
    for path in (missing, broken):
        with pytest.raises(SimError) as error:
            load_subject(path)
        assert "\n" not in str(error.value) and path.name in str(error.value)
    assert load_subject("") == Subject()


def test_what_is_wrong_is_shown_in_part_however_long_it_is():
    with pytest.raises(SimError) as caught:
        make_subject({"name": "x" * 900_000})
    assert len(str(caught.value)) < 400
    with pytest.raises(SimError) as caught:
        make_subject({"y" * 900_000: 1})
    assert len(str(caught.value)) < 600


def test_unknown_device_lists_the_known_ones():
    with pytest.raises(UserError, match="hip_ankle"):
        find_device("knee")
    with pytest.raises(UserError, match="/nowhere/device.yaml"):
        find_device("/nowhere/device.yaml")
    assert find_device("none") is None


def test_physics_rate_is_checked():
    with pytest.raises(SimError, match="physics_rate_hz"):
        build_body(Subject(), None, 20.0)


def test_building_a_body_says_nothing_and_leaves_no_file_where_the_user_is(tmp_path):
    program = (
        "from exo_sim.body.model import build_body; from exo_sim.body.subject import Subject; "
        "build_body(Subject(), None, 500.0); import mujoco; assert mujoco.get_mju_user_warning() is None"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not list(tmp_path.iterdir())
