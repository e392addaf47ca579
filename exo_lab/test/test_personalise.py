# SPDX-License-Identifier: Apache-2.0
"""`exo personalise`: one wearer, a policy like the one it began with, and a fitting that can be gone on with."""

import json

import numpy as np
import pytest
import yaml

from exo_core.joints import STRENGTH_GROUPS
from exo_device.devices import find_device
from exo_lab.evaluate.policies import can_give, find_personalised
from exo_lab.train import check
from exo_lab.train.command_line import refuse_another_training
from exo_lab.train.exo_config import load_exo_config
from exo_lab.train.exo_env import ExoEnv
from exo_lab.train.learners import exo_mirror
from exo_lab.train.personalise import main
from exo_lab.train.train_exo import main as train
from exo_policy.checkpoint import load_checkpoint
from exo_policy.controllers.learned import shipped_checkpoint
from exo_policy.observation import STRENGTHS, exo_contract
from exo_sim.body.muscle_groups import GROUPS_BY_SIDE
from exo_sim.body.subject import Subject, load_subject
from exo_sim.errors import SimError
from exo_sim.human.checkpoint import shipped_human
from exo_sim.world.people import SingleWearer

SMALL = {
    "envs_per_worker": 2,
    "workers": 1,
    "people": {"bodies": 2},
    "human_warm_up": 1,
    "motor_adaptation": {"candidates": 4, "generations": 1, "trial_s": 0.3, "settle_s": 0.1},
    "ppo": {"steps_per_iteration": 16, "epochs": 1, "mini_batches": 2, "hidden_layers": [16, 16]},
}
ITERATION = 16 * 2
WEARER = "plantarflexor_weakness_50_right"


@pytest.fixture
def short_check(monkeypatch):
    monkeypatch.setattr(check, "STAGE_DURATION_S", 0.3)
    monkeypatch.setattr(check, "STAGE_SETTLE_S", 0.1)
    monkeypatch.setattr(check, "STAGE_WALKS", 1)


@pytest.fixture
def small(tmp_path):
    file = tmp_path / "small.yaml"
    file.write_text(yaml.safe_dump(SMALL))
    return str(file)


def fit(tmp_path, small, exo, *arguments, name="fitted"):
    return main(
        [
            "--subject",
            WEARER,
            "--exo",
            str(exo),
            "--config",
            small,
            "--output",
            str(tmp_path / name),
            "--samples",
            str(ITERATION),
            *arguments,
        ]
    )


def test_a_policy_is_fitted_once_and_says_to_whom(tmp_path, small, short_check, capsys):
    stages = [{"name": "assistance", "learns": ["exo"], "samples": ITERATION}]
    file = tmp_path / "training.yaml"
    file.write_text(yaml.safe_dump({**SMALL, "stages": stages, "tells_strengths": True, "plantarflexion_only": False}))
    run = tmp_path / "run"
    assert train(["--config", str(file), "--output", str(run)]) == 0
    assert fit(tmp_path, small, run) == 0
    folder = tmp_path / "fitted"
    result = json.loads((folder / "result.json").read_text())
    assert result["wearer"]["strengths"] == {"plantarflexors_r": 0.5} and result["symmetric"]
    _, before = load_checkpoint(run / "1_assistance" / "hip_ankle", kind="exo")
    _, after = load_checkpoint(folder / result["checkpoint"], kind="exo")
    assert after.contract == before.contract and after.training.config["wearer"]["name"] == WEARER
    assert any(term.name == STRENGTHS for term in after.contract.observation)
    assert after.training.config["began_with_sha256"]["device"] == before.sha256
    # it begins with the policy that it was given, critic and all: one iteration cannot have changed much
    old, new = (
        load_checkpoint(path, kind="exo")[0]
        for path in (run / "1_assistance" / "hip_ankle", folder / result["checkpoint"])
    )
    assert 0.0 < np.abs(old["layer0.weight"] - new["layer0.weight"]).mean() < 0.3 * old["layer0.weight"].std()
    done = (folder / "1_personalise" / "stage.json").stat().st_mtime_ns
    assert fit(tmp_path, small, run) == 0  # nothing is left to do
    assert (folder / "1_personalise" / "stage.json").stat().st_mtime_ns == done
    assert fit(tmp_path, small, run, "--seed", "2") == 2
    assert "holds another training" in capsys.readouterr().err
    began, practised = (
        load_checkpoint(folder / result["humans"][condition], kind="human")[1]
        for condition in ("unpowered", "practised")
    )
    assert began.sha256 == load_checkpoint(shipped_human(impaired=True), kind="human")[1].sha256 != practised.sha256
    assert (
        result["humans"]["learned"] == "2_practice/human"
        and result["humans"]["practised"] != result["humans"]["learned"]
    )
    worn = find_personalised([str(folder)], None)[0]
    assert worn.is_for(load_subject(f"preset:{WEARER}")) and not worn.is_for(Subject())
    assert ("ankle_angle", 1.0) in can_give([worn.policy])


