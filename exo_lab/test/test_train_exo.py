# SPDX-License-Identifier: Apache-2.0
import dataclasses
import json
from itertools import pairwise

import numpy as np
import pytest
import yaml
from safetensors import safe_open

from exo_device.devices import find_device, without_weight
from exo_lab.train import check, rewards
from exo_lab.train.exo_config import StageConfig, load_exo_config
from exo_lab.train.exo_env import CarryingEnv, ExoEnv, PairEnv
from exo_lab.train.learners import exo_mirror, human_learner, is_doubled
from exo_lab.train.stages import StageInputs, initial_weights
from exo_lab.train.train_exo import main
from exo_policy.checkpoint import load_checkpoint
from exo_policy.controllers import make_controller
from exo_policy.observation import DeviceObservation, exo_contract
from exo_sim.body.model import build_body
from exo_sim.body.subject import Subject
from exo_sim.human.checkpoint import shipped_human

SMALL = {
    "envs_per_worker": 2,
    "workers": 1,
    "people": {"bodies": 2},
    "human_warm_up": 1,
    "ppo": {"steps_per_iteration": 16, "epochs": 1, "mini_batches": 2, "hidden_layers": [16, 16]},
    "human_ppo": {"epochs": 1, "mini_batches": 2},
}
ITERATION = 16 * 2


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    file = tmp_path_factory.mktemp("config") / "small.yaml"
    file.write_text(yaml.safe_dump({**SMALL, "envs_per_worker": 4}))
    return load_exo_config(file)


@pytest.fixture(scope="module")
def env(config):
    return ExoEnv(config, find_device("hip_ankle"), None, seed=2)


@pytest.fixture
def short_check(monkeypatch):
    monkeypatch.setattr(check, "STAGE_DURATION_S", 0.3)
    monkeypatch.setattr(check, "STAGE_SETTLE_S", 0.1)
    monkeypatch.setattr(check, "STAGE_WALKS", 1)


def test_different_people_walk_and_are_sensed(env):
    result = env.reset()
    assert result.observation.shape == (4, env.observation_size)
    masses = result.observation[:, -5] * 100.0
    assert len(set(masses.round(2))) == 4 and ((45.0 < masses) & (masses < 120.0)).all()
    assert len(np.unique(result.privileged[:, -5])) == 4  # everybody's motors have another delay
    for _ in range(40):
        result = env.step(np.zeros((4, 4)))
        assert np.isfinite(result.observation).all() and np.isfinite(result.privileged).all()
    assert 2.0 < result.metrics["metabolic_w_kg"] < 25.0


def with_limits(config, **limits):
    return config.model_copy(update={"limits": config.limits.model_copy(update=limits)})


def test_torque_reaches_the_joint_after_its_delay_and_costs(config):
    env = ExoEnv(with_limits(config, already_walking=1.0, heat=(0.0, 0.0)), find_device("hip_ankle"), None, seed=2)
    env.reset()
    idle = env.step(np.zeros((4, 4))).reward
    env.reset()
    push = np.tile([0.0, -1.0, 0.0, -1.0], (4, 1))
    ankle = [1, 3]
    seen = []
    for _ in range(18):
        result = env.step(push)
        seen.append(np.abs(result.observation[:, -5 - 4 : -5][:, ankle]).mean())  # newest torque shares
    assert seen[0] < 0.2 < 0.5 < seen[-1] and result.metrics["at_limit"] > 0.0
    assert np.isfinite(idle).all()


def test_a_policy_that_is_told_who_is_weak_is_judged_by_how_near_to_their_limits_muscles_work(config):
    patients = config.model_copy(update={"reward": load_exo_config("exo_told").reward})
    env = ExoEnv(patients, find_device("hip"), None, seed=5)
    env.reset()
    step = env._period(np.zeros((4, 2)), None)
    activation = env._crowd.walkers._gathered["act"]()[:, :80]
    assert step.overload == pytest.approx((activation**4).mean(axis=1)) and (step.overload > 0.0).all()
    easier = dataclasses.replace(step, overload=step.overload - 0.001)
    assert env._device_reward(easier) - env._device_reward(step) == pytest.approx(0.2, rel=1e-3)
    usual = ExoEnv(config, find_device("hip"), None, seed=5)
    assert usual._device_reward(easier) == pytest.approx(usual._device_reward(step))


def test_ankle_is_only_ever_pushed_into_plantarflexion(env):
    env.reset()
    for _ in range(10):
        result = env.step(np.tile([0.0, 1.0, 0.0, 1.0], (4, 1)))
    assert result.metrics["torque_share"] == 0.0


