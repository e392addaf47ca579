# SPDX-License-Identifier: Apache-2.0
"""Figures, picture and report of a run folder."""

import importlib.util
import json
import math
import struct
from pathlib import Path

import pytest

from exo_bringup import cli
from exo_bringup.run_options import RunOptions
from exo_core.errors import UserError
from exo_lab.report.results import RunOutcome, run_figures
from exo_lab.report.run import draw_run
from exo_lab.report.run_data import load_run
from exo_lab.run_folder import RunFolder

_SPEC = importlib.util.spec_from_file_location("synthetic", Path(__file__).with_name("synthetic.py"))
synthetic = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(synthetic)


def run_of(folder, curves, strides, speed=1.25):
    """A run as it is read from its folder, with these curves and strides."""
    folder = RunFolder.create(folder, "sim")
    curves.write(folder.curves)
    folder.strides.write_text(json.dumps(strides))
    configuration = {**RunOptions().configuration(), "speed_mps": speed, "phases": []}  # every stride counts
    folder.write_configuration(configuration)
    folder.record.write_text(json.dumps({"falls": 0, "device_faults": []}))
    return load_run(folder.path)


@pytest.fixture
def figures_of(tmp_path):
    """Figures of curves and strides by name."""

    def figures(curves, strides, speed=1.25, outcome=RunOutcome()):
        return {figure.name: figure for figure in run_figures(run_of(tmp_path, curves, strides, speed), outcome)}

    return figures


def test_a_walk_like_the_reference_meets_every_target(figures_of):
    figures = figures_of(*synthetic.walk(angle_error_deg=2.0))
    assert figures["hip_rmse_unassisted"].value == pytest.approx(2.0, abs=0.01)
    assert figures["grf_vertical_r_assisted"].value == pytest.approx(1.0, abs=1e-6)
    assert figures["metabolic_power_unassisted"].value == pytest.approx(synthetic.METABOLIC["unassisted"])
    assert figures["metabolic_power_change"].value == pytest.approx(-20.0)
    assert figures["assistance_peak_ankle"].value == pytest.approx(0.5, abs=0.01)
    assert all(figure.met is not False for figure in figures.values())


def test_targets_are_missed_by_bad_angles_falls_and_faults(figures_of):
    figures = figures_of(*synthetic.walk(angle_error_deg=7.0), outcome=RunOutcome(1, ("STALE_COMMAND",)))
    missed = {name for name, figure in figures.items() if figure.met is False}
    assert missed == {
        f"{joint}_rmse_{condition}" for joint in ("hip", "knee", "ankle") for condition in ("unassisted", "assisted")
    } | {"falls", "device_faults"}


def test_the_speed_has_a_target_only_at_the_speed_of_training(figures_of):
    assert figures_of(*synthetic.walk())["walking_speed_assisted"].target == "1.15 to 1.35"
    assert figures_of(*synthetic.walk(1.0), speed=1.0)["walking_speed_assisted"].target is None


def test_a_run_that_was_stopped_early_gives_nan_which_misses_targets(figures_of):
    figures = figures_of(*synthetic.walk(conditions=("unassisted",)))
    assert math.isnan(figures["hip_rmse_assisted"].value) and figures["hip_rmse_assisted"].met is False
    assert math.isnan(figures["metabolic_power_change"].value)
    assert figures["hip_rmse_unassisted"].met


@pytest.mark.parametrize("conditions", [("unassisted", "assisted"), ("unassisted",), ()])
def test_the_picture_is_a_png_of_its_size_whatever_was_measured(tmp_path, conditions):
    path = tmp_path / "gait.png"
    draw_run(path, run_of(tmp_path, *synthetic.walk(conditions=conditions)))
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", head[16:24]) == (1890, 945)


@pytest.fixture
def run(tmp_path):
    """A run folder as `exo sim` leaves it, before the report."""
    return run_of(tmp_path, *synthetic.walk()).folder


def test_report_writes_summary_and_picture_and_the_same_bytes_again(run, capsys, undrawn):
    assert cli.main(["report", str(run.path), "--strict"]) == 0
    first = run.summary.read_bytes()
    summary = json.loads(first)
    assert {"versions", "git_revision", "seed", "configuration", "figures"} <= set(summary)
    assert set(summary["figures"][0]) == {"name", "value", "unit", "target", "met", "interval", "left_out"}
    assert run.picture.is_file() and "metabolic_power_change" in capsys.readouterr().out
    assert cli.main(["report", str(run.path)]) == 0
    assert run.summary.read_bytes() == first


def test_strict_exits_with_1_when_a_target_is_missed(run, undrawn):
    run.record.write_text(json.dumps({"falls": 2, "device_faults": []}))
    assert cli.main(["report", str(run.path), "--strict"]) == 1
    assert cli.main(["report", str(run.path)]) == 0


def test_a_folder_that_no_run_wrote_is_one_clear_line(tmp_path, capsys):
    assert cli.main(["report", str(tmp_path)]) == 1
    assert "not the folder of a finished run" in capsys.readouterr().err


def test_damaged_files_are_one_clear_line(run, capsys, undrawn):
    for file, content in (
        (run.record, "{"),
        (run.strides, '[{"a": 1}]'),
        (run.curves, "x,y\n1,2\n"),
        (run.configuration, "a: ["),
    ):
        before = file.read_bytes()
        file.write_text(content)
        assert cli.main(["report", str(run.path)]) == 1
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1 and file.name in lines[0], lines
        file.write_bytes(before)


def test_run_folders_do_not_overwrite_each_other(tmp_path):
    assert len({RunFolder.create(tmp_path, "sim").path for _ in range(3)}) == 3


def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="--output"):
        RunFolder.create(tmp_path / "file", "sim")
