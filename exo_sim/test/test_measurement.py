# SPDX-License-Identifier: Apache-2.0
"""Figures, intervals and the deterministic summary.json."""

import json
import math
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from exo_sim.errors import MeasurementError
from exo_sim.measurement import (
    Figure,
    git_revision,
    mean_interval,
    missed,
    rate_interval,
    share_interval,
    write_json,
    write_run_record,
    write_summary,
)


@pytest.mark.parametrize(
    "limits, value, target, met",
    [
        ({"at_most": 6}, 6.0, "<= 6", True),
        ({"at_most": 6}, 6.01, "<= 6", False),
        ({"at_least": 0.85}, 0.9, ">= 0.85", True),
        ({"at_least": 0.85}, math.nan, ">= 0.85", False),
        ({"at_least": 1.15, "at_most": 1.35}, 1.4, "1.15 to 1.35", False),
        ({"at_least": 1.15, "at_most": 1.35}, 1.25, "1.15 to 1.35", True),
    ],
)
def test_figures_are_judged(limits, value, target, met):
    figure = Figure.against("x", value, "m", **limits)
    assert (figure.target, figure.met) == (target, met)
    assert (figure in missed([figure])) is (not met)


def test_figures_without_target_miss_nothing():
    assert missed([Figure("x", math.nan, "m")]) == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: Figure("", 1.0, "m"),
        lambda: Figure("x", 1.0, "m", target="<= 1"),
        lambda: Figure.against("x", 1.0, "m"),
        lambda: Figure.against("x", 1.0, "m", at_least=2, at_most=1),
    ],
)
def test_bad_figures(make):
    with pytest.raises(MeasurementError):
        make()


def test_mean_interval():
    # textbook: n = 4, mean 2.5, sd 1.2910, t(0.975, 3) = 3.1824
    mean, (low, high) = mean_interval([1, 2, 3, 4])
    assert mean == 2.5 and high - mean == pytest.approx(3.1824 * 1.29099 / 2, rel=1e-4)
    assert mean - low == pytest.approx(high - mean)
    assert mean_interval([1, 2, 3, 4], 0.5)[1][1] < high
    single = mean_interval([5.0])
    assert single[0] == 5.0 and math.isnan(single[1][0])
    assert math.isnan(mean_interval([])[0])
    for bad in (lambda: mean_interval([[1.0]]), lambda: mean_interval([1.0, 2.0], 95)):
        with pytest.raises(MeasurementError):
            bad()


def test_walks_without_a_value_are_left_out_of_a_mean_and_counted():
    figure = Figure.mean_of("x", [1.0, math.nan, 3.0, math.inf], "m", at_most=2.5)
    assert (figure.value, figure.left_out, figure.met, figure.left_out_words) == (2.0, 2, True, " (2 left out)")
    assert figure.interval == pytest.approx((2.0 - 12.706, 2.0 + 12.706), abs=1e-3)
    whole = Figure.mean_of("x", [1.0], "m")
    assert (whole.value, whole.left_out, whole.met, whole.interval, whole.left_out_words) == (1.0, 0, None, None, "")
    nobody = Figure.mean_of("x", [math.nan], "m", at_least=0.0)
    assert math.isnan(nobody.value) and nobody.left_out == 1 and nobody.met is False
    assert Figure.from_entry({"name": "x", "value": 1.0, "unit": "m", "left_out": 3}).left_out == 3
    assert Figure.from_entry({"name": "x", "value": 1.0, "unit": "m"}).left_out == 0


def test_share_interval():
    share, (low, high) = share_interval(9, 10)
    assert share == 0.9 and low == pytest.approx(0.5958, abs=1e-3) and high == pytest.approx(0.9821, abs=1e-3)
    assert share_interval(10, 10)[1][1] == pytest.approx(1.0)
    for arguments in ((11, 10), (-1, 10), (0, 0)):
        with pytest.raises(MeasurementError, match="trials"):
            share_interval(*arguments)


