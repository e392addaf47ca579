# SPDX-License-Identifier: Apache-2.0
"""The benchmarks, made small."""

import json
import os

import numpy as np
import pytest

from benchmarks import policy_speed
from benchmarks.step_size import GaitFigures, main, table
from benchmarks.training_speed import env_step_profile, physics_profile
from exo_lab.train.config import load_training_config


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


def test_measures_answers_and_leaves_the_process_on_all_its_cores(capsys):
    before = os.sched_getaffinity(0)
    assert policy_speed.main(["--answers", "100", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["answers"] == 100 and 0.0 < figures["median_s"] <= figures["p99_s"] <= figures["longest_s"]
    assert figures["processor_p99_s"] > 0.0 and os.sched_getaffinity(0) == before


def test_wrong_input_of_the_policy_benchmark_is_one_line(capsys):
    assert policy_speed.main(["--answers", "3"]) == 2 and policy_speed.main(["--checkpoint", "/nowhere/p"]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 2 and "--answers" in lines[0] and "/nowhere/p" in lines[1]
