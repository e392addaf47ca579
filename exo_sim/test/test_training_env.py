# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import yaml

from exo_sim.body.model import build_body
from exo_sim.body.subject import Subject
from exo_sim.errors import SimError
from exo_sim.human.observation import ACTION_SIZE, OBSERVATION_SIZE
from exo_sim.human.walkers import Walkers
from exo_sim.training.config import load_training_config
from exo_sim.training.curriculum import Curriculum
from exo_sim.training.rewards import judge
from exo_sim.training.walking_env import WalkingEnv

SPEED = np.full(2, 1.25)


@pytest.fixture(scope="module")
def config():
    return load_training_config(None).model_copy(update={"envs_per_worker": 3})


@pytest.fixture(scope="module")
def env(config):
    return WalkingEnv(config, "hip_ankle", seed=5)


def test_walks_resets_and_reports(env):
    observation = env.reset().observation
    assert observation.shape == (3, OBSERVATION_SIZE) and observation.dtype == np.float32
    ended = 0
    for _ in range(120):                          # nobody stands for 2.4 s without a policy
        result = env.step(np.zeros((3, ACTION_SIZE)))
        assert np.isfinite(result.reward).all() and np.isfinite(result.observation).all()
        assert len(result.episode_seconds) == int((result.terminated | result.truncated).sum())
        ended += len(result.episode_seconds)
    assert ended >= 3
    assert result.metrics["pose_error_deg"] > 0.0


def test_same_seed_same_experience(config):
    runs = []
    for _ in range(2):
        env = WalkingEnv(config, "none", seed=9)
        observation = env.reset().observation
        random = np.random.default_rng(1)
        rewards = []
        for _ in range(20):
            result = env.step(random.normal(0.0, 0.2, (3, ACTION_SIZE)))
            rewards.append(result.reward)
        runs.append((observation, np.array(rewards)))
    assert (runs[0][0] == runs[1][0]).all() and (runs[0][1] == runs[1][1]).all()


def test_assistance_reaches_the_motors_and_grows_with_the_curriculum(env):
    env.configure({"speed_range_mps": [1.2, 1.3], "assistance": 1.0})
    env.reset()
    peaks = []
    for _ in range(60):
        env.step(np.zeros((3, ACTION_SIZE)))
        body = env._walkers.body
        peaks.append([np.abs(data.ctrl[body.exo_actuators]).max() for data in env._walkers.datas])
    assert np.max(peaks) > 5.0
    env.configure({"speed_range_mps": [1.2, 1.3], "assistance": 0.0})
    env.reset()
    env.step(np.zeros((3, ACTION_SIZE)))
    assert all(not data.ctrl[body.exo_actuators].any() for data in env._walkers.datas)


def test_reward_prefers_the_reference_to_a_wrong_pose_and_a_fall_ends(config):
    walkers = Walkers(build_body(Subject(), None, 300.0), 2)
    walkers.place(0, 0.15, 1.25)
    walkers.place(1, 0.15, 1.25)
    data = walkers.datas[1]
    data.qpos[walkers.body.joint_qpos[3]] += 0.6                   # knee bent by 34 degrees too much
    verdict = judge(config, walkers, walkers.state(), np.zeros((2, ACTION_SIZE)), np.zeros(2), SPEED)
    assert verdict.reward[0] > verdict.reward[1] + 0.1 and not verdict.failed.any()
    data.qpos[3:7] = [np.cos(0.5), np.sin(0.5), 0.0, 0.0]          # lies down by 57 degrees
    assert judge(config, walkers, walkers.state(), np.zeros((2, ACTION_SIZE)), np.zeros(2), SPEED).failed[1]
    data.qpos[3] = np.nan
    verdict = judge(config, walkers, walkers.state(), np.zeros((2, ACTION_SIZE)), np.zeros(2), SPEED)
    assert verdict.failed[1] and np.isfinite(verdict.reward).all()


def test_curriculum_goes_forward_only_and_resumes(config):
    curriculum = Curriculum(config.curriculum)
    first = curriculum(0, 0.0)
    last = curriculum(10, 100.0)
    assert first != last and curriculum(20, 0.0) == last
    again = Curriculum(config.curriculum)
    again.resume(last)
    assert again(30, 0.0) == last


def test_config_changes_single_values_and_names_wrong_ones(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text(yaml.safe_dump({"reward": {"effort": 0.3}}))
    config = load_training_config(file)
    assert config.reward.effort == 0.3 and config.reward.pose == load_training_config(None).reward.pose
    for wrong, part in (({"reward": {"effort": -1}}, "reward.effort"), ({"rewards": {}}, "rewards"),
                        ({"episode_s": "long"}, "episode_s")):
        file.write_text(yaml.safe_dump(wrong))
        with pytest.raises(SimError, match=part):
            load_training_config(file)
    with pytest.raises(SimError, match="cannot read"):
        load_training_config(tmp_path / "none.yaml")
