# SPDX-License-Identifier: Apache-2.0
"""Compensations: what counts as weak, mirrored alike, and a training that goes on and ends in a walker like its teacher."""

import csv
import json

import numpy as np
import pytest
import yaml

from exo_lab.train.compensations import CompensationTrial, main, weak_subject
from exo_lab.train.config import load_training_config
from exo_lab.train.teaching import teach
from exo_policy.checkpoint import load_checkpoint
from exo_sim.body.muscle_groups import GROUPS_BY_SIDE, MUSCLE_GROUPS
from exo_sim.human.checkpoint import load_human, shipped_human
from exo_sim.human.motor_adaptation import (
    ADAPTATION_SIZE,
    STRENGTH_SLICE,
    WEAKNESSES,
    WHOLE_LEG,
    both_legs,
    compensating_adaptations,
    weaknesses,
)
from exo_sim.human.observation import HUMAN_CONTRACT, action_mirror_index, mirror_map

SMALL = {
    "envs_per_worker": 2,
    "workers": 1,
    "people": {"bodies": 1},
    "ppo": {"hidden_layers": [256, 256]},
    "compensations": {
        "candidates": 4,
        "generations": 1,
        "trial_s": 0.3,
        "settle_s": 0.1,
        "speeds_mps": [1.0],
        "phases": [0.2],
        "strengths": {"dorsiflexors": [0.5], "others": [0.5]},
        "rounds": 3,
        "round_steps": 10,
        "remembered": 60,
        "batch": 32,
        "batches": 40,
    },
}


def strengths(**weak):
    return np.array([[weak.get(group, 1.0) for group in GROUPS_BY_SIDE]])


def test_the_healthy_have_nothing_to_make_up_for():
    rows = np.ones((len(WEAKNESSES), ADAPTATION_SIZE))
    adaptations = compensating_adaptations(rows, np.ones((2, len(GROUPS_BY_SIDE))))
    assert not adaptations.strength.any() and not adaptations.posture.any()


@pytest.mark.parametrize("group", MUSCLE_GROUPS)
def test_one_weak_group_counts_alone_and_in_proportion(group):
    counted = [weaknesses(strengths(**{f"{group}_r": left}))[0] for left in (0.75, 0.5, 0.0)]
    place = WEAKNESSES.index(group)
    for weak, lost in zip(counted, (0.25, 0.5, 1.0), strict=False):
        assert weak[0, place] == pytest.approx(lost * 7.0 / 8.0)
        weak[0, place] = 0.0
        np.testing.assert_allclose(weak, 0.0, atol=1e-12)


def test_a_leg_that_is_weak_as_a_whole_counts_as_a_whole():
    weak = weaknesses(strengths(**{f"{group}_l": 0.4 for group in MUSCLE_GROUPS}))[0]
    assert weak[1, WEAKNESSES.index(WHOLE_LEG)] == pytest.approx(0.6 - 0.125)
    assert weak.sum() == pytest.approx(0.6 - 0.125)


def test_the_left_leg_is_made_up_for_as_the_right_one_in_the_mirror():
    random = np.random.default_rng(2)
    rows = random.normal(0.0, 0.3, (len(WEAKNESSES), ADAPTATION_SIZE))
    right = compensating_adaptations(rows, strengths(plantarflexors_r=0.3, hip_flexors_r=0.6))
    left = compensating_adaptations(rows, strengths(plantarflexors_l=0.3, hip_flexors_l=0.6))
    np.testing.assert_allclose(left.posture, right.posture[:, action_mirror_index()], atol=1e-6)
    index, _ = mirror_map()
    places = index[STRENGTH_SLICE] - STRENGTH_SLICE.start
    np.testing.assert_allclose(left.strength, right.strength[:, places], atol=1e-6)
    assert both_legs(rows).shape == (2 * len(WEAKNESSES), ADAPTATION_SIZE)


def test_a_trial_scales_habits_with_weakness_and_punishes_a_fall():
    config = load_training_config("impaired", "compensations")
    short = config.compensations.model_copy(update={"trial_s": 2.0, "settle_s": 0.5})
    trial = CompensationTrial(
        config.model_copy(update={"compensations": short}), shipped_human(True), "dorsiflexors", 2
    )
    bad = np.zeros(ADAPTATION_SIZE)
    bad[len(GROUPS_BY_SIDE) :] = 3.0
    good, fallen = trial(np.array([np.zeros(ADAPTATION_SIZE), bad]))
    assert good > 2.0 and fallen < 0.7 * good
    assert weak_subject(WHOLE_LEG, 0.5).strengths == {f"{group}_r": 0.5 for group in MUSCLE_GROUPS}


def test_a_training_goes_on_where_it_was_and_refuses_another(tmp_path, capsys):
    changes = tmp_path / "small.yaml"
    changes.write_text(yaml.safe_dump(SMALL))
    run = tmp_path / "run"
    command = ["--config", "impaired", "compensations", str(changes), "--output", str(run), "--seed", "4"]
    assert main(command) == 0
    log = list(csv.DictReader((run / "teaching.csv").open()))
    assert len(log) == 3
    words = json.loads((run / "compensations.json").read_text())
    assert set(words) == set(WEAKNESSES) and set(words[WHOLE_LEG]["felt_stronger_by"]) == set(GROUPS_BY_SIDE)
    tensors, manifest = load_checkpoint(run / "pupil", kind="human")
    before = load_checkpoint(shipped_human(True), kind="human")[1]
    assert manifest.network == before.network
    load_human(run / "pupil")
    # killed after the first round, and after the first generation of one search: the same searches, the rest is taught
    (run / "teaching.csv").write_text("\n".join((run / "teaching.csv").read_text().splitlines()[:2]) + "\n")
    assert main(command) == 0
    assert len(list(csv.DictReader((run / "teaching.csv").open()))) == 3
    assert json.loads((run / "compensations.json").read_text()) == words
    capsys.readouterr()
    assert main([*command[:-1], "5"]) == 2
    assert "another training" in capsys.readouterr().err


def test_a_pupil_comes_closer_to_its_teacher(tmp_path):
    changes = tmp_path / "small.yaml"
    changes.write_text(
        yaml.safe_dump(
            SMALL
            | {
                "people": {"bodies": 1, "impairments": {"share": 1.0, "whole_side": 1.0, "others": 0.0}},
                "compensations": SMALL["compensations"]
                | {"rounds": 8, "round_steps": 40, "remembered": 2000, "batch": 128, "batches": 60},
            }
        )
    )
    config = load_training_config("impaired", "compensations", changes)
    rows = np.zeros((len(WEAKNESSES), ADAPTATION_SIZE))
    rows[:, len(GROUPS_BY_SIDE) :] = 0.4
    last = teach(
        config,
        shipped_human(True),
        rows,
        tmp_path,
        1,
        {"kind": "human", "contract": HUMAN_CONTRACT.model_dump(), "training": {}},
    )
    log = [float(row["error"]) for row in csv.DictReader((tmp_path / "teaching.csv").open())]
    assert last["error"] == pytest.approx(log[-1], rel=1e-4) and log[-1] < 0.6 * max(log)
