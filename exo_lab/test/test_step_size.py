# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from exo_lab.evaluate.step_size import GaitFigures, main, table
from exo_lab.evaluate.training_speed import env_step_profile, physics_profile
from exo_lab.train.config import load_training_config
from exo_sim.body.model import build_body
from exo_sim.body.subject import Subject
from exo_sim.human.checkpoint import load_human
from exo_sim.human.observation import NOMINAL_SPEED_MPS
from exo_sim.human.walkers import Walkers

#: Time that trajectories are compared over (s): later, small differences grow as in any walk.
COMPARED_S = 0.3


def short_walk(rate_hz):
    walkers, policy = Walkers([build_body(Subject(), None, rate_hz)]), load_human()
    walkers.place(0, 0.2, NOMINAL_SPEED_MPS)
    angles = []
    for _ in range(round(0.5 * COMPARED_S / walkers.period_s)):
        walkers.set_action(policy(walkers.observe()))
        for _ in range(2):
            walkers.coordinate_and_step()
            angles.append(walkers.state().joint_angle[0])
    return np.rad2deg(angles)


def test_gait_does_not_depend_on_the_step_size_of_the_physics():
    finest = short_walk(1000.0)
    assert np.ptp(finest, axis=0).max() > 15.0  # it walks
    for rate_hz, largest_deg in ((300.0, 1.0), (500.0, 0.5)):
        assert np.sqrt(((short_walk(rate_hz) - finest) ** 2).mean()) < largest_deg


def figures(speed, angle, falls=0):
    return GaitFigures(2, falls, speed, np.full((3, 101), angle), 1.1, 4.0 * speed, np.full(3, 0.2))


def test_the_table_tells_differences_from_the_finest_rate():
    lines = table({1000.0: figures(1.25, 10.0), 300.0: figures(1.26, 10.5, falls=1)})
    assert len(lines) == 4
    assert "| 300 | 1 of 2 | 1.260 (+0.010) | 0.50, 0.50, 0.50 |" in lines[2] and "(+0.8 %)" in lines[2]
    assert "| 1000 | 0 of 2 | 1.250 (+0.000) | seeds spread by 0.20, 0.20, 0.20 |" in lines[3]


def test_wrong_input_is_said_in_one_line(capsys):
    assert main(["--rates", "130", "--duration", "5", "--seeds", "1", "--workers", "1"]) == 2
    assert "200 and 2000" in capsys.readouterr().err.splitlines()[-1]
    with pytest.raises(SystemExit):
        main(["--duration", "2"])


def test_profiles_add_up():
    config = load_training_config(None).model_copy(update={"envs_per_worker": 2})
    times = env_step_profile(config, "none", 3)
    assert sum(value for name, value in times.items() if name != "environment step") == pytest.approx(
        times["environment step"]
    )
    stages = physics_profile(config, "none")
    assert {"mj_step", "mj_fwdConstraint", "muscle paths (instead of it)"} <= set(stages)
    assert "mj_Euler" not in stages
