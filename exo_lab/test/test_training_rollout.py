# SPDX-License-Identifier: Apache-2.0
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from exo_lab.rl.config import PpoConfig
from exo_lab.rl.env import MirrorMap
from exo_lab.rl.ppo import OBSERVATION_GROUP, LearnerView
from exo_lab.rl.runner import Learner
from exo_lab.rl.workers import Collector, WorkerPool

sys.path.insert(0, str(Path(__file__).parent))
import reach_env

MIRROR = MirrorMap((1, 0, 2), (1.0, 1.0, -1.0), (1, 0), (1.0, 1.0))
CONFIG = PpoConfig(hidden_layers=(16, 8), steps_per_iteration=64, epochs=2, mini_batches=2)


class TimedEnv(reach_env.ReachEnv):
    """Some of its episodes run out of time."""

    def _result(self, reward):
        result = super()._result(reward)
        result.truncated = ~result.terminated & (self._random.random(self.count) < 0.1)
        return result


def make_learner(env, mirror=None):
    torch.manual_seed(0)
    learner = Learner(LearnerView(env.reset(), 2, 100), CONFIG, mirror)
    learner.begin()
    normaliser = learner.algorithm.actor.obs_normalizer
    normaliser.update(torch.randn(100, 3) * 3.0 + 1.0)
    return learner


@pytest.mark.parametrize("mirror", [MIRROR, None])
def test_workers_and_learner_have_the_same_policy(mirror):
    env = reach_env.ReachEnv()
    learner = make_learner(env, mirror)
    policy = learner.algorithm.sampling_policy()
    observation = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)
    view = learner.view.show(observation[None], None)
    with torch.no_grad():
        mean = learner.algorithm.actor(view[0]).numpy()
    assert policy.mean(observation) == pytest.approx(mean, abs=1e-5)
    assert policy.mean(observation).dtype == np.float32
    assert policy.std == pytest.approx(CONFIG.initial_std)


@pytest.mark.parametrize("privileged", [False, True])
def test_a_rollout_fills_the_learner_as_its_steps_one_by_one_would(privileged):
    rolled, stepped = (make_learner(TimedEnv(privileged=privileged)) for _ in range(2))
    stepped.algorithm.actor.load_state_dict(rolled.algorithm.actor.state_dict())
    stepped.algorithm.critic.load_state_dict(rolled.algorithm.critic.state_dict())
    collector = Collector(TimedEnv(privileged=privileged), 0)
    collector.reset()
    rollout = collector.rollout(rolled.algorithm.sampling_policy(), 64, seed=3)
    rolled.record_rollout(rollout)
    assert rollout.truncated.any()  # the bootstrap of episodes out of time is among what is compared
    env = TimedEnv(privileged=privileged)
    first = env.reset()
    stepped.view.show(first.observation[None], first.privileged[None] if privileged else None)
    with torch.inference_mode():
        for step in range(64):
            stepped.act(step)
            action = torch.from_numpy(rollout.action[step])
            transition = stepped.algorithm.transition
            transition.actions = action
            transition.actions_log_prob = stepped.algorithm.actor.get_output_log_prob(action)
            stepped.record(step, env.step(rollout.action[step]))
    for learner in (rolled, stepped):
        learner.finish()
    a, b = rolled.algorithm.storage, stepped.algorithm.storage
    assert a.step == b.step
    assert torch.equal(a.observations[OBSERVATION_GROUP], b.observations[OBSERVATION_GROUP])
    for name in ("actions", "actions_log_prob", "values", "rewards", "dones", "returns", "advantages"):
        assert torch.allclose(getattr(a, name).float(), getattr(b, name).float(), atol=2e-5), name
    for mine, theirs in zip(a.distribution_params, b.distribution_params, strict=False):
        assert torch.allclose(mine, theirs, atol=1e-5)


def test_workers_draw_differently_and_repeat_with_the_seed():
    learner = make_learner(reach_env.ReachEnv())
    policy = learner.algorithm.sampling_policy()
    pool = WorkerPool(reach_env.make_env, 2, seed=1)
    try:
        pool.reset()
        one = pool.rollout(policy, 4, seed=5)
        other = pool.rollout(policy, 4, seed=6)
        again = pool.rollout(policy, 4, seed=5)
    finally:
        pool.close()
    half = one.mean.shape[1] // 2
    noise, repeated = one.action - one.mean, again.action - again.mean
    assert one.observation.shape[0] == 5 and noise.std() == pytest.approx(CONFIG.initial_std, rel=0.3)
    assert noise == pytest.approx(repeated, abs=1e-6)
    assert not np.allclose(noise[:, :half], noise[:, half:])
    assert not np.allclose(noise, other.action - other.mean)
