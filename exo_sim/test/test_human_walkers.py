# SPDX-License-Identifier: Apache-2.0
"""People who follow the reference gait: what they observe and do, and that the step of the physics does not matter."""

import numpy as np
import pytest

from exo_sim.body.model import build_body
from exo_sim.body.subject import Subject
from exo_sim.errors import SimError
from exo_sim.gait.reference import ReferenceGait
from exo_sim.human.checkpoint import load_human, load_starting_policy, shipped_human
from exo_sim.human.observation import (
    ACTION_SIZE,
    HUMAN_TERMS,
    NOMINAL_SPEED_MPS,
    OBSERVATION_SIZE,
    action_mirror_index,
    joint_offsets,
    mirror_map,
)
from exo_sim.human.pace import approach
from exo_sim.human.reference_bank import ReferenceBank
from exo_sim.human.walkers import Walkers


@pytest.fixture(scope="module")
def walkers():
    return Walkers([build_body(Subject(), None, 300.0)] * 2)


def test_reference_bank_interpolates_the_reference_gait():
    bank, gait, phase = ReferenceBank(np.full(4, 0.9)), ReferenceGait(1.23, 0.9), np.array([0.0, 0.123, 0.55, 0.999])
    speed = np.full(4, 1.23)
    assert np.rad2deg(np.abs(bank.angles(speed, phase) - gait.joint_angles(phase))).max() < 0.3
    assert bank.stride_time(speed) == pytest.approx(gait.stride_time_s, rel=1e-2)


def test_reference_of_other_sizes_and_of_standing():
    short, leg = np.array([0.9, 0.8]), 0.8
    bank, gait = ReferenceBank(short), ReferenceGait(1.2, leg)
    speed, phase = np.full(2, 1.2), np.full(2, 0.3)
    assert bank.stride_time(speed)[1] == pytest.approx(gait.stride_time_s, rel=1e-2)
    assert np.rad2deg(np.abs(bank.angles(speed, phase)[1] - gait.joint_angles(phase[:1])[0])).max() < 0.3
    assert np.abs(bank.rates(speed, phase)[1] - gait.joint_velocities(phase[:1])[0]).max() < 0.1
    for at in (0.1, 0.6):
        standing = bank.angles(np.zeros(2), np.full(2, at))
        assert standing[0] == pytest.approx(standing[1]) and np.abs(standing).max() < 0.05
    assert (bank.rates(np.zeros(2), phase) == 0.0).all() and bank.stance_fraction(np.zeros(2)) == pytest.approx(1.0)


def test_people_of_different_size_walk_side_by_side():
    tall = build_body(Subject(height_m=1.90, mass_kg=95.0), None, 300.0)
    walkers = Walkers([build_body(Subject(), None, 300.0)] * 2)
    alone = Walkers([tall])
    walkers.set_body(1, tall)
    walkers.place(1, 0.2, 1.3)
    alone.place(0, 0.2, 1.3)
    for _ in range(10):
        walkers.coordinate_and_step()
        alone.coordinate_and_step()
    assert walkers.observe()[1] == pytest.approx(alone.observe()[0], abs=1e-5)
    who = walkers.observe()[:, -18:-16]
    assert who[0] == pytest.approx([0.0, 0.0]) and who[1] == pytest.approx([5 * (1.9 / 1.7 - 1), 5 * (95 / 75 - 1)])


def test_stands_by_reflexes_alone():
    walkers = Walkers([build_body(Subject(), None, 300.0, accelerometer=False)])
    walkers.place(0, 0.3, 0.0)
    for _ in range(500):  # 5 s; a rigid body falls within 1.5 s
        walkers.coordinate_and_step()
    state = walkers.state()
    assert state.up[0, 2] > 0.98 and state.height[0] > 0.95 * walkers.standing_height[0]
    assert np.abs(state.velocity[0]).max() < 0.1


def test_speed_is_approached_gently_while_walking_faster_from_standing_and_to_it():
    command = approach(np.array([1.0, 0.0, 1.0, 0.3]), np.array([1.5, 1.0, 1.0, 0.0]), 0.02)
    assert command == pytest.approx([1.004, 0.012, 1.0, 0.294])


