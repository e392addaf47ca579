# SPDX-License-Identifier: Apache-2.0
import csv

import numpy as np
import pytest
import torch
import yaml

from exo_lab.rl.workers import SamplingPolicy
from exo_lab.train.nerves.command import main
from exo_lab.train.nerves.config import PriceConfig, load_nerves_config
from exo_lab.train.nerves.env import REWARD_TERMS, NervesEnv
from exo_lab.train.nerves.imitation import STATE_FILE, Memory, Student
from exo_lab.train.nerves.reinforcement import CorrelatedGaussian, RisingPrice
from exo_policy.checkpoint import load_checkpoint
from exo_policy.manifest import NetworkSpec
from exo_policy.networks import MlpPolicy
from exo_sim.errors import SimError
from exo_sim.human.checkpoint import NERVES_KIND, load_any_human

SMALL = {
    "workers": 1,
    "wearers": {"none": 3, "hip_ankle": 3},
    "episode_s": 2.0,
    "samples": 300,
    "people": {"bodies": 1, "impairments": {"share": 0.0}},
    "imitation": {
        "hidden_layers": [32],
        "rounds": 6,
        "round_steps": 40,
        "teacher_rounds": 1000,  # states of somebody who walks: a network this small would be labelled in falling
        "batch": 256,
        "batches": 60,
        "learning_rate": 3e-3,
        "check_every_rounds": 100,
    },
    "reinforcement": {"init_warm_up": 1, "ppo": {"steps_per_iteration": 16, "epochs": 1, "mini_batches": 2}},
}


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(SMALL))
    return path


def rows(file):
    with file.open(newline="") as stream:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(stream)]


def test_exploration_is_drawn_and_judged_with_its_correlations():
    torch.manual_seed(0)
    distribution = CorrelatedGaussian(3, 0.1)
    factor = torch.tensor([[0.2, 0.0, 0.0], [0.1, 0.1, 0.0], [-0.1, 0.05, 0.3]])
    distribution.set_factor(factor)
    mean, action = torch.randn(5, 3), torch.randn(5, 3)
    distribution.update(mean)
    exact = torch.distributions.MultivariateNormal(mean, scale_tril=factor)
    shift = (distribution.log_prob(action) - exact.log_prob(action)).detach()
    assert shift == pytest.approx(float(shift[0]), abs=1e-4)  # a constant, which ratios do not see
    other = torch.distributions.MultivariateNormal(mean + 0.1, scale_tril=factor)
    expected = torch.distributions.kl_divergence(exact, other)
    assert distribution.kl_divergence((mean,), (mean + 0.1,)) == pytest.approx(expected, abs=1e-5)
    noise = np.random.default_rng(0).standard_normal((20_000, 3)).astype(np.float32)
    policy = SamplingPolicy(np.zeros(1), np.ones(1), (), factor.numpy())
    assert np.cov(policy.deviation(noise).T) == pytest.approx((factor @ factor.T).numpy(), abs=3e-3)
    independent = SamplingPolicy(np.zeros(1), np.ones(1), (), np.array([1.0, 2.0, 3.0]))
    assert independent.deviation(noise[:1])[0] == pytest.approx(noise[0] * [1, 2, 3])


def test_the_price_rises_only_while_nobody_falls():
    config = PriceConfig(first=0.1, last=0.5, rise_samples=1000, rise_from=0.9, fall_below=0.8)
    price = RisingPrice(config, episode_s=10.0)
    assert price(0, 0.0) == {"price": 0.1}
    assert price(500, 9.5)["price"] == pytest.approx(0.3)
    assert price(600, 8.5)["price"] == pytest.approx(0.3)  # neither well nor badly: it waits
    assert price(700, 5.0)["price"] == pytest.approx(0.26)
    resumed = RisingPrice(config, episode_s=10.0)
    resumed.resume({"price": 0.26})
    assert resumed(700, 9.5)["price"] == pytest.approx(0.26) and resumed(5000, 9.5)["price"] == 0.5


