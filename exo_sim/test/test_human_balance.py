# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from exo_sim.gait.reference import JOINTS
from exo_sim.human.balance import LIMIT_RAD, STANDING_LEAN, balance_offsets
from exo_sim.human.observation import action_mirror_index

UPRIGHT, STEADY = np.array([[0.0, 0.0, 1.0]]), np.array([[1.25, 0.0, 0.0]])
SPEED = np.array([1.25])
RIGHT_STANCE = np.array([[1.0, 0.0]])

LEAN, LEAN_RATE = np.array([[STANDING_LEAN, 0.0]]), np.zeros((1, 2))


def offsets(up=UPRIGHT, velocity=STEADY, grf=RIGHT_STANCE, speed=SPEED, lean=LEAN, lean_rate=LEAN_RATE):
    row = balance_offsets(
        np.asarray(up),
        np.asarray(velocity),
        np.asarray(speed),
        np.asarray(grf),
        np.asarray(lean),
        np.asarray(lean_rate),
    )[0]
    return dict(zip(JOINTS, row, strict=False))


def test_upright_and_steady_needs_no_reflex():
    assert not any(offsets().values())


def test_a_trunk_leaning_forward_is_extended_by_the_stance_hip():
    reflex = offsets(up=[[-0.1, 0.0, 0.99]])  # world's up lies behind the body's axis: leaning forward
    assert reflex["hip_flexion_r"] < -0.1 and reflex["hip_flexion_l"] == 0.0


def test_a_pelvis_moving_left_takes_the_swinging_left_foot_outward():
    reflex = offsets(velocity=[[1.25, 0.3, 0.0]])
    assert reflex["hip_adduction_l"] < -0.1 and reflex["hip_adduction_r"] == 0.0


def test_walking_too_fast_lengthens_the_step():
    assert offsets(velocity=[[1.6, 0.0, 0.0]])["hip_flexion_l"] > 0.05


def test_who_stands_and_sways_forward_presses_the_toes_down():
    standing = {"speed": [0.0], "velocity": [[0.0, 0.0, 0.0]], "grf": [[0.5, 0.5]]}
    assert not any(offsets(**standing).values())
    swaying = offsets(**standing, lean=[[STANDING_LEAN + 0.05, 0.0]])
    assert swaying["ankle_angle_r"] < -0.05 and swaying["ankle_angle_r"] == swaying["ankle_angle_l"]
    assert offsets(**standing, lean_rate=[[0.1, 0.0]])["ankle_angle_l"] < -0.05
    assert offsets(lean=[[0.5, 0.0]])["ankle_angle_r"] == 0.0  # walking: not about the ankles


def test_who_stands_and_sways_to_the_left_pushes_both_feet_to_the_left_under_the_body():
    standing = {"speed": [0.0], "velocity": [[0.0, 0.0, 0.0]]}
    for sway in ({"lean": [[STANDING_LEAN, 0.03]]}, {"lean_rate": [[0.0, 0.1]]}):
        swaying = offsets(**standing, grf=[[0.5, 0.5]], **sway)
        assert swaying["hip_adduction_r"] > 0.05 and swaying["hip_adduction_l"] < -0.05
        assert swaying["ankle_angle_r"] == 0.0
        assert not any(offsets(**standing, grf=[[1.0, 0.0]], **sway).values())  # on one foot, nothing to push off
        assert not any(offsets(grf=[[0.5, 0.5]], **sway).values())  # walking


def test_reflexes_are_bounded_and_symmetric():
    random = np.random.default_rng(0)
    up, velocity, grf = random.normal(size=(50, 3)), random.normal(size=(50, 3)) * 5, random.random((50, 2))
    lean, rate, speed = random.normal(size=(50, 2)), random.normal(size=(50, 2)), random.random(50)
    reflex = balance_offsets(up, velocity, speed, grf, lean, rate)
    flip = np.array([1.0, -1.0, 1.0])
    mirrored = balance_offsets(up * flip, velocity * flip, speed, grf[:, ::-1], lean * flip[:2], rate * flip[:2])
    assert np.abs(reflex).max() <= LIMIT_RAD
    assert mirrored == pytest.approx(reflex[:, action_mirror_index()])
