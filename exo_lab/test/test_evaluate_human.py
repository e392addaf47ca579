# SPDX-License-Identifier: Apache-2.0
"""`exo evaluate human` with the shipped walker, at a short length."""

import json
import os
from dataclasses import fields, replace

import numpy as np
import pytest

from exo_core.errors import UserError
from exo_device.devices import device_file
from exo_lab.evaluate import main
from exo_lab.evaluate.store import DECISIVE, ResultStore
from exo_lab.pool import run_all
from exo_sim.body.subject import Subject
from exo_sim.gait.curves import CurveTable
from exo_sim.gait.strides import StrideRecorder
from exo_sim.world.meters import METERS
from exo_sim.world.walk import PUSH_DIRECTIONS, WalkResult, WalkTask, walk

SPEEDS = (1.0, 1.25, 1.5)
SHORT = ["--speeds", *map(str, SPEEDS), "--seeds", "1", "--duration", "12", "--pushes", "0", "--workers", "2"]


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation")
    reported = []
    assert main([*SHORT, "--output", str(folder)], lambda path: reported.append(path) or path / "report.html") == 0
    assert reported == [folder]
    summary = json.loads((folder / "summary.json").read_text())
    return folder, {figure["name"]: figure for figure in summary["figures"]}, summary


def test_the_shipped_walker_walks_like_a_person(evaluated):
    # far looser than the targets: one walk of 12 s a speed says that nothing is broken, no more
    _, figures, _ = evaluated
    assert figures["walks_without_fall"]["value"] == 1.0
    for speed in SPEEDS:
        assert figures[f"speed_error_at_{speed:g}"]["value"] < 0.1
        for joint in ("hip", "knee", "ankle"):
            assert figures[f"{joint}_angle_rmse_at_{speed:g}"]["value"] < 6.0
            assert figures[f"{joint}_angle_r_at_{speed:g}"]["value"] > 0.85
        assert figures[f"grf_vertical_r_at_{speed:g}"]["value"] > 0.85
        assert figures[f"ankle_moment_r_at_{speed:g}"]["value"] > 0.8
        assert 0.5 < figures[f"step_length_at_{speed:g}"]["value"] < 0.9
    assert figures["cost_r_bhargava"]["value"] > 0.9
    assert figures["metabolic_power_bhargava_at_1"]["value"] < figures["metabolic_power_bhargava_at_1.5"]["value"]


def test_curves_and_configuration_are_written(evaluated):
    folder, _, summary = evaluated
    curves = CurveTable.read(folder / "curves.csv")
    for speed in SPEEDS:
        knee = curves.get("walking", "knee_flexion", "r", speed)
        assert knee.mean.max() > 40.0 and knee.mean.min() < 20.0
    assert summary["configuration"]["seeds"] == 1 and summary["configuration"]["speeds"] == list(SPEEDS)
    assert summary["command"] == "exo evaluate human" and summary["seed"] == 100
    assert json.loads((folder / "pushes.json").read_text()) == {"pushes": []}


def test_an_interrupted_evaluation_goes_on_and_comes_out_the_same(evaluated):
    folder, _, _ = evaluated
    before = (folder / "summary.json").read_bytes()
    finished = sorted((folder / "finished").iterdir())
    assert len(finished) == len(SPEEDS)
    kept = {path: path.stat().st_mtime_ns for path in finished[:-1]}
    finished[-1].write_bytes(b"half a resul")  # as a kill while writing might leave it
    assert main([*SHORT, "--output", str(folder)]) == 0
    assert (folder / "summary.json").read_bytes() == before  # the lost walk was walked again, equally
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_results_belong_to_a_checkpoint_and_a_task(tmp_path):
    checkpoint = tmp_path / "walker.safetensors"
    checkpoint.write_bytes(b"one")
    task = WalkTask("walking", Subject(), 1.25, 1, 20.0, human=str(tmp_path / "walker"), pushed_from="behind")
    store = ResultStore(tmp_path / "kept", task.human, "")
    store.save(task, WalkResult(task, 4.5, True, "", StrideRecorder(75.0), 0.9, pushed_s=4.25))
    assert store.load(task).fell_after_s == 0.25
    assert store.load(replace(task, pushed_from="front")) is None
    assert ResultStore(tmp_path / "kept", task.human, "").load(task).fell
    checkpoint.write_bytes(b"two")
    assert ResultStore(tmp_path / "kept", task.human, "").load(task) is None


