# SPDX-License-Identifier: Apache-2.0
import dataclasses
import json

import numpy as np
import pytest

from exo_device.devices import find_device
from exo_device.safety.limits import LIMITS
from exo_lab.conditions import Policy, find_policy
from exo_lab.evaluate import population
from exo_lab.evaluate.exo import limits_table, main, parser, population_table, walk_tasks
from exo_lab.evaluate.exo_measures import compare_torque
from exo_policy.checkpoint import load_checkpoint, save_checkpoint
from exo_policy.controllers.learned import shipped_checkpoint
from exo_policy.profiles import ANKLE_GENERIC
from exo_sim.body.muscle_groups import main_groups
from exo_sim.errors import SimError
from exo_sim.gait.curves import CurveTable
from exo_sim.measurement import Figure
from exo_sim.world.meters import MotorMeter

SHIPPED = str(shipped_checkpoint(find_device("hip_ankle").joint_names))


def test_four_conditions_and_a_longer_delay_are_walked_and_compared(tmp_path):
    assert (
        main(
            [
                SHIPPED,
                "--device",
                "hip_ankle",
                "--speeds",
                "1.25",
                "--seeds",
                "1",
                "--duration",
                "14.5",
                "--delay-ms",
                "50",
                "--output",
                str(tmp_path),
            ]
        )
        == 0
    )
    summary = json.loads((tmp_path / "summary.json").read_text())
    figures = {figure["name"]: figure["value"] for figure in summary["figures"]}
    for condition in ("no_device", "unpowered", "spline", "learned", "learned:delay 50 ms"):
        assert 3.0 < figures[f"gross_bhargava.{condition}.1.25"] < 12.0
        assert figures[f"net_bhargava.{condition}.1.25"] < figures[f"gross_bhargava.{condition}.1.25"] - 1.2
    groups = sum(
        value
        for name, value in figures.items()
        if name.startswith("group_") and name.endswith(".unpowered.1.25") and "change" not in name
    )
    assert groups == pytest.approx(figures["gross_bhargava.unpowered.1.25"] - 1.2, rel=0.05)
    # the published profiles help, and what helps looks like them
    assert figures["gross_change_bhargava_from_unpowered.spline.1.25"] < 0.0
    assert figures["ankle_profile_r.spline.1.25"] > 0.8
    assert figures["over_limit.learned.1.25"] <= 0.001 and figures["positive_power.spline.1.25"] > 0.0
    # how often each limit of the device takes torque is told for both kinds of joint
    limited = [f"{kind}_limited_by_{limit}.learned.1.25" for kind in ("hip_flexion", "ankle_angle") for limit in LIMITS]
    assert all(0.0 <= figures[name] < 0.5 for name in limited)
    (table,) = limits_table([Figure(name, value, "1") for name, value in figures.items()])
    assert table.row_count == len(limited)
    assert summary["configuration"]["policies"][0]["sha256"]
    assert "activation_soleus" in CurveTable.read(tmp_path / "curves.csv").variables


def tasks(*arguments, policies=(Policy("a", SHIPPED, "hip_ankle"), Policy("b", SHIPPED, "hip_ankle"))):
    return walk_tasks(parser().parse_args(["--speeds", "1", "1.25", "--seeds", "3", *arguments]), policies)


def test_what_no_policy_enters_is_walked_once():
    by_condition = {}
    for task in tasks("--mass-error", "0.2", "--delay-ms", "50"):
        by_condition.setdefault(task.condition, []).append(task)
    count = {condition: len(own) for condition, own in by_condition.items()}
    assert count == {
        "no_device": 6,
        "unpowered": 6,
        "spline": 6,
        "learned": 12,
        "learned:delay 50 ms": 12,
        "learned:mass +20 %": 12,
        "learned:mass -20 %": 12,
    }
    assert by_condition["learned:delay 50 ms"][0].delay_s == 0.05
    assert by_condition["learned:mass -20 %"][0].mass_factor == pytest.approx(0.8)


def test_every_condition_has_the_walker_that_is_used_to_it(tmp_path):
    folder = tmp_path / "seed1"
    folder.mkdir()
    (folder / "result.json").write_text(
        json.dumps(
            {
                "checkpoint": SHIPPED,
                "device": "hip_ankle",
                "seed": 1,
                "stage": "together",
                "humans": {
                    "no_device": "1_human/human",
                    "unpowered": "2_carrying/human",
                    "learned": "4_together/human",
                },
            }
        )
    )
    policy = find_policy(folder, "hip_ankle")
    walker = {
        condition: policy.human(condition, "given") for condition in ("no_device", "unpowered", "spline", "learned")
    }
    assert walker["learned"] == str(folder / "4_together/human") and walker["spline"] == walker["unpowered"]
    assert Policy("x", SHIPPED, "hip_ankle").human("learned", "given") == "given"
    (folder / "result.json").write_text("{")
    with pytest.raises(SimError, match="damaged"):
        find_policy(folder, None)


