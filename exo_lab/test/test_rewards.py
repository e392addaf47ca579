# SPDX-License-Identifier: Apache-2.0
"""Reward terms: each has a weight and is logged by its name, and moves with its own cause; their sum is the reward."""

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from exo_lab.train.config import load_training_config
from exo_lab.train.exo_config import load_exo_config
from exo_lab.train.rewards import (
    DEVICE_TERMS,
    IMITATION_TERMS,
    WEARER_TERMS,
    ControlStep,
    PolicyStep,
    StrideAverages,
    control_reward,
    imitation_reward,
    weighted,
)
from exo_sim.body.model import build_body
from exo_sim.body.subject import Subject
from exo_sim.human.observation import ACTION_SIZE
from exo_sim.human.reference_bank import ReferenceBank
from exo_sim.human.walkers import Walkers

#: Weighted terms (n,) of `random_step` under each configuration, as they were when widths were constants in the code.
FROZEN = json.loads((Path(__file__).parent / "reward_terms.json").read_text(encoding="utf-8"))
CONFIGURATIONS = ((), ("impaired",), ("impaired", "compensations"))


def random_step(count=6, seed=7):
    """Arguments of PolicyStep but the configuration, of people (some impaired, one standing) near the reference gait."""
    random = np.random.default_rng(seed)
    speed = random.uniform(0.5, 1.8, count)
    speed[0] = 0.0
    walkers = SimpleNamespace(
        count=count,
        deficit=np.where(random.random((count, 2)) < 0.5, 0.0, random.random((count, 2))),
        reference=ReferenceBank(random.uniform(0.7, 1.05, count)),
        speed_command=speed,
        phase=random.random(count),
        correction=random.normal(0.0, 0.3, (count, 14)),
        is_above=lambda state, height_share, up_cosine: np.ones(count, bool),
    )
    up = random.normal(0.0, 0.08, (count, 3))
    up[:, 2] = 1.0
    sway = random.normal(0.0, 0.1, (count, 3))
    state = SimpleNamespace(
        joint_angle=walkers.reference.angles(speed, walkers.phase) + random.normal(0.0, 0.08, (count, 14)),
        joint_rate=walkers.reference.rates(speed, walkers.phase) + random.normal(0.0, 0.8, (count, 14)),
        up=up / np.linalg.norm(up, axis=1, keepdims=True),
        velocity=sway + np.stack([speed, np.zeros(count), np.zeros(count)], axis=1),
        angular_velocity=random.normal(0.0, 0.5, (count, 3)),
        heading=random.normal(0.0, 0.1, count),
        vertical_grf=np.maximum(random.normal(0.5, 0.6, (count, 2)), 0.0),
        forward_grf=random.normal(0.0, 0.1, (count, 2)),
    )
    averages = SimpleNamespace(
        speed=speed + random.normal(0.0, 0.05, count),
        sideways=random.normal(0.0, 0.05, count),
        unevenness=random.normal(0.0, 0.05, (count, 3)),
    )
    return walkers, state, random.normal(0.0, 0.5, (count, ACTION_SIZE)), random.uniform(0.0, 0.1, count), averages


def control_step(**changes):
    """A control period of three people with two driven joints."""
    whole = np.full(3, 0.2)
    step = ControlStep(
        power=np.array([3.0, 5.0, 45.0]),
        overload=np.array([0.01, 0.02, 0.06]),
        mechanical=whole,
        share=np.full((3, 2), 0.3),
        change=np.full((3, 2), 0.1),
        beyond=np.full((3, 2), 0.2),
        terminated=np.zeros(3, bool),
        out_of_time=np.zeros(3, bool),
        walking=whole,
        metrics={},
        seconds=[],
    )
    return dataclasses.replace(step, **changes)


def weights_of(config):
    """Names of the weights and prices among the fields of a reward's configuration: those with a largest value."""
    return {
        name
        for name, field in type(config).model_fields.items()
        if any(getattr(bound, "le", None) not in (None, 1.0) for bound in field.metadata)
    }


@pytest.fixture(scope="module")
def config():
    return load_training_config(None)


@pytest.mark.parametrize("names", CONFIGURATIONS)
def test_terms_and_their_sum_are_what_they_were(names):
    config, step = load_training_config(*names), random_step()
    terms = weighted(IMITATION_TERMS, config.reward, PolicyStep(config, *step))
    frozen = FROZEN["+".join(names) or "human"]
    assert list(terms) == list(frozen)
    for name, values in frozen.items():
        assert terms[name] == pytest.approx(values, rel=0.0, abs=1e-12), name
    assert sum(terms.values()) == pytest.approx(np.sum(list(frozen.values()), axis=0), rel=0.0, abs=1e-12)
    assert imitation_reward(config, *step).reward == pytest.approx(sum(terms.values()), rel=1e-6)


def test_every_term_has_a_weight_and_every_weight_a_term(config):
    device, wearer = load_exo_config().reward, load_exo_config().human_reward
    assert set(IMITATION_TERMS) == weights_of(config.reward)
    assert {*DEVICE_TERMS, "fall"} == weights_of(device)
    assert {*WEARER_TERMS, "fall"} == weights_of(wearer)


def test_every_term_is_logged_by_its_name(config):
    step = random_step()
    terms = weighted(IMITATION_TERMS, config.reward, PolicyStep(config, *step))
    metrics = imitation_reward(config, *step).metrics
    for name, value in terms.items():
        assert metrics[f"reward_{name}"] == pytest.approx(value.mean(), abs=1e-12)
    for terms, reward in ((DEVICE_TERMS, load_exo_config().reward), (WEARER_TERMS, load_exo_config().human_reward)):
        period = control_step()
        whole = control_reward(terms, reward, period, "of_")
        assert {f"of_{name}" for name in (*terms, "fall")} == set(period.metrics)
        assert sum(period.metrics[f"of_{name}"] for name in terms) == pytest.approx(whole.mean(), rel=1e-6)


