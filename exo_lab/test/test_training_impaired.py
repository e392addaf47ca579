# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from exo_lab.train.check import PATIENTS, Checker
from exo_lab.train.config import load_training_config
from exo_lab.train.rewards import StrideAverages, imitation_reward, lower_speed, tolerance_scaling
from exo_lab.train.walking_env import Curriculum, WalkingEnv
from exo_sim.body.impairments import Impairments
from exo_sim.body.model import build_body
from exo_sim.body.muscle_groups import GROUPS_BY_SIDE
from exo_sim.body.subject import Subject, load_subject
from exo_sim.human.walkers import Walkers
from exo_sim.world.people import ImpairmentConfig, People, draw_impairments

HEALTHY = dict.fromkeys(GROUPS_BY_SIDE, 1.0)


@pytest.fixture(scope="module")
def config():
    return load_training_config("impaired")


def sides_of(names) -> set[str]:
    return {name[-1] for name in names}


def weak(impairments: Impairments) -> set[str]:
    return {name for name, strength in impairments.strengths.items() if strength < 1.0}


def test_draws_cover_one_group_a_whole_side_and_both_sides_within_their_ranges():
    config = ImpairmentConfig(share=1.0, others=0.5, whole_side=0.3, bilateral=0.3)
    random = np.random.default_rng(0)
    drawn = [draw_impairments(config, 1.0, HEALTHY, random) for _ in range(200)]
    counts = [len(weak(person)) for person in drawn]
    sides = [sides_of(weak(person)) for person in drawn]
    assert {1, 2, 3, 8} <= set(counts)
    assert {"r"} in sides and {"l"} in sides and {"r", "l"} in sides
    strengths = [s for person in drawn for s in person.strengths.values() if s < 1.0]
    assert 0.25 <= min(strengths) < 0.3 and 0.75 < max(strengths) <= 0.8
    for field in ("contractures", "spasticity", "activation_slowdown", "co_contraction"):
        has = [person for person in drawn if getattr(person, field)]
        assert 0.3 < len(has) / len(drawn) < 0.8, field
        assert all(sides_of(getattr(person, field)) <= sides_of(weak(person)) for person in has)


def test_severity_takes_the_ranges_down_and_healthy_strengths_stay():
    random = np.random.default_rng(1)
    config = ImpairmentConfig(share=1.0)
    for _ in range(50):
        person = draw_impairments(config, 0.2, {**HEALTHY, "hip_flexors_r": 1.1, "hip_flexors_l": 1.1}, random)
        assert all(0.85 <= s <= 0.96 for s in person.strengths.values() if s < 1.0)
        assert {s for s in person.strengths.values() if s >= 1.0} <= {1.0, 1.1}
        assert not person.contractures and not person.spasticity


def test_people_are_impaired_as_often_as_configured_and_only_if_the_stage_has_it(config):
    people = People(None, 300.0, config.people, np.random.default_rng(2))
    people.configure(0.0, 0.0, deficit=0.0)
    assert not any(people.draw().body.deficit.any() for _ in range(20))
    people.configure(0.0, 0.0, deficit=1.0)
    impaired = sum(people.draw().body.deficit.any() for _ in range(200))
    assert 0.5 < impaired / 200 < 0.85
    assert not people.first.deficit.any() and (people.first.strengths == 1.0).all(), "a draw changes a copy"


def test_the_default_training_has_healthy_people_alone():
    healthy = load_training_config(None)
    assert healthy.people.impairments.share == 0.0
    people = People(None, 300.0, healthy.people, np.random.default_rng(2))
    people.configure(1.0, 1.0)
    assert not any(people.draw().body.deficit.any() for _ in range(30))


def test_nothing_is_eased_for_a_healthy_person(config):
    tolerance = tolerance_scaling(config.tolerance, np.zeros((2, 2)))
    assert all(
        (factor == 1.0).all()
        for factor in (
            tolerance.leg,
            tolerance.joint,
            tolerance.person,
            tolerance.speed,
            tolerance.upright,
            tolerance.effort,
        )
    )
    assert not tolerance.impaired.any()
    assert lower_speed(config.tolerance, 1.4, 0.8, np.zeros(2)) == 1.4


