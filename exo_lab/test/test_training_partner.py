# SPDX-License-Identifier: Apache-2.0
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from exo_lab.rl.config import PpoConfig
from exo_lab.rl.env import StepResult
from exo_lab.rl.ppo import LearnerView, tensor_sizes
from exo_lab.rl.runner import Learner, Partner, Trainer
from exo_lab.rl.workers import WorkerPool
from exo_policy.manifest import NetworkSpec
from exo_policy.networks import MlpPolicy

sys.path.insert(0, str(Path(__file__).parent))
import reach_env

CONFIG = PpoConfig(hidden_layers=(16, 8), steps_per_iteration=32, epochs=2, mini_batches=2)
HALF = CONFIG.model_copy(update={"steps_per_iteration": 16})
ITERATION = 32 * reach_env.PairEnv.count


def make_trainer(folder, pool, warm_up=0):
    return Trainer(
        pool,
        CONFIG,
        None,
        max_episode_steps=100,
        folder=folder,
        seed=1,
        on_save=lambda algorithm, row: None,
        partner=Partner(HALF, None, 1, period=2, warm_up=warm_up),
    )


def partner_answer(trainer):
    tensors = trainer.partner_algorithm.policy_tensors()
    network = MlpPolicy(NetworkSpec(sizes=tensor_sizes(tensors), observation_clip=None), tensors)
    return float(network(np.full((1, 3), 0.3, np.float32))[0, 0])


def test_both_learn_and_a_killed_pair_goes_on(tmp_path):
    pool = WorkerPool(reach_env.make_pair, 1, seed=1)
    try:
        first = make_trainer(tmp_path, pool)
        first.run(40 * ITERATION)
        assert partner_answer(first) == pytest.approx(0.5, abs=0.25)
        again = make_trainer(tmp_path, pool)
        assert again.samples == 40 * ITERATION and partner_answer(again) == partner_answer(first)
        for a, b in zip(first.algorithm.actor.parameters(), again.algorithm.actor.parameters(), strict=False):
            assert torch.equal(a, b)
    finally:
        pool.close()


def test_while_it_warms_up_only_the_partners_critic_learns(tmp_path):
    pool = WorkerPool(reach_env.make_pair, 1, seed=1)
    try:
        trainer = make_trainer(tmp_path, pool, warm_up=2)
        weights = [p.clone() for p in trainer.partner_algorithm.actor.mlp.parameters()]
        values = [p.clone() for p in trainer.partner_algorithm.critic.mlp.parameters()]
        trainer.run(2 * ITERATION)
        assert all(
            torch.equal(a, b) for a, b in zip(weights, trainer.partner_algorithm.actor.mlp.parameters(), strict=False)
        )
        assert not torch.equal(values[0], next(trainer.partner_algorithm.critic.mlp.parameters()))
        trainer.run(3 * ITERATION)
        assert not torch.equal(weights[0], next(trainer.partner_algorithm.actor.mlp.parameters()))
    finally:
        pool.close()


def test_rollouts_of_unequal_length_are_refused(tmp_path):
    pool = WorkerPool(reach_env.make_pair, 1, seed=1)
    try:
        with pytest.raises(ValueError, match="rollout"):
            Trainer(
                pool,
                CONFIG,
                None,
                max_episode_steps=100,
                folder=tmp_path,
                seed=1,
                on_save=lambda algorithm, row: None,
                partner=Partner(CONFIG, None, 1, period=2),
            )
    finally:
        pool.close()


def test_between_its_own_steps_rewards_add_up_until_an_episode_ends():
    def result(reward, terminated):
        return StepResult(
            np.zeros((2, 3), np.float32), np.array(reward, np.float32), np.array(terminated), np.zeros(2, bool)
        )

    view = LearnerView(result([0, 0], [False, False]), 1, 100)
    learner = Learner(view, HALF, None, period=2)
    learner.begin()
    with torch.inference_mode():
        held = learner.act(0)
        learner.record(0, result([1.0, 2.0], [False, True]))
        assert learner.act(1) is held
        learner.record(1, result([10.0, 20.0], [False, False]))
    assert view.last.reward.tolist() == [11.0, 2.0] and view.last.terminated.tolist() == [False, True]
