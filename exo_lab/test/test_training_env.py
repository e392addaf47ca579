# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import yaml

from exo_lab.train.check import Checker, CheckLog
from exo_lab.train.config import load_training_config
from exo_lab.train.disturbances import RandomPushes, SensorNoise
from exo_lab.train.rewards import IMITATION_TERMS
from exo_lab.train.walking_env import Curriculum, WalkingEnv
from exo_sim.body.model import build_body
from exo_sim.body.subject import Subject
from exo_sim.errors import SimError
from exo_sim.human.checkpoint import load_human
from exo_sim.human.observation import ACTION_SIZE, HUMAN_TERMS, OBSERVATION_SIZE
from exo_sim.human.walkers import Walkers
from exo_sim.world.people import People

EASY = {
    "speed_range_mps": [1.2, 1.3],
    "assistance": 0.0,
    "body_spread": 0.0,
    "variation": 0.0,
    "disturbance": 0.0,
    "stops": 0.0,
}


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
    for _ in range(120):  # nobody stands for 2.4 s without a policy
        result = env.step(np.zeros((3, ACTION_SIZE)))
        assert np.isfinite(result.reward).all() and np.isfinite(result.observation).all()
        assert len(result.episode_seconds) == int((result.terminated | result.truncated).sum())
        ended += len(result.episode_seconds)
    assert ended >= 3
    assert result.metrics["pose_error_deg"] > 0.0
    assert {f"reward_{name}" for name in IMITATION_TERMS} <= set(result.metrics)


def test_who_falls_goes_on_practising_before_somebody_else_has_a_turn(config):
    def people_of(practice_s):
        env = WalkingEnv(config.model_copy(update={"practice_s": practice_s}), "none", seed=5)
        env.reset()
        env._steps[:] = 0
        seen, walked = [], 0.0
        for _ in range(200):  # 4 s; nobody stands for more than 2.4 s without a policy
            seen.append(id(env._walkers.bodies[0].model))
            walked += sum(env.step(np.zeros((3, ACTION_SIZE))).episode_seconds)
        return len(dict.fromkeys(seen)), walked

    assert people_of(0.0)[0] >= 2 and people_of(100.0)[0] == 1
    assert people_of(100.0)[1] > 3.0  # they did fall, and began again


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
    env.configure(EASY | {"assistance": 1.0})
    env.reset()
    peaks = []
    for _ in range(60):
        env.step(np.zeros((3, ACTION_SIZE)))
        body = env._walkers.body
        peaks.append([np.abs(data.ctrl[body.exo_actuators]).max() for data in env._walkers.datas])
    assert np.max(peaks) > 5.0
    env.configure(EASY)
    env.reset()
    env.step(np.zeros((3, ACTION_SIZE)))
    assert all(not data.ctrl[body.exo_actuators].any() for data in env._walkers.datas)


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
    for wrong, part in (
        ({"reward": {"effort": -1}}, "reward.effort"),
        ({"rewards": {}}, "rewards"),
        ({"episode_s": "long"}, "episode_s"),
    ):
        file.write_text(yaml.safe_dump(wrong))
        with pytest.raises(SimError, match=part):
            load_training_config(file)
    for wrong, part in (
        ("- a\n", "expected fields of the training"),
        ("curriculum: {a: 1}\n", "curriculum"),
        ("episode_s: 3\nepisode_s: 4\n", r"c.yaml:2: the key 'episode_s' stands twice"),
        ("reward: 2024-02-30\n", r"c.yaml:1: 2024-02-30 is a date"),
    ):
        file.write_text(wrong)
        with pytest.raises(SimError, match=part) as caught:
            load_training_config(file)
        assert "\n" not in str(caught.value)
    with pytest.raises(SimError, match="No such file"):
        load_training_config(tmp_path / "none.yaml")