def test_an_older_policy_walks_on_as_it_was(tmp_path):
    from exo_policy.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
    from exo_policy.networks import MlpPolicy

    tensors, manifest = load_checkpoint(shipped_human(), kind="human")
    fields = manifest.model_dump()
    known = HUMAN_TERMS[:-2]
    size = sum(term.size for term in known)
    fields["contract"]["observation"] = fields["contract"]["observation"][:-2]
    fields["network"]["sizes"] = (size, *fields["network"]["sizes"][1:])
    narrow = {
        **tensors,
        "obs_mean": tensors["obs_mean"][:size],
        "obs_std": tensors["obs_std"][:size],
        "layer0.weight": np.ascontiguousarray(tensors["layer0.weight"][:, :size]),
    }
    save_checkpoint(tmp_path / "old", narrow, fields)
    wide = load_starting_policy(tmp_path / "old")
    old = MlpPolicy.from_checkpoint(tmp_path / "old", kind="human")[0]
    observation = np.random.default_rng(0).normal(size=(3, OBSERVATION_SIZE)).astype(np.float32)
    fields["contract"], fields["network"]["sizes"] = manifest.contract.model_dump(), manifest.network.sizes
    save_checkpoint(tmp_path / "new", wide, fields)
    new = load_human(tmp_path / "new")
    assert new(observation) == pytest.approx(old(observation[:, :size]), abs=1e-5)
    fields["contract"]["observation"][0]["name"] = "something_else"
    save_checkpoint(tmp_path / "other", tensors, fields)
    with pytest.raises(CheckpointError, match="something_else"):
        load_starting_policy(tmp_path / "other")


def test_feedforward_pushes_off_and_bears_weight():
    bank, speed = ReferenceBank(np.array([0.9])), np.array([1.25])
    push_off, stance = bank.moments(speed, np.array([0.5]))[0], bank.moments(speed, np.array([0.12]))[0]
    assert push_off[4] < -0.8  # plantarflexion is negative
    assert stance[1] < -0.2  # hip abduction is negative
    assert bank.moments(speed, np.array([0.0]))[0, 11] == pytest.approx(push_off[4])  # left leg, half a stride on


def test_placed_on_the_floor_in_the_reference_pose(walkers):
    walkers.place(0, 0.15, 1.25)
    state = walkers.state()
    expected = walkers.reference.angles(np.full(2, 1.25), np.full(2, 0.15))[0]
    assert state.joint_angle[0] == pytest.approx(expected, abs=1e-6)
    assert state.velocity[0] == pytest.approx([1.25, 0.0, 0.0])
    assert state.up[0] == pytest.approx([0.0, 0.0, 1.0])
    assert walkers._lowest_sole_point(0) == pytest.approx(0.0, abs=1e-6)


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
    assert (index[index] == np.arange(OBSERVATION_SIZE)).all()  # the mirror image of the mirror image


def test_standing_on_the_ground_the_feet_carry_the_body(walkers):
    walkers.place(0, 0.15, 1.25)
    walkers.place(1, 0.15, 1.25)
    force = []
    walkers.set_action(np.zeros((2, ACTION_SIZE)))
    for _ in range(25):
        walkers.coordinate_and_step()
        force.append(walkers.state().vertical_grf[0].sum())
    assert 0.5 < np.mean(force) < 1.5  # body weights


def test_actions_are_clipped_and_scaled():
    offsets = joint_offsets(np.full((1, ACTION_SIZE), 100.0))
    assert offsets.max() == pytest.approx(1.5) and offsets.shape == (1, ACTION_SIZE)


def test_physics_rate_must_fit_the_coordination_rate():
    with pytest.raises(SimError, match="multiple of 100"):
        Walkers([build_body(Subject(), None, 333.0)])


#: Time that trajectories are compared over (s): later, small differences grow as in any walk.
COMPARED_S = 0.3


def short_walk(rate_hz):
    walkers, policy = Walkers([build_body(Subject(), None, rate_hz)]), load_human()
    walkers.place(0, 0.2, NOMINAL_SPEED_MPS)
    angles = []
    for _ in range(round(0.5 * COMPARED_S / walkers.period_s)):
        walkers.set_action(policy(walkers.observe()))
        for _ in range(2):
            walkers.coordinate_and_step()
            angles.append(walkers.state().joint_angle[0])
    return np.rad2deg(angles)


def test_gait_does_not_depend_on_the_step_size_of_the_physics():
    finest = short_walk(1000.0)
    assert np.ptp(finest, axis=0).max() > 15.0  # it walks
    for rate_hz, largest_deg in ((300.0, 1.0), (500.0, 0.5)):
        assert np.sqrt(((short_walk(rate_hz) - finest) ** 2).mean()) < largest_deg