def test_results_belong_to_what_the_devices_file_says(tmp_path):
    device = tmp_path / "mine.yaml"
    text = device_file("hip").read_text(encoding="utf-8")
    device.write_text(text, encoding="utf-8")
    task = WalkTask("learned", Subject(), 1.25, 1, 20.0, device=str(device))
    store = ResultStore(tmp_path / "kept", None, "")
    store.save(task, WalkResult(task, 20.0, False, "", StrideRecorder(75.0), 0.9))
    assert store.load(task) is not None
    changed = text.replace("mass_kg: ", "mass_kg: 1", 1)
    assert changed != text
    device.write_text(changed, encoding="utf-8")
    assert ResultStore(tmp_path / "kept", None, "").load(task) is None


def test_results_belong_to_the_code_that_walks():
    for part in ("exo_device/safety/", "exo_policy/controllers/", "exo_sim/plant/", "exo_core/"):
        assert any(part.startswith(decisive) or decisive.startswith(part.rstrip("/")) for decisive in DECISIVE), part


def test_a_process_that_the_system_killed_is_one_line():
    with pytest.raises(UserError, match="walking: a process was killed.*--workers.*goes on") as caught:
        run_all(os._exit, [9], 1, "walking", show=False)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("origin, axis, sign", [("behind", 0, 1), ("front", 0, -1), ("left", 1, -1), ("right", 1, 1)])
def test_a_push_that_nobody_withstands(origin, axis, sign, monkeypatch):
    from exo_sim.plant.simulation import Simulation

    forces = []
    apply = Simulation.push
    monkeypatch.setattr(Simulation, "push", lambda self, force: forces.append(force) or apply(self, force))
    result = walk(WalkTask("walking", Subject(), 1.25, 3, 0.0, pushed_from=origin, push_n=2000.0))
    assert not result.recovered and 0.0 < result.fell_after_s < 3.0 and 0.0 <= result.push_phase < 1.0
    assert np.argmax(np.abs(forces[0])) == axis and np.sign(forces[0][axis]) == sign
    assert np.linalg.norm(forces[0]) == pytest.approx(2000.0)
    assert set(PUSH_DIRECTIONS) == {"behind", "front", "left", "right"}


def test_a_push_of_nothing_is_survived(monkeypatch):
    monkeypatch.setattr("exo_sim.world.walk.WATCHED_S", 2.0)
    result = walk(WalkTask("walking", Subject(), 1.25, 3, 0.0, pushed_from="behind", push_n=0.0))
    assert result.recovered and np.isnan(result.fell_after_s)