def test_human_that_adapts_is_judged_once_in_its_own_period_and_pays_for_walking_badly(config):
    free = config.model_copy(update={"human_reward": config.human_reward.model_copy(update={"metabolic": 0.0})})
    env = PairEnv(free, find_device("hip"), None, seed=3)
    first = env.reset()
    assert first.partner.observation.shape == (4, env._crowd.human.input_size) and env.action_size == 2 + 14

    def rewards(offset):
        env.reset()
        collected = []
        for _ in range(20):
            human = env._crowd.human(env._crowd.walkers.observe()) + offset
            for _ in range(2):
                result = env.step(np.concatenate([np.zeros((4, 2)), human], axis=1))
                collected.append(result.partner.reward.mean())
        return np.array(collected)

    usual, odd = rewards(0.0), rewards(0.6)
    assert (usual[0::2] == 0.0).all() and usual[1::2].min() > 1.0  # the walking counts at the end of the human's period
    assert odd[1::2].mean() < usual[1::2].mean() - 0.3


def test_human_that_adapts_pays_for_what_walking_costs(config):
    dear = config.model_copy(update={"human_reward": config.human_reward.model_copy(update={"walking": 0.0})})
    env = CarryingEnv(dear, find_device("hip"), None, seed=5)
    env.reset()
    step = env._period(np.zeros((4, 2)), None)
    cheap = dataclasses.replace(step, power=step.power - 1.0)
    assert env._human_reward(cheap) - env._human_reward(step) == pytest.approx(config.human_reward.metabolic, rel=1e-3)


def test_pushes_and_erring_senses_only_where_the_human_learns(config):
    env = CarryingEnv(config, find_device("hip"), None, seed=9)
    result = env.reset()
    assert not np.array_equal(result.observation, env._crowd.walkers.observe())
    pelvis = env._crowd.walkers.body.model.body("pelvis").id

    def pushed():
        return any(data.xfrc_applied[pelvis].any() for data in env._crowd.walkers.datas)

    states = set()
    while len(states) < 2 and env._crowd._blocks < 2000:  # 20 s of four people
        result = env.step(env._crowd.human(result.observation))
        states.add(pushed())
    assert states == {False, True}
    assert ExoEnv(config, find_device("hip"), None, seed=9)._wearer is None


def test_carrying_the_device_it_gives_no_torque(config):
    env = CarryingEnv(config, find_device("ankle"), None, seed=4)
    result = env.reset()
    assert result.observation.shape == (4, env.observation_size)
    result = env.step(env._crowd.human(result.observation))
    assert result.metrics["torque_share"] == 0.0 and np.isfinite(result.reward).all()


def test_who_is_flung_off_the_commanded_speed_has_fallen(config):
    env = CarryingEnv(config, find_device("hip"), None, seed=6)
    env.reset()
    env._mean_speed_error[2] = 1.5
    assert env._period(np.zeros((4, 2)), None).terminated.tolist() == [False, False, True, False]


def test_without_weight_nothing_of_an_idle_device_is_left(config):
    device = find_device("hip_ankle")
    worn, idle, bare = (build_body(Subject(), d, 300.0) for d in (device, without_weight(device), None))
    assert idle.model.body_mass.sum() == pytest.approx(bare.model.body_mass.sum(), rel=1e-12)
    assert np.allclose(idle.model.dof_armature, bare.model.dof_armature)
    assert worn.model.body_mass.sum() > idle.model.body_mass.sum() + 1.0


def test_mirror_map_of_a_bilateral_device_and_none_for_one_side():
    contract = exo_contract(find_device("hip_ankle").joint_names)
    mirror = exo_mirror(contract)
    index = np.array(mirror.observation_index)
    assert (index[index] == np.arange(contract.observation_size)).all() and mirror.action_index == (2, 3, 0, 1)
    assert exo_mirror(exo_contract(find_device("hip_ankle_right").joint_names)) is None


def test_human_learner_is_the_human_that_is_given(config):
    tensors, manifest = load_checkpoint(shipped_human(), kind="human")
    assert is_doubled(tensors)
    symmetric, free = (human_learner(shipped_human(), config, symmetric=s) for s in (True, False))
    assert symmetric.config.hidden_layers == tuple(size // 2 for size in manifest.network.sizes[1:-1])
    assert free.mirror is None and free.config.hidden_layers == manifest.network.sizes[1:-1]


def run(tmp_path, device, *arguments, stages=None):
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump({**SMALL, **({"stages": stages} if stages else {})}))
    return main(["--config", str(file), "--device", device, "--output", str(tmp_path / "run"), *arguments])


def critic_weights(state, prefix):
    with safe_open(str(state), framework="np") as file:
        return file.get_tensor(f"{prefix}critic.mlp.0.weight")