def test_a_student_is_the_network_that_its_checkpoint_is():
    torch.manual_seed(0)
    student = Student((16,))
    student.mean.normal_()
    student.deviation.uniform_(0.5, 2.0)
    x = torch.randn(4, student.sizes[0])
    policy = MlpPolicy(NetworkSpec(sizes=student.sizes, observation_clip=None), student.tensors())
    assert policy(x.numpy()) == pytest.approx(student(x).detach().numpy(), abs=1e-5)


def test_a_step_is_paid_by_named_terms(small):
    env = NervesEnv(load_nerves_config(small), 0, seed=1)
    first = env.reset()
    assert first.observation.shape == (6, env.observation_size) and np.isfinite(first.observation).all()
    env.configure({"price": 0.3})
    for _ in range(4):
        result = env.step(np.full((6, env.action_size), 0.05, dtype=np.float32))
    assert {f"nerves_{name}" for name in REWARD_TERMS} <= set(result.metrics)
    assert result.metrics["price"] == 0.3 and 1.0 < result.metrics["power_w_kg"] < 30.0
    beyond = env.step(np.full((6, env.action_size), -0.5, dtype=np.float32))
    assert beyond.metrics["nerves_beyond"] == pytest.approx(-0.02 * 80 * 0.25)


@pytest.mark.slow
def test_imitation_learns_goes_on_after_a_kill_and_reinforcement_begins_from_it(small, tmp_path, capsys):
    run = tmp_path / "run"
    few = tmp_path / "few.yaml"
    few.write_text(yaml.safe_dump({"check_every": 1}))
    with pytest.raises(SystemExit):
        main(["--stage", "nothing"])
    assert main(["--config", str(few), "--output", str(run)]) == 2 and "check_every" in capsys.readouterr().err
    # as after a kill: three of six rounds
    from exo_lab.rl.workers import WorkerPool
    from exo_lab.train.nerves.env import NervesEnvFactory
    from exo_lab.train.nerves.imitation import Imitation

    config = load_nerves_config(small)
    pool = WorkerPool(NervesEnvFactory(config), 1, 1)
    try:
        begun = Imitation(pool, config.imitation, run / "imitation", 1, lambda student, row: None)
        for _ in range(3):
            begun._round()
    finally:
        pool.close()
    (run / "imitation" / "rounds" / "000003.partial").write_bytes(b"half of a round")
    assert len(Memory(run / "imitation" / "rounds", 10_000)) == 3 * 40 * 6
    command = ["--config", str(small), "--output", str(run), "--stage", "imitation"]
    assert main(command) == 0
    metrics = rows(run / "imitation" / "imitation.csv")
    assert [row["round"] for row in metrics] == [1, 2, 3, 4, 5, 6]
    assert metrics[-1]["samples"] == 6 * 40 * 6
    for name in (
        "fit_rmse",
        "wanted_rmse",
    ):  # it learns, and had not forgotten; the second is measured before it is learned from
        assert metrics[-1][name] < 0.7 * metrics[1][name], name
    assert (run / "imitation" / STATE_FILE).exists() and not list((run / "imitation" / "rounds").glob("*.safetensors"))
    _, manifest = load_checkpoint(run / "imitation" / "best", kind=NERVES_KIND)
    assert manifest.training.seed == 1 and manifest.training.samples == 6 * 40 * 6

    command = ["--config", str(small), "--output", str(run)]
    assert main(command) == 0 and "complete" in capsys.readouterr().out
    learned = rows(run / "reinforcement" / "metrics.csv")
    assert learned[-1]["samples"] >= 300 and {"price", "loss_anchor", "nerves_metabolic"} <= set(learned[0])
    assert learned[-1]["loss_anchor"] < 0.05  # it has not left the imitating network
    assert main([*command, "--samples", "500"]) == 0  # goes on
    assert rows(run / "reinforcement" / "metrics.csv")[-1]["samples"] >= 500
    human = load_any_human(run / "reinforcement" / "best")
    assert human.kind == NERVES_KIND
    assert main([*command, "--seed", "2"]) == 2 and "another training" in capsys.readouterr().err


def test_a_sense_that_is_not_there_cannot_be_noisy(tmp_path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(yaml.safe_dump({"disturbance": {"sense_noise": {"torque": 1.0}}}))
    with pytest.raises(SimError, match="no sense torque"):
        load_nerves_config(wrong)