@pytest.mark.parametrize(
    "arguments, part",
    [
        (["--speeds", "9"], "--speeds"),
        (["--speeds", "1", "1"], "twice"),
        (["--duration", "1"], "--duration"),
        (["--duration", "inf"], "--duration"),
        (["--seeds", "0"], "--seeds"),
        (["--checkpoint", "/nowhere/h"], "/nowhere/h"),
        (["--subject", "/nowhere/s.yaml"], "/nowhere/s.yaml"),
        (["--output", "/dev/null/x"], "/dev/null/x"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, part, capsys, tmp_path):
    assert main([*SHORT, "--output", str(tmp_path), *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert part in error and "\n" not in error


@pytest.mark.parametrize(
    "arguments, part",
    [(["--speed", "1"], "--speed goes with --assistance"), (["--assistance", "--pushes", "1"], "without")],
)
def test_an_option_of_the_other_study_is_refused(arguments, part, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2 and part in capsys.readouterr().err


def test_strict_fails_when_a_target_is_missed(evaluated, capsys):
    folder, figures, _ = evaluated
    code = main([*SHORT, "--output", str(folder), "--strict"])
    assert code == (1 if any(figure["met"] is False for figure in figures.values()) else 0)
    shown = capsys.readouterr().out
    assert "hip_angle_rmse" in shown and "targets met" in shown


def test_a_finished_walk_is_read_as_it_was_written(tmp_path):
    task = WalkTask(
        "learned:mass +20 %",
        Subject(),
        1.25,
        4,
        9.0,
        device="hip_ankle",
        controller="spline",
        mass_factor=1.2,
        settle_s=5.0,
        meters=tuple(METERS),
    )
    store, result = ResultStore(tmp_path, None, ""), walk(task)
    store.save(task, result)
    with np.load(next(tmp_path.iterdir()), allow_pickle=False) as file:  # no file that could run code when it is read
        assert "document" in file.files
    read = store.load(task)
    assert result.strides() > 4 and result.motors.limited and result.force_peaks_bw
    for own in fields(WalkResult):
        if own.name != "recorder":
            assert repr(getattr(read, own.name)) == repr(getattr(result, own.name)), own.name
    for curve in result.curves:
        same = read.curves.get(curve.condition, curve.variable, curve.side)
        assert np.array_equal(same.mean, curve.mean, equal_nan=True) and np.array_equal(
            same.sd, curve.sd, equal_nan=True
        )
    merged = StrideRecorder(result.recorder.body_mass)
    merged.merge(read.recorder)
    for side in "rl":
        figures = result.recorder.figures(task.key, 1.25, side)
        assert read.recorder.figures(task.key, 1.25, side) == figures
        assert merged.figures(task.key, 1.25, side)["speed"] == pytest.approx(figures["speed"], rel=1e-12)


# -- with --assistance

ASSISTANCE = ["--assistance", "--seeds", "1", "--duration", "9", "--workers", "2"]


def test_measures_three_conditions_and_writes_them(tmp_path):
    assert main([*ASSISTANCE, "--output", str(tmp_path)]) == 0
    summary = json.loads((tmp_path / "summary.json").read_text())
    figures = {figure["name"]: figure for figure in summary["figures"]}
    for condition in ("no_device", "unassisted", "assisted"):
        assert figures[f"share_without_fall_{condition}"]["value"] == 1.0
        assert figures[f"speed_{condition}"]["value"] == pytest.approx(1.25, abs=0.1)
        assert figures[f"grf_vertical_r_{condition}"]["met"]
    assert figures["metabolic_change_bhargava_assisted_from_unassisted"]["value"] < 0.0
    curves = CurveTable.read(tmp_path / "curves.csv")
    assert set(curves.conditions) == {"no_device", "unassisted", "assisted"}
    assert curves.get("assisted", "exo_torque_ankle_Nm_kg", "l").mean.max() > 0.2
    assert summary["seed"] == 100 and summary["configuration"]["conditions"][2]["controller"] == "spline"
    assert (tmp_path / "run.json").exists()


@pytest.mark.parametrize(
    "arguments, part",
    [
        (["--speed", "9"], "--speed"),
        (["--duration", "1"], "--duration"),
        (["--human", "/nowhere/h"], "/nowhere/h"),
        (["--device", "jetpack"], "jetpack"),
        (["--subject", "/nowhere/s.yaml"], "/nowhere/s.yaml"),
    ],
)
def test_bad_input_with_assistance_is_one_line_and_exit_code_2(arguments, part, capsys, tmp_path):
    assert main([*ASSISTANCE, *arguments, "--output", str(tmp_path)]) == 2
    error = capsys.readouterr().err.strip()
    assert part in error and "\n" not in error


def test_strict_fails_with_assistance_where_a_target_is_missed(tmp_path):
    # nobody walks well without calves
    subject = tmp_path / "weak.yaml"
    subject.write_text("name: weak\nstrengths: {plantarflexors_r: 0.0, plantarflexors_l: 0.0}\n")
    assert main([*ASSISTANCE, "--subject", str(subject), "--output", str(tmp_path / "out"), "--strict"]) == 1