def test_each_imitation_term_moves_with_its_own_cause(config):
    """One change of a step each, and the terms that must fall with it, all others staying what they were."""
    walkers, state, action, effort, averages = random_step()
    quiet = SimpleNamespace(**{**vars(walkers), "correction": np.zeros_like(walkers.correction)})
    angle = walkers.reference.angles(walkers.speed_command, walkers.phase)
    rate = walkers.reference.rates(walkers.speed_command, walkers.phase)
    still = SimpleNamespace(**{**vars(state), "joint_angle": angle, "joint_rate": rate})
    level = SimpleNamespace(speed=walkers.speed_command, sideways=0.0 * effort, unevenness=np.zeros((len(effort), 3)))
    usual = (quiet, still, 0.0 * action, 0.0 * effort, level)

    def terms(step):
        return {name: term(PolicyStep(config, *step), config.reward) for name, term in IMITATION_TERMS.items()}

    def changed(place, **changes):
        return tuple(SimpleNamespace(**{**vars(p), **changes}) if i == place else p for i, p in enumerate(usual))

    causes = [
        ({"pose", "pose_fine"}, changed(1, joint_angle=angle + 0.1)),
        ({"rate"}, changed(1, joint_rate=rate + 2.0)),
        ({"mean_speed"}, changed(4, speed=level.speed + 0.1)),
        ({"straight"}, changed(4, sideways=level.sideways + 0.1)),
        ({"even"}, changed(4, unevenness=level.unevenness + 0.1)),
        ({"moment"}, changed(0, correction=quiet.correction + 0.3)),
        ({"upright"}, changed(1, angular_velocity=4.0 + 0.0 * state.angular_velocity)),
        ({"action"}, (quiet, still, action + 1.0, 0.0 * effort, level)),
        ({"effort"}, (quiet, still, 0.0 * action, effort + 0.1, level)),
    ]
    before = terms(usual)
    for moved, step in causes:
        after = terms(step)
        assert {name for name in before if (after[name] < before[name]).all()} == moved
        assert all((after[name] == before[name]).all() for name in set(before) - moved)


def test_each_term_of_the_device_reward_moves_with_its_own_cause():
    reward, step = load_exo_config().reward, control_step(power=np.array([3.0, 5.0, 8.0]))
    causes = {
        "metabolic": {"power": step.power + 1.0},
        "overload": {"overload": step.overload + 0.01},
        "torque": {"share": step.share + 0.2},
        "torque_rate": {"change": step.change + 0.2},
        "beyond": {"beyond": step.beyond + 0.2},
        "mechanical_power": {"mechanical": np.abs(step.mechanical) + 1.0},
    }
    for name, change in causes.items():
        worse = dataclasses.replace(step, **change)
        fell = {term for term, value in DEVICE_TERMS.items() if (value(worse, reward) < value(step, reward)).all()}
        assert fell == {name}


def test_a_stumble_costs_no_more_than_the_largest_power_and_a_fall_its_price():
    reward = load_exo_config().reward
    stumble, worse = control_step(power=np.full(3, 31.0)), control_step(power=np.full(3, 900.0))
    assert (control_reward(DEVICE_TERMS, reward, stumble, "") == control_reward(DEVICE_TERMS, reward, worse, "")).all()
    lost = control_step(terminated=np.array([True, False, False]))
    assert control_reward(DEVICE_TERMS, reward, lost, "")[0] == -reward.fall
    assert lost.metrics["fall"] == pytest.approx(-reward.fall / 3)
    broken = control_step(power=np.array([np.nan, 3.0, 3.0]))
    assert control_reward(DEVICE_TERMS, reward, broken, "")[0] == -reward.fall


def test_the_reference_earns_more_than_a_wrong_pose_and_a_fall_ends(config):
    walkers = Walkers([build_body(Subject(), None, 300.0)] * 2)
    walkers.place(0, 0.15, 1.25)
    walkers.place(1, 0.15, 1.25)
    averages = StrideAverages(2, config.reward)
    averages.speed[:] = 1.25

    def result():
        return imitation_reward(config, walkers, walkers.state(), np.zeros((2, ACTION_SIZE)), np.zeros(2), averages)

    data = walkers.datas[1]
    data.qpos[walkers.body.joint_qpos[3]] += 0.6  # knee bent by 34 degrees too much
    assert result().reward[0] > result().reward[1] + 0.1 and not result().failed.any()
    data.qpos[3:7] = [np.cos(0.5), np.sin(0.5), 0.0, 0.0]  # lies down by 57 degrees
    assert result().failed[1]
    data.qpos[3] = np.nan
    assert result().failed[1] and np.isfinite(result().reward).all()


def test_averages_settle_on_what_stays(config):
    walkers = Walkers([build_body(Subject(), None, 300.0)])
    walkers.place(0, 0.15, 1.25)
    walkers.datas[0].qvel[0] = 0.2  # MyoLegs' x is to the left
    walkers.datas[0].qpos[walkers.body.joint_qpos[0]] += 0.1  # right hip
    averages, state = StrideAverages(1, config.reward), walkers.state()
    for _ in range(400):
        averages.update(walkers, state)
    assert averages.speed[0] == pytest.approx(1.25, rel=1e-3) and averages.sideways[0] == pytest.approx(0.2, rel=1e-2)
    assert averages.unevenness[0] == pytest.approx([0.1, 0.0, 0.0], abs=1e-3)
