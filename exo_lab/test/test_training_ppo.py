# SPDX-License-Identifier: Apache-2.0
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from exo_lab.rl.config import PpoConfig
from exo_lab.rl.env import MirrorMap
from exo_lab.rl.ppo import OBSERVATION_GROUP, LearnerView, build_ppo, tensor_sizes
from exo_lab.rl.runner import load_state, save_state
from exo_lab.rl.workers import WorkerDied, WorkerError, WorkerPool
from exo_policy.checkpoint import CheckpointError
from exo_policy.manifest import NetworkSpec
from exo_policy.networks import MlpPolicy

# worker processes import it by name, which a test module in importlib mode does not have
sys.path.insert(0, str(Path(__file__).parent))
import reach_env

MIRROR = MirrorMap((1, 0, 2), (1.0, 1.0, -1.0), (1, 0), (1.0, 1.0))
CONFIG = PpoConfig(hidden_layers=(16, 8), steps_per_iteration=32, epochs=2, mini_batches=2)


class _Alone(LearnerView):
    """Environments with a single learner, which steps them itself."""

    def __init__(self, env):
        self.env = env
        super().__init__(env.reset(), env.action_size, max_episode_steps=100)

    def step(self, actions):
        return self.record(self.env.step(actions.numpy()))


def train(algorithm, env, iterations, config=CONFIG):
    observation = env.get_observations()
    rewards = []
    for _ in range(iterations):
        total = 0.0
        with torch.inference_mode():
            for _ in range(CONFIG.steps_per_iteration):
                observation, reward, done, extras = env.step(algorithm.act(observation))
                algorithm.process_env_step(observation, reward, done, extras)
                total += float(reward.mean())
            algorithm.compute_returns(observation)
        algorithm.learn()
        rewards.append(total / CONFIG.steps_per_iteration)
    return rewards


@pytest.mark.parametrize("mirror, privileged", [(MIRROR, False), (None, False), (MIRROR, True)])
def test_learns_and_exports_the_network_that_it_trained(mirror, privileged):
    torch.manual_seed(0)
    env = _Alone(reach_env.ReachEnv(privileged=privileged))
    algorithm = build_ppo(env, CONFIG, mirror)
    rewards = train(algorithm, env, 60)
    assert np.mean(rewards[-5:]) > 0.5 * np.mean(rewards[:3])  # rewards are negative: the error halves
    tensors = algorithm.policy_tensors()
    network = MlpPolicy(NetworkSpec(sizes=tensor_sizes(tensors), observation_clip=None), tensors)
    observation = env.get_observations()
    expected = algorithm.get_policy()(observation).detach().numpy()
    given = observation[OBSERVATION_GROUP].numpy()
    assert network(given) == pytest.approx(expected, abs=1e-4)
    if mirror:
        mirrored = given[:, list(mirror.observation_index)] * np.array(mirror.observation_sign, np.float32)
        assert network(mirrored) == pytest.approx(network(given)[:, list(mirror.action_index)], abs=1e-4)


@pytest.mark.parametrize("mirror", [MIRROR, None])
def test_policy_can_start_from_an_exported_network(mirror):
    torch.manual_seed(1)
    env = _Alone(reach_env.ReachEnv())
    trained = build_ppo(env, CONFIG, mirror)
    train(trained, env, 3)
    fresh = build_ppo(env, CONFIG, mirror)
    fresh.load_policy(trained.policy_tensors())
    observation = env.get_observations()
    expected = trained.get_policy()(observation).detach().numpy()
    assert fresh.get_policy()(observation).detach().numpy() == pytest.approx(expected, abs=1e-3)


def test_state_survives_saving_and_loading(tmp_path):
    torch.manual_seed(2)
    env = _Alone(reach_env.ReachEnv())
    algorithm = build_ppo(env, CONFIG, MIRROR)
    train(algorithm, env, 3)
    save_state(tmp_path / "state.safetensors", algorithm, {"samples": 7})
    twin = build_ppo(env, CONFIG, MIRROR)
    assert load_state(tmp_path / "state.safetensors", twin)["samples"] == 7
    for a, b in zip(algorithm.actor.parameters(), twin.actor.parameters(), strict=False):
        assert torch.equal(a, b)
    first, second = (x.optimizer.state_dict()["state"][0]["exp_avg"] for x in (algorithm, twin))
    assert torch.equal(first, second) and twin.learning_rate == algorithm.learning_rate