def test_the_impaired_leg_is_eased_most_and_in_proportion(config):
    tolerance = tolerance_scaling(config.tolerance, np.array([[0.5, 0.0], [1.0, 0.0]]))
    assert (tolerance.leg[:, 0] < tolerance.leg[:, 1]).all() and (tolerance.leg[:, 1] < 1.0).all()
    assert tolerance.leg[1, 0] == pytest.approx(1.0 - config.tolerance.imitation)
    assert 1.0 - tolerance.leg[0, 0] == pytest.approx(0.5 * (1.0 - tolerance.leg[1, 0]))
    assert (tolerance.joint[:, :7] == tolerance.leg[:, :1]).all() and (
        tolerance.joint[:, 7:] == tolerance.leg[:, 1:]
    ).all()
    assert tolerance.upright[1] == pytest.approx(1.0 - config.tolerance.tilt) and tolerance.impaired.all()
    assert (
        tolerance.effort[1] == pytest.approx(1.0 + config.tolerance.effort)
        and 1.0 < tolerance.effort[0] < tolerance.effort[1]
    )
    slow = lower_speed(config.tolerance, 1.4, 0.8, np.array([0.0, 1.0]))
    assert 0.8 < slow < 1.4
    assert lower_speed(config.tolerance, 0.8, 0.8, np.array([0.0, 1.0])) == 0.8


def test_a_limp_ends_the_episode_of_a_healthy_person_and_not_of_an_impaired_one(config):
    def verdict(subject, knee):
        walkers = Walkers([build_body(subject, None, 300.0, accelerometer=False)])
        walkers.place(0, 0.1, 1.2)
        data, body = walkers.datas[0], walkers.body
        data.qpos[body.joint_qpos[3]] += knee
        state = walkers.state()
        return imitation_reward(
            config, walkers, state, np.zeros((1, 14)), np.zeros(1), StrideAverages(1, config.reward)
        )

    patient = load_subject("preset:hemiparesis_severe_right")
    limp = 2.0
    assert verdict(Subject(), limp).failed[0]
    assert not verdict(patient, limp).failed[0]
    lost = [verdict(subject, 0.0).reward[0] - verdict(subject, 0.25).reward[0] for subject in (Subject(), patient)]
    assert 0.0 < lost[1] < 0.5 * lost[0], "the same error of the impaired leg costs less"


def test_the_shipped_configuration_walks_a_mixed_crowd(config):
    small = config.model_copy(update={"envs_per_worker": 6})
    env = WalkingEnv(small, "none", 3)
    env.configure(small.curriculum[-1].model_dump(exclude={"after_episode_s"}))
    env.reset()
    result = None
    for _ in range(20):
        result = env.step(np.zeros((6, 14), dtype=np.float32))
        assert np.isfinite(result.observation).all() and np.isfinite(result.reward).all()
    assert result.observation.shape == (6, 96)
    assert env._walkers.deficit.any() and not env._walkers.deficit.all()


def test_a_training_from_before_goes_on_at_its_stage():
    stages = load_training_config(None).curriculum
    before = stages[2].model_dump(mode="json", exclude={"after_episode_s", "deficit"})
    again = Curriculum(stages)
    again.resume(before)
    assert again(0, 0.0)["speed_range_mps"] == before["speed_range_mps"]
    again.resume({})
    assert again(0, 0.0)["speed_range_mps"] == list(stages[0].speed_range_mps)


def test_patients_count_in_the_choice_of_the_best_by_whether_they_walk():
    checker = Checker(None, 300.0, duration_s=5.0, patients=PATIENTS[:2])
    check = checker(lambda observation: np.zeros((len(observation), 14)))
    assert len(check.upright) == 12
    assert check.angle_error[10:] == pytest.approx(check.angle_error[:10].mean())
