# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from exo_sim.gait.reference import JOINTS
from exo_sim.human.balance import LIMIT_RAD, balance_offsets
from exo_sim.human.observation import action_mirror_index

UPRIGHT, STEADY = np.array([[0.0, 0.0, 1.0]]), np.array([[1.25, 0.0, 0.0]])
SPEED = np.array([1.25])
RIGHT_STANCE = np.array([[1.0, 0.0]])


def offsets(up=UPRIGHT, velocity=STEADY, grf=RIGHT_STANCE):
    row = balance_offsets(np.asarray(up), np.asarray(velocity), SPEED, np.asarray(grf))[0]
    return dict(zip(JOINTS, row))


def test_upright_and_steady_needs_no_reflex():
    assert not any(offsets().values())


def test_a_trunk_leaning_forward_is_extended_by_the_stance_hip():
    reflex = offsets(up=[[-0.1, 0.0, 0.99]])             # world's up lies behind the body's axis: leaning forward
    assert reflex["hip_flexion_r"] < -0.1 and reflex["hip_flexion_l"] == 0.0


def test_a_pelvis_moving_left_takes_the_swinging_left_foot_outward():
    reflex = offsets(velocity=[[1.25, 0.3, 0.0]])
    assert reflex["hip_adduction_l"] < -0.1 and reflex["hip_adduction_r"] == 0.0


def test_walking_too_fast_lengthens_the_step():
    assert offsets(velocity=[[1.6, 0.0, 0.0]])["hip_flexion_l"] > 0.05


def test_reflexes_are_bounded_and_symmetric():
    random = np.random.default_rng(0)
    up, velocity, grf = random.normal(size=(50, 3)), random.normal(size=(50, 3)) * 5, random.random((50, 2))
    reflex = balance_offsets(up, velocity, np.full(50, 1.25), grf)
    flip = np.array([1.0, -1.0, 1.0])
    mirrored = balance_offsets(up * flip, velocity * flip, np.full(50, 1.25), grf[:, ::-1])
    assert np.abs(reflex).max() <= LIMIT_RAD
    assert mirrored == pytest.approx(reflex[:, action_mirror_index()])