def test_a_training_that_diverged_leaves_the_state_of_before(tmp_path):
    torch.manual_seed(2)
    algorithm = build_ppo(_Alone(reach_env.ReachEnv()), CONFIG, MIRROR)
    file = tmp_path / "state.safetensors"
    save_state(file, algorithm, {"samples": 7})
    before = file.read_bytes()
    with torch.no_grad():
        next(iter(algorithm.critic.parameters())).view(-1)[0] = float("nan")
    with pytest.raises(CheckpointError, match="diverged.*the state of before is whole"):
        save_state(file, algorithm, {"samples": 8})
    assert file.read_bytes() == before


def test_critic_with_a_learning_rate_of_its_own_keeps_it(tmp_path):
    torch.manual_seed(3)
    env = _Alone(reach_env.ReachEnv())
    config = CONFIG.model_copy(update={"critic_learning_rate": 0.004, "desired_kl": 1e-6})
    algorithm = build_ppo(env, config, MIRROR)
    train(algorithm, env, 3, config)  # far more divergence than asked for: smaller steps
    save_state(tmp_path / "state.safetensors", algorithm, {})
    twin = build_ppo(env, config, MIRROR)
    load_state(tmp_path / "state.safetensors", twin)
    for each in (algorithm, twin):
        actor, critic = each.optimizer.param_groups
        assert actor["lr"] == each.learning_rate < config.learning_rate and critic["lr"] == 0.004
    counted = [p for group in algorithm.optimizer.param_groups for p in group["params"]]
    assert len(counted) == len(list(algorithm.actor.parameters())) + len(list(algorithm.critic.parameters()))


def test_saved_policy_is_the_mean_over_the_last_iterations(tmp_path):
    torch.manual_seed(4)
    env = _Alone(reach_env.ReachEnv())
    config = CONFIG.model_copy(update={"averaged_iterations": 2})
    algorithm = build_ppo(env, config, None)
    bias = [layer for layer in algorithm.actor.mlp if isinstance(layer, torch.nn.Linear)][-1].bias
    for value in (1.0, 3.0, 8.0):  # means over about two: 1, then 2, then half way to 8
        bias.data.fill_(value)
        algorithm.average.update()
    name = max(name for name in algorithm.policy_tensors() if name.endswith(".bias"))
    assert algorithm.policy_tensors()[name] == pytest.approx(5.0) and float(bias.detach()[0]) == 8.0
    save_state(tmp_path / "state.safetensors", algorithm, {})
    twin = build_ppo(env, config, None)
    load_state(tmp_path / "state.safetensors", twin)
    assert twin.policy_tensors()[name] == pytest.approx(5.0)
    twin.load_policy(algorithm.policy_tensors())  # begins anew with the mean
    twin.average.update()
    assert twin.policy_tensors()[name] == pytest.approx(5.0)


def test_a_worker_that_the_system_killed_is_one_line():
    pool = WorkerPool(reach_env.make_env, 2, seed=1)
    try:
        pool._processes[0].kill()
        pool._processes[0].join()
        with pytest.raises(WorkerDied, match="worker 0 died without a word"):
            pool.step(np.zeros((16, 2), np.float32))
    finally:
        pool.close()


def test_workers_join_their_batches_and_their_errors_arrive():
    pool = WorkerPool(reach_env.make_env, 2, seed=1)
    try:
        assert pool.count == 16 and pool.reset().observation.shape == (16, 3)
        result = pool.step(np.zeros((16, 2), np.float32))
        assert result.reward.shape == (16,) and result.metrics == {"x": 1.0}
        assert not np.array_equal(result.observation[:8], result.observation[8:])  # seeds differ
        with pytest.raises(WorkerError, match="broken on purpose"):
            pool.configure({"break": True})
    finally:
        pool.close()
