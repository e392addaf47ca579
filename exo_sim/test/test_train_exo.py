# SPDX-License-Identifier: Apache-2.0
import json

import numpy as np
import pytest
import yaml
from exo_policy.checkpoint import load_checkpoint
from exo_policy.controllers import make_controller
from exo_policy.observation import DeviceObservation, exo_contract

from exo_sim.body.devices import find_device
from exo_sim.training.exo_config import load_exo_config
from exo_sim.training.exo_env import ExoEnv
from exo_sim.training.exo_mirror import exo_mirror
from exo_sim.training.train_exo import main

SMALL = {"envs_per_body": 2, "bodies_per_worker": 2, "workers": 1,
         "ppo": {"steps_per_iteration": 16, "epochs": 1, "mini_batches": 2, "hidden_layers": [16, 16]}}


@pytest.fixture(scope="module")
def env():
    config = load_exo_config(None).model_copy(update={"envs_per_body": 2})
    return ExoEnv(config, find_device("hip_ankle"), None, seed=2)


def test_people_of_two_sizes_walk_and_are_sensed(env):
    result = env.reset()
    assert result.observation.shape == (4, env.observation_size)
    masses = result.observation[:, -5] * 100.0
    assert masses[0] == pytest.approx(75.0, abs=0.1) and masses[2] != pytest.approx(75.0, abs=0.1)
    for _ in range(50):
        result = env.step(np.zeros((4, 4)))
        assert np.isfinite(result.observation).all() and np.isfinite(result.privileged).all()
    assert 2.0 < result.metrics["metabolic_w_kg"] < 20.0


def test_torque_costs_and_reaches_the_joint_after_its_delay(env):
    env.reset()
    idle = env.step(np.zeros((4, 4))).reward
    env.reset()
    for _ in range(12):
        result = env.step(np.tile([0.0, -1.0, 0.0, -1.0], (4, 1)))
    assert result.metrics["torque_share"] > 0.3 and result.metrics["at_limit"] > 0.0
    shares = result.observation[:, -5 - 4:-5]                       # newest torque shares
    assert (shares[:, [1, 3]] < -0.5).all() and np.abs(shares[:, [0, 2]]).max() < 0.1
    assert np.isfinite(idle).all()


def test_ankle_is_only_ever_pushed_into_plantarflexion(env):
    env.reset()
    for _ in range(10):
        result = env.step(np.tile([0.0, 1.0, 0.0, 1.0], (4, 1)))
    assert result.metrics["torque_share"] == 0.0


def test_mirror_map_of_a_bilateral_device_and_none_for_one_side():
    contract = exo_contract(find_device("hip_ankle").joint_names)
    mirror = exo_mirror(contract)
    index = np.array(mirror.observation_index)
    assert (index[index] == np.arange(contract.observation_size)).all() and mirror.action_index == (2, 3, 0, 1)
    assert exo_mirror(exo_contract(find_device("hip_ankle_right").joint_names)) is None


@pytest.mark.parametrize("device", ["hip_ankle", "hip_ankle_right"])
def test_trains_and_its_checkpoint_runs_as_a_controller(tmp_path, device):
    config = tmp_path / "small.yaml"
    config.write_text(yaml.safe_dump(SMALL))
    run = tmp_path / "run"
    assert main(["--config", str(config), "--device", device, "--output", str(run), "--samples", "128"]) == 0
    _, manifest = load_checkpoint(run / device, kind="exo")
    assert manifest.training.samples == 128 and manifest.training.config["human_sha256"]
    assert json.loads((run / "config.json").read_text())["seed"] == 1
    joints = find_device(device).joint_names
    controller = make_controller("learned", joint_names=joints, wearer_mass=75.0,
                                 torque_limit=[20.0] * len(joints), checkpoint=str(run / device))
    zero = np.zeros(len(joints))
    torque = controller.update(DeviceObservation(0.0, joints, zero, zero, zero, np.array([0.0, 0.0, 0.0, 1.0]),
                                                 np.zeros(3), np.array([0.0, 0.0, 9.81])))
    assert torque.shape == zero.shape and np.isfinite(torque).all()


def test_bad_input_is_one_line(tmp_path, capsys):
    assert main(["--device", "none", "--output", str(tmp_path / "a")]) == 2
    assert main(["--device", "hip", "--human", "/nowhere/human", "--output", str(tmp_path / "b")]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 2 and "no policy to train" in lines[0] and "/nowhere/human" in lines[1]