def test_stages_follow_each_other_and_a_finished_one_is_not_done_again(tmp_path, short_check, capsys):
    assert run(tmp_path, "hip_ankle", "--samples", str(ITERATION), "--until", "carrying") == 0
    folder = tmp_path / "run"
    done = (folder / "2_carrying" / "stage.json").stat().st_mtime_ns
    assert not (folder / "result.json").exists()
    assert run(tmp_path, "hip_ankle", "--samples", str(ITERATION)) == 0
    assert (folder / "2_carrying" / "stage.json").stat().st_mtime_ns == done
    result = json.loads((folder / "result.json").read_text())
    assert result["checkpoint"] == "4_together/hip_ankle"
    assert set(result["humans"]) == {"no_device", "unpowered", "learned"}
    for stage in ("1_human", "2_carrying", "3_assistance", "4_together"):
        _, human = load_checkpoint(folder / stage / "human", kind="human")
        record = json.loads((folder / stage / "stage.json").read_text())
        assert record["seed"] == 1 and record["git_revision"] and record["check"]["falls"] == 0
    _, device = load_checkpoint(folder / "4_together" / "hip_ankle", kind="exo")
    assert device.training.samples == ITERATION and device.training.config["began_with_sha256"]["human"]
    # the wearer's critic is handed on from stage to stage; another one would begin with other random weights
    critics = [
        critic_weights(folder / stage / "state.safetensors", prefix)
        for stage, prefix in (("1_human", ""), ("2_carrying", ""), ("4_together", "partner."))
    ]
    assert all(0.0 < np.abs(later - first).max() < 0.02 for first, later in pairwise(critics))
    # another training must not go on in this folder
    assert run(tmp_path, "hip", "--samples", str(ITERATION)) == 2
    assert "holds another training" in capsys.readouterr().err


@pytest.mark.parametrize("device", ["hip", "ankle", "hip_ankle_right"])
def test_other_devices_train_from_their_yaml_alone(tmp_path, short_check, device):
    stages = [{"name": "assistance", "learns": ["exo"], "samples": 2 * ITERATION}]
    assert run(tmp_path, device, stages=stages) == 0
    joints = find_device(device).joint_names
    controller = make_controller(
        "learned",
        joint_names=joints,
        wearer_mass=75.0,
        torque_limit=[20.0] * len(joints),
        checkpoint=str(tmp_path / "run" / "1_assistance" / device),
    )
    zero = np.zeros(len(joints))
    torque = controller.update(
        DeviceObservation(
            0.0, joints, zero, zero, zero, np.array([0.0, 0.0, 0.0, 1.0]), np.zeros(3), np.array([0.0, 0.0, 9.81])
        )
    )
    assert torque.shape == zero.shape and np.isfinite(torque).all()


def test_bad_input_is_one_line(tmp_path, capsys):
    assert main(["--device", "none", "--output", str(tmp_path / "a")]) == 2
    assert main(["--device", "hip", "--human", "/nowhere/human", "--output", str(tmp_path / "b")]) == 2
    assert main(["--until", "dinner", "--output", str(tmp_path / "c")]) == 2
    nobody = [{"name": "human", "learns": []}]
    assert run(tmp_path, "hip", stages=nobody) == 2
    in_the_cupboard = [{"name": "assistance", "learns": ["exo"], "samples": 10, "worn": False}]
    assert run(tmp_path, "hip", stages=in_the_cupboard) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 5 and "no policy to train" in lines[0] and "/nowhere/human" in lines[1]
    assert "carrying" in lines[2] and "no stage trains" in lines[3] and "worn" in lines[4]


def test_people_stop_and_stand_too(config):
    env = ExoEnv(
        config.model_copy(update={"stop_share": 1.0, "speed_change_s": 0.02}), find_device("hip"), None, seed=7
    )
    env.reset()
    assert (env._crowd.walkers.speed_command == 0.0).all()
    for _ in range(30):
        result = env.step(np.zeros((4, 2)))
    assert not result.terminated.any() and (env._crowd.walkers.speed_command == 0.0).all()


def test_a_period_of_both_learners_logs_every_term_of_both_rewards(config):
    env = PairEnv(config, find_device("hip"), None, seed=8)
    env.reset()
    human = env._crowd.human(env._crowd.walkers.observe())
    result = env.step(np.concatenate([np.full((4, 2), 0.5), human], axis=1))
    logged = {f"reward_{name}" for name in rewards.DEVICE_TERMS} | {f"wearer_reward_{n}" for n in rewards.WEARER_TERMS}
    assert logged <= set(result.metrics) and np.isfinite(list(result.metrics.values())).all()
    assert sum(result.metrics[f"reward_{name}"] for name in rewards.DEVICE_TERMS) == pytest.approx(
        result.reward.mean(), rel=1e-5
    )


def test_a_stage_begins_with_what_the_stages_before_left(tmp_path):
    human, device, state, critic = (tmp_path / name for name in ("human", "device", "state", "critic"))
    before = StageInputs(human, device, device_state=state, human_state=critic)
    both = StageConfig(name="together", learns=("exo", "human"), samples=1)
    assert initial_weights(both, before) == {"exo": (state, device), "human": (critic, human)}
    alone = StageConfig(name="carrying", learns=("human",), samples=1)
    assert initial_weights(alone, before) == {"human": (critic, human)}
    first = StageConfig(name="assistance", learns=("exo",), samples=1)
    assert initial_weights(first, StageInputs(human)) == {"exo": (None, None)}