def test_people_differ_in_what_the_curriculum_allows_and_in_nothing_else(config):
    people = People(None, 300.0, config.people, np.random.default_rng(3))
    same = [people.draw() for _ in range(3)]
    assert {p.body.total_mass for p in same} == {people.first.total_mass} and {p.servo_gain for p in same} == {1.0}
    assert all((p.body.strengths == 1.0).all() for p in same)
    people.configure(1.0, 0.0)
    drawn = [people.draw() for _ in range(30)]
    heights = [p.body.subject.height_m for p in drawn]
    low, high = config.people.strength_range
    assert max(heights) - min(heights) > 0.1 and len({p.body.subject.mass_kg for p in drawn}) > 3
    assert all(low <= s <= high for p in drawn for s in p.body.strengths)
    assert all(17.0 <= p.body.subject.mass_kg / p.body.subject.height_m**2 <= 36.0 for p in drawn)
    assert all(
        (p.body.model.body_inertia == people._bodies[0].model.body_inertia).all()
        for p in drawn
        if p.body.subject == people.first.subject
    )
    people.configure(0.0, 1.0)
    varied = people.draw()
    assert varied.body.total_mass == pytest.approx(people.first.total_mass)
    assert np.abs(varied.body.model.body_mass - people.first.model.body_mass).max() > 0.1
    assert varied.servo_gain != 1.0


def test_pushes_act_end_and_are_forgotten(config):
    walkers = Walkers([build_body(Subject(), None, 300.0)] * 2)
    sure = config.disturbance.model_copy(update={"push_every_s": 0.02, "push_duration_s": (0.1, 0.1)})
    pushes = RandomPushes(walkers, sure, np.random.default_rng(0))
    force = lambda: np.linalg.norm(walkers.datas[0].xfrc_applied, axis=1).sum()  # noqa: E731
    pushes.apply(walkers)
    assert force() == 0.0
    pushes.level = 1.0
    pushes.apply(walkers)
    first = force()
    assert 0.0 < first <= sure.push_force_n
    pushes._config = sure.model_copy(update={"push_every_s": 1e9})
    for _ in range(4):
        pushes.apply(walkers)
        assert force() == first
    pushes.apply(walkers)
    assert force() == 0.0


def test_noise_is_on_the_named_terms_alone(config):
    noise = SensorNoise(config.disturbance, np.random.default_rng(0))
    observation = np.zeros((200, OBSERVATION_SIZE), np.float32)
    assert (noise(observation) == 0.0).all()
    noise.level = 1.0
    deviation, start = noise(observation).std(axis=0), 0
    for term in HUMAN_TERMS:
        expected = config.disturbance.sensor_noise.get(term.name, 0.0) * term.scale
        assert deviation[start : start + term.size] == pytest.approx(expected, rel=0.3)
        start += term.size


def test_starts_stops_and_other_people(config):
    env = WalkingEnv(config, "none", seed=2)
    env.configure(EASY | {"body_spread": 1.0, "variation": 1.0, "disturbance": 1.0, "stops": 1.0})
    env.reset()
    assert (env._walkers.speed_command == 0.0).all()
    for _ in range(30):
        assert np.isfinite(env.step(np.zeros((3, ACTION_SIZE))).observation).all()
    assert (env._walkers.speed_command > 0.0).any()


def test_a_check_tells_a_walker_from_a_beginner_and_keeps_the_best(config, tmp_path):
    checker = Checker(None, config.physics_rate_hz, duration_s=6.0)
    good, bad = checker(load_human()), checker(lambda observation: np.zeros((len(observation), ACTION_SIZE)))
    assert good.score > bad.score + 0.2 and np.isfinite([good.score, bad.score]).all()
    assert good.upright[4] and good.speed_error[4] < 0.1 and good.angle_error[4] < 5.0  # at 1.25 m/s
    log, kept = CheckLog(tmp_path / "checks.csv"), []

    def keep(row):
        written = (tmp_path / "checks.csv").read_text() if kept else ""
        kept.append(row["samples"])
        assert f"{row['samples']:g}," not in written  # the checkpoint first: after a kill none is called the best

    assert log.due(0, 100) and log.add(10, bad, keep) and log.add(20, good, keep) and not log.add(30, bad, keep)
    assert kept == [10, 20]
    again = CheckLog(tmp_path / "checks.csv")
    assert again.best == log.best and "20 samples" in log.best
    assert not again.due(100, 100) and again.due(130, 100) and not again.add(130, bad)
