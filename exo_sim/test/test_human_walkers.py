# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from exo_sim.body.model import build_body
from exo_sim.body.subject import Subject
from exo_sim.errors import SimError
from exo_sim.gait.reference import ReferenceGait
from exo_sim.human.observation import (ACTION_SIZE, OBSERVATION_SIZE, action_mirror_index, joint_offsets, mirror_map)
from exo_sim.human.reference_bank import ReferenceBank
from exo_sim.human.walkers import Walkers


@pytest.fixture(scope="module")
def walkers():
    return Walkers(build_body(Subject(), None, 300.0), 2)


def test_reference_bank_interpolates_the_reference_gait():
    bank, gait, phase = ReferenceBank(0.9), ReferenceGait(1.23, 0.9), np.array([0.0, 0.123, 0.55, 0.999])
    speed = np.full(4, 1.23)
    assert np.rad2deg(np.abs(bank.angles(speed, phase) - gait.joint_angles(phase))).max() < 0.3
    assert bank.stride_time(speed) == pytest.approx(gait.stride_time_s, rel=1e-2)


def test_feedforward_pushes_off_and_bears_weight():
    bank, speed = ReferenceBank(0.9), np.array([1.25])
    push_off, stance = bank.moments(speed, np.array([0.5]))[0], bank.moments(speed, np.array([0.12]))[0]
    assert push_off[4] < -0.8                                   # plantarflexion is negative
    assert stance[1] < -0.2                                     # hip abduction is negative
    assert bank.moments(speed, np.array([0.0]))[0, 11] == pytest.approx(push_off[4])     # left leg, half a stride on


def test_placed_on_the_floor_in_the_reference_pose(walkers):
    walkers.place(0, 0.15, 1.25)
    state = walkers.state()
    expected = walkers.reference.angles(np.array([1.25]), np.array([0.15]))[0]
    assert state.joint_angle[0] == pytest.approx(expected, abs=1e-6)
    assert state.velocity[0] == pytest.approx([1.25, 0.0, 0.0])
    assert state.up[0] == pytest.approx([0.0, 0.0, 1.0])
    assert walkers._lowest_sole_point(walkers.datas[0]) == pytest.approx(0.0, abs=1e-6)


def test_mirror_image_moves_as_the_mirror_map_says(walkers):
    index, sign = mirror_map()
    walkers.place(0, 0.1, 1.25)
    walkers.place(1, 0.6, 1.25)
    action = np.random.default_rng(0).normal(0.0, 0.3, (2, ACTION_SIZE))
    action[1] = action[0, action_mirror_index()]
    walkers.set_action(action)
    for _ in range(20):
        walkers.coordinate_and_step()
    observation = walkers.observe()
    assert observation.shape == (2, OBSERVATION_SIZE)
    assert np.abs(observation[0] - sign * observation[1, index]).max() < 0.02
    assert (index[index] == np.arange(OBSERVATION_SIZE)).all()   # the mirror image of the mirror image


def test_standing_on_the_ground_the_feet_carry_the_body(walkers):
    walkers.place(0, 0.15, 1.25)
    walkers.place(1, 0.15, 1.25)
    force = []
    walkers.set_action(np.zeros((2, ACTION_SIZE)))
    for _ in range(25):
        walkers.coordinate_and_step()
        force.append(walkers.state().vertical_grf[0].sum())
    assert 0.5 < np.mean(force) < 1.5                            # body weights


def test_actions_are_clipped_and_scaled():
    offsets = joint_offsets(np.full((1, ACTION_SIZE), 100.0))
    assert offsets.max() == pytest.approx(1.5) and offsets.shape == (1, ACTION_SIZE)


def test_physics_rate_must_fit_the_coordination_rate():
    with pytest.raises(SimError, match="multiple of 100"):
        Walkers(build_body(Subject(), None, 333.0), 1)