def test_rate_interval():
    # Garwood 1936, table of 95 % limits: 0 events up to 3.689, 10 events 4.795 to 18.390
    assert rate_interval(0, 1.0) == (0.0, (0.0, pytest.approx(3.689, abs=1e-3)))
    rate, (low, high) = rate_interval(10, 2.0)
    assert rate == 5.0 and (2 * low, 2 * high) == (pytest.approx(4.795, abs=1e-3), pytest.approx(18.390, abs=1e-3))
    for arguments in ((-1, 1.0), (1, 0.0), (1, 1.0, 1.5)):
        with pytest.raises(MeasurementError):
            rate_interval(*arguments)


@dataclass
class _Config:
    speed: float
    out: Path


def test_summary_is_the_same_for_the_same_run(tmp_path):
    figures = [
        Figure.against("rmse", np.float64(math.nan), "deg", at_most=6),
        Figure("speed", np.float32(0.5), "m/s", interval=(0.25, math.inf)),
    ]
    config = {"b": _Config(1.25, Path("runs/x")), "a": np.arange(2), "c": {"z", "y"}}
    first = write_summary(tmp_path / "deep" / "summary.json", figures, config, seed=3)
    write_summary(tmp_path, figures, dict(reversed(config.items())), seed=3, extra=None)
    written = (tmp_path / "summary.json").read_bytes()
    assert written == (tmp_path / "deep" / "summary.json").read_bytes()
    summary = json.loads(written)
    assert summary == first
    assert summary["seed"] == 3
    assert summary["figures"] == [
        {"name": "rmse", "value": None, "unit": "deg", "target": "<= 6", "met": False, "interval": None, "left_out": 0},
        {
            "name": "speed",
            "value": 0.5,
            "unit": "m/s",
            "target": None,
            "met": None,
            "interval": [0.25, None],
            "left_out": 0,
        },
    ]
    assert summary["configuration"] == {"a": [0, 1], "b": {"speed": 1.25, "out": "runs/x"}, "c": ["y", "z"]}
    assert set(summary["versions"]) >= {"python", "mujoco", "torch", "numpy", "exo_gait"}
    assert summary["versions"]["numpy"] == np.__version__
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "summary.json"]  # no temporary left


def test_run_record_is_apart(tmp_path):
    write_run_record(tmp_path, 12.5, {"start_to_first_step_s": 3.0})
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["wall_time_s"] == 12.5 and record["start_to_first_step_s"] == 3.0


def test_summary_refuses_what_it_cannot_write(tmp_path):
    twice = [Figure("x", 1.0, "m"), Figure("x", 2.0, "m")]
    with pytest.raises(MeasurementError, match="twice: x"):
        write_summary(tmp_path, twice, {}, seed=0)
    with pytest.raises(MeasurementError, match="replace seed"):
        write_summary(tmp_path, [], {}, seed=0, extra={"seed": 1})
    with pytest.raises(MeasurementError, match="type object"):
        write_summary(tmp_path, [], {"x": object()}, seed=0)
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    with pytest.raises(MeasurementError, match="cannot write"):
        write_json(blocker / "summary.json", {})
    assert list(tmp_path.iterdir()) == [blocker]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_summary_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(MeasurementError, match="Permission denied"):
        write_json(tmp_path / "summary.json", {})


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_git_revision(tmp_path):
    def git(*arguments):
        return subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments],
            cwd=tmp_path,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    assert git_revision(tmp_path) == "unknown"
    git("init", "-q")
    assert git_revision(tmp_path) == "unknown"  # no commit yet
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-qm", "a")
    assert git_revision(tmp_path) == git("rev-parse", "HEAD")
    (tmp_path / "a").write_text("2")
    assert git_revision(tmp_path).endswith("-dirty")


def test_a_figure_is_read_as_it_was_written(tmp_path):
    figures = [
        Figure.against("saved", -20.0, "%", at_most=-15.0, interval=(-22.0, -18.0)),
        Figure("lost", math.nan, "1"),
    ]
    write_summary(tmp_path, figures, {}, 1)
    entries = json.loads((tmp_path / "summary.json").read_text())["figures"]
    saved, lost = (Figure.from_entry(entry) for entry in entries)
    assert saved == figures[0] and (saved.low, saved.high) == (-22.0, -18.0)
    assert math.isnan(lost.value) and math.isnan(lost.low) and math.isnan(lost.high) and lost.met is None
