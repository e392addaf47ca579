# SPDX-License-Identifier: Apache-2.0
"""Adaptations: a shift of what the walker feels and does, the same in its biases; and a practice that goes on where it was."""

import json

import numpy as np
import pytest

from exo_device.devices import find_device
from exo_lab.train.exo_config import AdaptationConfig, load_exo_config
from exo_lab.train.motor_adaptation import (
    SPEED_SHARES,
    AdaptationStage,
    AdaptationTrial,
    search_adaptation,
    without_randomisation,
)
from exo_policy.checkpoint import load_checkpoint
from exo_policy.networks import MlpPolicy
from exo_sim.body.model import build_body
from exo_sim.body.muscle_groups import GROUPS_BY_SIDE
from exo_sim.body.subject import load_subject
from exo_sim.gait.reference import JOINTS
from exo_sim.human.checkpoint import load_human, shipped_human
from exo_sim.human.motor_adaptation import ADAPTATION_SIZE, Adaptations, with_adaptation
from exo_sim.human.observation import OBSERVATION_SIZE
from exo_sim.human.walkers import Walkers

DEVICE = find_device("hip_ankle")


@pytest.fixture(scope="module")
def config():
    adaptations = AdaptationConfig(candidates=4, generations=2, trial_s=0.4, settle_s=0.1)
    return load_exo_config("exo_impaired").model_copy(
        update={
            "wearer": load_subject("preset:plantarflexor_weakness_50_right"),
            "motor_adaptation": adaptations,
            "workers": 1,
        }
    )


def test_biases_hold_a_adaptation():
    random = np.random.default_rng(1)
    numbers = random.normal(0.0, 0.2, ADAPTATION_SIZE)
    observation = random.normal(0.0, 0.3, (5, OBSERVATION_SIZE)).astype(np.float32)
    tensors, manifest = load_checkpoint(shipped_human(impaired=True), kind="human")
    adaptations, walker = Adaptations.of(numbers), load_human(shipped_human(impaired=True))
    changed = MlpPolicy(manifest.network, with_adaptation(tensors, numbers))
    np.testing.assert_allclose(
        changed(observation), walker(adaptations.perceive(observation)) + adaptations.posture, atol=2e-4
    )
    assert not np.allclose(changed(observation), walker(observation), atol=1e-2)
    same = with_adaptation(tensors, np.zeros(ADAPTATION_SIZE))
    assert all(np.array_equal(same[name], tensors[name]) for name in tensors)


def test_who_feels_as_strong_as_somebody_walks_as_they_do(config):
    weak = Walkers([build_body(config.wearer, None, 300.0)])
    weak.place(0, 0.2, 1.0)
    seen = weak.observe()
    numbers = np.zeros(ADAPTATION_SIZE)
    numbers[GROUPS_BY_SIDE.index("plantarflexors_r")] = 0.5
    weak.bodies[0].set_strengths({})
    np.testing.assert_allclose(Adaptations.of(numbers).perceive(seen), weak.observe(), atol=1e-6)


def test_the_same_habit_earns_the_same_and_a_bad_one_less(config):
    longer = config.model_copy(update={"motor_adaptation": AdaptationConfig(trial_s=2.5, settle_s=0.5)})
    trial = AdaptationTrial(longer, DEVICE, shipped_human(impaired=True), None, 3, seed=1)
    bad = np.zeros(ADAPTATION_SIZE)
    bad[len(GROUPS_BY_SIDE) + JOINTS.index("knee_angle_r")] = 1.5
    none, again, worse = trial(np.array([np.zeros(ADAPTATION_SIZE), np.zeros(ADAPTATION_SIZE), bad]))
    assert none == pytest.approx(again, rel=1e-3) and worse < 0.9 * none


def test_an_ordinary_day_has_no_luck_in_it(config):
    day = without_randomisation(config)
    assert day.wearing.mass_error == 0.0 and day.wearing.delay_s[0] == day.wearing.delay_s[1]
    assert day.people.friction_range == (1.0, 1.0) and day.speed_range_mps == config.speed_range_mps
    assert len(SPEED_SHARES) >= 3


def test_what_earns_nothing_is_not_changed(tmp_path):
    def walk(adaptations):  # only the first number matters, and the day is never twice the same
        return -((adaptations[:, 0] - 0.3) ** 2) / 0.02 + random.normal(0.0, 0.05, len(adaptations))

    found = {}
    for price in (0.0, 0.005):
        random = np.random.default_rng(4)
        found[price] = search_adaptation(
            "price", tmp_path / f"{price}.json", walk, np.full(ADAPTATION_SIZE, 0.1), 12, 60, seed=2, change_price=price
        ).adaptation
    assert found[0.005][0] == pytest.approx(0.3, abs=0.1)
    assert np.linalg.norm(found[0.005][1:]) < 0.6 * np.linalg.norm(found[0.0][1:])


def test_practice_goes_on_where_it_was_and_ends_at_the_same(config, tmp_path):
    human = shipped_human(impaired=True)
    whole = AdaptationStage("carrying", tmp_path / "whole", config, DEVICE, seed=3)
    whole.run(human, None)
    assert whole.finished
    # one generation only, as if it had been killed then; the rest follows later
    part = tmp_path / "part"
    part.mkdir()
    known = json.loads((tmp_path / "whole" / "generations.json").read_text())
    (part / "generations.json").write_text(json.dumps({**known, "rewards": known["rewards"][:1]}))
    resumed = AdaptationStage("carrying", part, config, DEVICE, seed=3)
    assert not resumed.finished
    resumed.run(human, None)
    first, second = (load_checkpoint(each.human, kind="human")[0] for each in (whole, resumed))
    assert all(np.allclose(first[name], second[name], atol=1e-5) for name in first)
    stage = json.loads((part / "stage.json").read_text())
    assert set(stage["felt_stronger_by"]) == set(GROUPS_BY_SIDE) and set(stage["posture"]) == set(JOINTS)
    before = load_checkpoint(human, kind="human")[0]
    changed = {name for name in before if not np.array_equal(before[name], first[name])}
    assert changed == {"layer0.bias", "layer2.bias"}