def test_a_checkpoint_alone_will_do(tmp_path, small, short_check):
    shipped = shipped_checkpoint(find_device("hip_ankle").joint_names)
    assert fit(tmp_path, small, shipped, "--device", "hip_ankle", "--one-sided") == 0
    old, before = load_checkpoint(shipped, kind="exo")
    new, after = load_checkpoint(tmp_path / "fitted" / "1_personalise" / "hip_ankle", kind="exo")
    assert after.contract == before.contract and after.network.sizes == before.network.sizes
    # while its critic learns the policy stays as it was
    assert np.allclose(old["layer0.weight"], new["layer0.weight"], atol=1e-6)


def test_everybody_in_the_training_is_the_wearer(small):
    config = load_exo_config(small).model_copy(
        update={"wearer": load_subject("preset:drop_foot_left"), "tells_strengths": True}
    )
    env = ExoEnv(config, find_device("hip_ankle"), None, seed=1)
    told = env.reset().observation[:, -len(GROUPS_BY_SIDE) :]
    assert (told == told[0]).all() and told[0][GROUPS_BY_SIDE.index("dorsiflexors_l")] == pytest.approx(0.1)
    assert told[0][GROUPS_BY_SIDE.index("dorsiflexors_r")] == 1.0
    people = SingleWearer(find_device("hip_ankle"), 300.0, config.wearer, config.people, np.random.default_rng(1))
    one, other = people.draw(), people.draw()
    assert one.servo_gain != other.servo_gain
    assert (one.body.model.body_mass == other.body.model.body_mass).all()
    assert (one.body.model.geom_friction != other.body.model.geom_friction).any()


def test_strengths_are_told_in_the_order_of_the_muscle_groups_and_mirrored():
    assert STRENGTH_GROUPS == GROUPS_BY_SIDE
    contract = exo_contract(find_device("hip_ankle").joint_names, strengths=True)
    index = np.array(exo_mirror(contract).observation_index)
    assert (index[index] == np.arange(contract.observation_size)).all()
    told = np.arange(contract.observation_size) >= contract.observation_size - len(STRENGTH_GROUPS)
    assert told[index[told]].all() and (index[told] != np.flatnonzero(told)).all()


def test_the_two_trainings_for_patients_differ_in_what_is_told():
    finds_out, told = load_exo_config("exo_impaired"), load_exo_config("exo_impaired", "exo_told")
    assert told.tells_strengths and told.reward.overload > 0.0 == finds_out.reward.overload
    assert told.model_copy(update={"tells_strengths": False, "reward": finds_out.reward}) == finds_out
    assert finds_out.people.impairments.share > 0.5 and not finds_out.plantarflexion_only
    assert not any(term.name == STRENGTHS for term in finds_out.contract(("hip_flexion_r",)).observation)


def test_a_training_of_before_an_option_was_there_goes_on(tmp_path, small):
    config = load_exo_config(small).model_dump(mode="json")
    old = {name: value for name, value in config.items() if name not in ("wearer", "symmetric", "tells_strengths")}
    old["stages"] = [{k: v for k, v in stage.items() if k != "minutes"} for stage in old["stages"]]
    old["habits"] = old.pop("motor_adaptation")  # its former name
    old["reward"] = {k: v for k, v in old["reward"].items() if k != "largest_power_w_kg"}
    (tmp_path / "config.json").write_text(json.dumps({"config": old, "seed": 1}))
    refuse_another_training(tmp_path, {"config": config, "seed": 1})
    with pytest.raises(SimError, match="symmetric"):
        refuse_another_training(tmp_path, {"config": {**config, "symmetric": False}, "seed": 1})


def test_bad_input_is_one_line(tmp_path, small, capsys):
    shipped = shipped_checkpoint(find_device("hip_ankle").joint_names)
    assert main(["--subject", "nobody", "--exo", str(shipped), "--output", str(tmp_path / "a")]) == 2
    assert fit(tmp_path, small, "/nowhere/exo") == 2
    assert fit(tmp_path, small, shipped, "--device", "hip_ankle", "--minutes", "0") == 2
    assert fit(tmp_path, small, shipped, "--device", "hip") == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 4 and "nobody" in lines[0] and "/nowhere/exo" in lines[1] and "--minutes" in lines[2]
