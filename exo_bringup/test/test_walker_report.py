# SPDX-License-Identifier: Apache-2.0
"""The report of an evaluation of the walker."""

import importlib.util
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from exo_bringup import cli
from exo_core.errors import UserError
from exo_lab.evaluate.human import parser
from exo_lab.evaluate.human_measures import human_figures
from exo_lab.report.human import (
    COMPARED,
    SECTIONS,
    command_words,
    deviations,
    headline,
    load_human_study,
    misses,
    severity,
)
from exo_lab.report.results import is_evaluation, write_evaluation_report
from exo_sim.gait.curves import Curve, CurveTable
from exo_sim.measurement import write_json, write_run_record, write_summary

_MADE_UP = Path(__file__).resolve().parents[2] / "exo_lab" / "test" / "made_up_walks.py"
_SPEC = importlib.util.spec_from_file_location("made_up_walks", _MADE_UP)
made_up = importlib.util.module_from_spec(_SPEC)
sys.modules["made_up_walks"] = made_up  # dataclasses look their module up
_SPEC.loader.exec_module(made_up)

SPEEDS = [1.0, 1.25, 1.5]


def evaluation(folder: Path, falls_from: str = "", pushes: bool = True, **changes) -> Path:
    """A folder as `exo evaluate human` leaves it."""
    walks = [made_up.made_up_walk(speed, seed, **changes) for seed in range(2) for speed in SPEEDS]
    trials = made_up.made_up_pushes(falls_from) if pushes else []
    records = [
        {"origin": t.task.pushed_from, "phase": t.push_phase, "recovered": t.recovered, "force_n": 50.0} for t in trials
    ]
    write_json(folder / "pushes.json", {"pushes": records})
    rows = (curve for walk in walks[: len(SPEEDS)] for curve in walk.curves)
    CurveTable(Curve(*c.key, c.phase_percent, c.mean, c.sd + 0.01) for c in rows).write(folder / "curves.csv")
    configuration = {
        "speeds": SPEEDS,
        "seeds": 2,
        "duration": 60.0,
        "pushes": len(trials) // 4,
        "seed": 100,
        "physics_rate": 500.0,
        "human": None,
        "subject": "",
        "leg_length_m": 0.9,
    }
    figures = human_figures(walks, trials)
    write_summary(folder / "summary.json", figures, configuration, 100, {"command": "exo evaluate human"})
    write_run_record(folder / "run.json", 12.0)
    return folder


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """An evaluation with its report, drawn once; not to be changed."""
    folder = evaluation(tmp_path_factory.mktemp("evaluation"), falls_from="left")
    assert write_evaluation_report(folder) == folder / "report.html"
    return folder


def test_the_report_is_one_small_file_without_script_or_link(reported):
    path = reported / "report.html"
    page = path.read_text(encoding="utf-8")
    assert path.stat().st_size < 3_000_000
    names = re.findall(r'<h2 id="(\w+)"', page)
    assert len(set(names)) == len(names) == len(SECTIONS) + 1  # and how to reproduce it
    assert set(re.findall(r'(?<!xlink:)(?:href|src)="([^"]*)"', page)) == {f"#{name}" for name in names}
    assert all(
        link[0] == "#" or link.startswith("data:image/png") for link in re.findall(r'xlink:href="([^"]*)"', page)
    )
    assert not re.search(r"<script|<link|<img|url\((?!#)|@import|@font-face", page)
    for heading in (
        "Joint angles",
        "Joint moments",
        "Joint powers",
        "Ground reaction force",
        "EMG",
        "Pushes",
    ):
        assert heading in page


def test_every_figure_is_well_formed_svg_with_a_title(reported):
    page = (reported / "report.html").read_text(encoding="utf-8")
    figures = re.findall(r"<figure>(<svg.*?</svg>)</figure>", page, re.DOTALL)
    assert len(figures) > 35
    for figure in figures:
        assert ElementTree.fromstring(figure).find("{http://www.w3.org/2000/svg}title").text
        assert "nan" not in figure and "inf" not in re.sub(r"<t(itle|ext).*?</t(itle|ext)>", "", figure)


def test_people_themselves_differ_in_nothing(tmp_path, undrawn):
    data = load_human_study(evaluation(tmp_path))
    assert misses(data) == [] and "Every target is met" in str(SECTIONS[0](data).blocks)
    assert re.match(r"(\d+) of \1 targets are met\.$", headline(data))
    found = deviations(data)
    assert len(found) == len(COMPARED) * len(SPEEDS) and max(d.rms for d in found) < 1e-3


def test_the_furthest_from_people_comes_first(tmp_path, undrawn):
    def change(variable, side, curve):
        return 4.0 * curve if variable == "ankle_power_W_kg" else curve

    data = load_human_study(evaluation(tmp_path, falls_from="front", change=change))
    assert [miss.name for miss in misses(data)] == ["push_off_excess", "pushes_recovered"]
    assert misses(data)[0].speeds == tuple(SPEEDS) and misses(data)[1].worst_speed is None
    content = str(SECTIONS[0](data).blocks)
    assert content.index("Ankle push-off power") < content.index("Pushes recovered")
    worst = max(deviations(data), key=lambda d: d.rms)
    assert worst.variable.name == "ankle_power_W_kg" and worst.title == "ankle power"
    assert worst.mean[worst.largest] == pytest.approx(4.0 * worst.norm[worst.largest], rel=1e-3)


@pytest.mark.parametrize(
    "value, target, expected",
    [
        (6.0, "<= 4", 0.5),
        (0.9, ">= 0.95", 1.0),
        (3.0, "-2 to 2", 0.5),
        (3.0, "2 to 2", 0.5),
        (0.8, "1 to 1.5", 0.8),
        (None, ">= 0.95", np.inf),
    ],
)
def test_severity_counts_in_what_a_target_leaves_room_for(value, target, expected):
    assert severity(np.nan if value is None else value, target) == pytest.approx(expected)


def test_without_pushes_and_with_one_speed_it_still_reports(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "SPEEDS", [1.25])
    page = write_evaluation_report(evaluation(tmp_path, pushes=False)).read_text(encoding="utf-8")
    assert "No pushes were tried" in page and "Too few speeds" in page


def test_the_command_measures_the_same_again(tmp_path):
    words = command_words(load_human_study(evaluation(tmp_path)))
    assert words[:3] == ["exo", "evaluate", "human"]
    options = parser().parse_args(words[3:])
    assert options.speeds == SPEEDS and (options.seeds, options.duration, options.pushes) == (2, 60.0, 2)


def test_exo_report_knows_the_folder_of_an_evaluation(tmp_path, capsys, undrawn):
    assert is_evaluation(evaluation(tmp_path)) and not is_evaluation(tmp_path / "nowhere")
    assert cli.main(["report", str(tmp_path)]) == 0
    assert "report.html" in capsys.readouterr().out


@pytest.mark.parametrize(
    "file, content, part",
    [
        ("summary.json", "{}", "not the folder of an evaluation"),
        ("summary.json", "half", "damaged"),
        ("pushes.json", "{}", "pushes"),
        ("run.json", "]", "run.json"),
    ],
)
def test_a_damaged_folder_is_one_line(tmp_path, file, content, part):
    (evaluation(tmp_path) / file).write_text(content)
    with pytest.raises(UserError, match=part) as caught:
        load_human_study(tmp_path)
    assert "\n" not in str(caught.value)