def test_profile_of_a_late_push_off():
    phase = np.arange(101) / 100.0
    late = compare_torque("ankle", 0.3 * ANKLE_GENERIC(phase - 0.02))
    assert late["r"] > 0.95 > late["cosine_r"] and late["best_lag"] == pytest.approx(2.0, abs=0.2)
    assert late["positive_peak_error"] == pytest.approx(2.0, abs=0.3)
    assert compare_torque("ankle", np.full(101, 0.001)) == {} and compare_torque("hip", None) == {}
    assert compare_torque("ankle", -0.3 * ANKLE_GENERIC(phase))["r"] == pytest.approx(-1.0, abs=1e-3)


def test_motor_meter():
    meter = MotorMeter(("hip_flexion_r", "hip_flexion_l"), np.array([10.0, 10.0]), 50.0, 0.01)
    assert meter.motors() is None
    for _ in range(50):
        meter.add(np.array([10.0, 0.0]), np.array([1.0, 3.0]), {"slew": np.array([True, False])})
        meter.add(np.array([-5.0, 0.0]), np.array([1.0, 3.0]), {"slew": np.array([False, False])})
    figures = meter.motors()
    assert figures.positive_power == pytest.approx(0.1) and figures.negative_power == pytest.approx(-0.05)
    assert figures.peak_torque == {"hip_flexion": pytest.approx(0.2)} and figures.over_limit == pytest.approx(0.0)
    assert figures.at_limit["hip_flexion"] == pytest.approx(0.25)
    assert figures.limited == {"slew": {"hip_flexion": pytest.approx(0.25)}}
    assert figures.rms_rate["hip_flexion"] == pytest.approx(15.0 / 50.0 / 0.01 / np.sqrt(2.0))


def test_every_muscle_is_in_one_group():
    muscles = ("soleus_r", "recfem_l", "addmagIsch_r", "nothing_l", "sart_r")
    groups = main_groups(muscles)
    assert sorted(i for own in groups.values() for i in own) == list(range(5))
    assert groups["knee_extensors"] == [1] and groups["others"] == [3] and groups["hip_extensors"] == [2]


@pytest.mark.parametrize(
    "arguments, part",
    [
        (["/nowhere/policy"], "/nowhere/policy"),
        (["--speeds", "9"], "--speeds"),
        (["--duration", "1"], "--duration"),
        (["--delay-ms", "500"], "--delay-ms"),
        (["--mass-error", "2"], "--mass-error"),
        (["--deployment"], "--deployment"),
        ([SHIPPED, "--device", "hip"], "ankle_angle"),
        (["--device", "none"], "--device none"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, part, capsys, tmp_path):
    assert main([*arguments, "--output", str(tmp_path)]) == 2
    error = capsys.readouterr().err.strip()
    assert part in error and "\n" not in error


def test_drawn_people_are_those_of_the_policys_training_and_their_falls_are_counted(monkeypatch, tmp_path):
    monkeypatch.setattr(population, "TASK_MINUTES", 0.08)
    policy = Policy("a", SHIPPED, "hip_ankle")
    tasks = population.population_tasks([policy], None, False, 0.1, 7)
    assert [(task.condition, task.seed) for task in tasks] == [
        (condition, seed) for condition in ("no_device", "unpowered", "learned") for seed in (7, 8)
    ]
    walk = population.walk_population(tasks[-1])
    assert walk.minutes == pytest.approx(0.08) and 0 <= walk.falls < 12
    fallen = [
        dataclasses.replace(walk, falls=falls, task=task)
        for falls, task in zip((0, 0, 1, 2, 3, 4), tasks, strict=False)
    ]
    figures = {figure.name: figure for figure in population.population_figures(fallen)}
    learned = figures["population_falls_per_minute.learned"]
    assert learned.value == pytest.approx(7 / 0.16) and learned.low < learned.value < learned.high
    assert figures["population_falls_per_minute.no_device"].value == 0.0
    assert figures["population_minutes.unpowered"].value == pytest.approx(0.16)
    table, limits = population_table(list(figures.values()))
    assert table.row_count == 3 and limits.row_count == len(LIMITS) and population_table([]) == []
    assert all(0.0 <= figures[f"population_limited_by_{limit}.learned"].value < 0.5 for limit in LIMITS)
    # a policy that does not say whom it was trained on
    tensors, manifest = load_checkpoint(SHIPPED, kind="exo")
    training = manifest.training.model_copy(update={"config": {"device": "hip_ankle"}})
    save_checkpoint(tmp_path / "untold", tensors, manifest.model_copy(update={"training": training}))
    with pytest.raises(SimError, match="leave out --population"):
        population.population_tasks([Policy("b", str(tmp_path / "untold"), "hip_ankle")], None, False, 1.0, 7)
