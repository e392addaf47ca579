# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from exo_lab.evaluate.assistance import main
from exo_sim.gait.curves import CurveTable

SHORT = ["--seeds", "1", "--duration", "9", "--workers", "2"]


def test_measures_three_conditions_and_writes_them(tmp_path):
    assert main([*SHORT, "--output", str(tmp_path)]) == 0
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
def test_bad_input_is_one_line_and_exit_code_2(arguments, part, capsys, tmp_path):
    assert main([*SHORT, *arguments, "--output", str(tmp_path)]) == 2
    error = capsys.readouterr().err.strip()
    assert part in error and "\n" not in error


def test_strict_fails_when_a_target_is_missed(tmp_path):
    # nobody walks well without calves
    subject = tmp_path / "weak.yaml"
    subject.write_text("name: weak\nstrengths: {plantarflexors_r: 0.0, plantarflexors_l: 0.0}\n")
    assert main([*SHORT, "--subject", str(subject), "--output", str(tmp_path / "out"), "--strict"]) == 1
