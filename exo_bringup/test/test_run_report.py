# SPDX-License-Identifier: Apache-2.0
"""The HTML report of a run, and of several side by side."""

import dataclasses
import importlib.util
import json
import math
import re
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from exo_bringup import cli
from exo_bringup.run_options import RunOptions, options_from_arguments
from exo_core.errors import UserError
from exo_lab.report.figures import sample_sd
from exo_lab.report.results import report_again
from exo_lab.report.run import (
    _conditions,
    command_line,
    label_runs,
    one_line,
    stride_range,
    write_comparison_page,
    write_report_page,
)
from exo_lab.report.run_data import load_run
from exo_lab.run_folder import RunFolder
from exo_sim.errors import GaitError, SimError
from exo_sim.gait.curves import PHASE_PERCENT, Curve, CurveTable

_SPEC = importlib.util.spec_from_file_location("made_up_walk", Path(__file__).with_name("made_up_walk.py"))
made_up = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(made_up)

LONG_COMMAND = "sim --lockstep --speed 1.1 --duration 20 --subject light --device hip --controller spline --seed 7"
ORDER = [
    "angles",
    "moments",
    "powers",
    "forces",
    "muscles",
    "device",
    "metabolic",
    "symmetry",
    "strides",
    "health",
    "targets",
    "reproduction",
]


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """A run with its report, drawn once; not to be changed."""
    folder = made_up.run_folder(tmp_path_factory.mktemp("runs"))
    report_again(str(folder.path), strict=False)
    return folder


@pytest.fixture
def run(reported, tmp_path):
    """A copy of it to be changed."""
    shutil.copytree(reported.path, tmp_path / reported.path.name)
    return RunFolder(tmp_path / reported.path.name)


def _changed(file, place, value):
    content = json.loads(file.read_text())
    *way, last = place
    inner = content
    for key in way:
        inner = inner[key]
    inner[last] = value
    file.write_text(json.dumps(content))


@pytest.mark.parametrize(
    "name, place, value, word",
    [
        ("run.json", ["falls"], 10**400, "falls"),
        ("run.json", ["falls"], float("inf"), "falls"),
        ("run.json", ["device_faults"], [[]], "device_faults"),
        ("run.json", ["complete"], {}, "complete"),
        ("run.json", ["changes"], "the speed", "changes"),
        ("strides.json", [1, "speed"], {"a": 1}, "speed"),
        ("strides.json", [1, "duration"], 10**400, "duration"),
        ("strides.json", [0, "condition"], True, "condition"),
        ("strides.json", [0], "no stride", "strides.json"),
        ("strides.json", [0, "metabolic_power_per_mass"], [[]], "metabolic_power_per_mass"),
    ],
)
def test_a_file_that_no_run_has_written_so_is_one_line_with_its_name(tmp_path, name, place, value, word, undrawn):
    folder = made_up.run_folder(tmp_path)
    _changed(folder.path / name, place, value)
    with pytest.raises(UserError) as caught:
        report_again(str(folder.path), strict=False)
    said = str(caught.value)
    assert name in said and word in said and "\n" not in said and len(said) < 400


@pytest.mark.parametrize(
    "name, value", [("speed_mps", None), ("speed_mps", 10**400), ("subject", 3), ("phases", "all")]
)
def test_a_configuration_that_no_run_has_written_so_is_one_line(tmp_path, name, value, undrawn):
    folder = made_up.run_folder(tmp_path, **{name: value})
    with pytest.raises(UserError, match=f"config.yaml is damaged: {name} is "):
        report_again(str(folder.path), strict=False)


def test_a_run_that_ended_early_is_reported_and_its_falls_are_not_known(tmp_path):
    folder = made_up.run_folder(tmp_path)
    folder.record.unlink()
    assert report_again(str(folder.path), strict=True) == 1
    figures = {f["name"]: f for f in json.loads(folder.summary.read_text())["figures"]}
    for name in ("falls", "device_faults"):
        assert figures[name]["value"] is None and figures[name]["met"] is False


def test_strides_have_a_sample_sd_and_one_alone_has_none():
    assert sample_sd(np.array([1.0, 2.0, 4.0])) == pytest.approx(math.sqrt(7.0 / 3.0))
    assert math.isnan(sample_sd(np.array([1.0]))) and math.isnan(sample_sd(np.array([])))


def test_what_somebody_changed_under_way_stands_at_the_top(tmp_path):
    record = {"falls": 0, "device_faults": [], "complete": True, "changes": ["At 12.5 s the wearer was changed"]}
    folder = made_up.run_folder(tmp_path, record=record)
    assert "At 12.5 s the wearer was changed." in load_run(folder.path).notes


def page_of(folder) -> str:
    return write_report_page(folder.path).read_text(encoding="utf-8")


def test_the_report_lies_beside_the_files_and_is_small(reported):
    path = reported.path / "report.html"
    assert path.stat().st_size < 3_000_000


def test_the_report_needs_nothing_from_outside_and_no_script(reported):
    page = (reported.path / "report.html").read_text()
    links = set(re.findall(r'(?<!xlink:)(?:href|src)="([^"]*)"', page))
    assert links == {f"#{name}" for name in ORDER}
    assert all(
        link[0] == "#" or link.startswith("data:image/png") for link in re.findall(r'xlink:href="([^"]*)"', page)
    )
    assert not re.search(r"<script|<link|<img|url\((?!#)|@import|@font-face", page)
    namespaces = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert set(re.findall(r"https?://[^\"'\s<]+", page)) == namespaces


def test_every_figure_is_well_formed_svg_with_a_title(reported):
    figures = re.findall(r"<figure>(<svg.*?</svg>)</figure>", (reported.path / "report.html").read_text(), re.DOTALL)
    assert len(figures) > 20
    for figure in figures:
        root = ElementTree.fromstring(figure)
        assert root.find("{http://www.w3.org/2000/svg}title").text
        assert "nan" not in figure and "inf" not in re.sub(r"<t(itle|ext).*?</t(itle|ext)>", "", figure)


def test_the_summary_comes_first_and_the_sections_follow_in_order(reported):
    page = (reported.path / "report.html").read_text()
    header = page[page.index("<header>") : page.index("</header>")]
    assert "lowered metabolic power by 19.9 %, from 6.00 to 4.80 W/kg" in header and header.count("<figure>") == 1
    assert re.findall(r'<h2 id="(\w+)"', page) == ORDER
    assert "@media print" in page and "@page" in page


def test_what_is_missing_is_said(reported, run, undrawn):
    run.summary.unlink()
    run.record.unlink()
    page = page_of(run)
    assert "summary.json is missing" in page and "run.json is missing" in page
    assert "there is no recording" in page  # where the cost by muscle group would be
    # moments are not in the made-up curves, and their panels say so
    assert "not measured" in (reported.path / "report.html").read_text()


def test_strides_left_out_are_said_by_condition_and_side(run, undrawn):
    counts = [
        {"condition": "assisted", "speed_mps": 1.25, "side": side, "strides": 40, "left_out": lost}
        for side, lost in (("r", 12), ("l", 2))
    ]
    (run.path / "stride_counts.json").write_text(json.dumps(counts))
    page = page_of(run)
    assert "assisted at 1.25 m/s: 12 of 52 strides of the right leg are left out" in page
    assert "strides of the left leg are left out" not in page
    (run.path / "stride_counts.json").write_text("[{}]")
    with pytest.raises(GaitError, match="stride_counts.json is damaged"):
        page_of(run)


def test_a_leg_without_strides_is_said(tmp_path, undrawn):
    curves, strides = made_up.synthetic.walk()
    right = CurveTable(c for c in curves if (c.condition, c.side) != ("assisted", "l"))
    page = page_of(made_up.run_folder(tmp_path, walk=(right, strides)))
    assert "no curves of the left leg assisted" in page


def test_a_run_that_fell_at_once_still_has_a_report(tmp_path, undrawn):
    folder = made_up.run_folder(tmp_path, walk=(CurveTable(), []), record={"falls": 3, "device_faults": ["BUS_LOST"]})
    page = page_of(folder)
    assert "curves.csv is empty" in page and "3 falls, BUS_LOST" in page


def test_targets_are_marked_in_words(run, undrawn):
    run.summary.write_text(run.summary.read_text().replace('"met": true', '"met": false', 1))
    page = page_of(run)
    assert page.count("\N{MULTIPLICATION SIGN} missed") == 1 and page.count("\N{CHECK MARK} met") == 11


def test_text_from_outside_cannot_break_the_page(tmp_path, undrawn):
    folder = made_up.run_folder(tmp_path, device="<b>&'\"", record={"falls": 0, "device_faults": ["<i>"]})
    page = page_of(folder)
    assert "<b>&'" not in page and "<i>" not in page and "&lt;i&gt;" in page


@pytest.mark.parametrize(
    "file, content",
    [
        ("summary", "{"),
        ("record", "[]"),
        ("strides", '[{"a": 1}]'),
        ("curves", "x,y\n1,2\n"),
        ("configuration", "a: ["),
    ],
)
def test_a_damaged_file_is_one_line_that_names_it(run, file, content, undrawn):
    path = getattr(run, file)
    path.write_text(content)
    with pytest.raises((UserError, GaitError)) as caught:
        write_report_page(run.path)
    assert path.name in str(caught.value) and "\n" not in str(caught.value)


def test_a_folder_that_no_run_wrote_is_refused(tmp_path):
    with pytest.raises(UserError, match="not the folder of a run"):
        write_report_page(tmp_path)


def test_the_device_is_found_as_the_run_found_it(tmp_path):
    for name, wanted in (("hip", "hip"), ("config/devices/ankle.yaml", "ankle"), ("none", None)):
        device = load_run(made_up.run_folder(tmp_path, device=name).path).device()
        assert (device.name if device else None) == wanted
    with pytest.raises(UserError, match="gone.yaml"):
        load_run(made_up.run_folder(tmp_path, device="/nowhere/gone.yaml").path).device()


def test_the_subject_may_be_gone(tmp_path, undrawn):
    page = page_of(made_up.run_folder(tmp_path, subject="/nowhere/person.yaml"))
    assert "is no longer where it was" in page


@pytest.mark.parametrize(
    "unassisted, assisted, words",
    [
        (6.0, 4.8, "lowered metabolic power by 20.0 %"),
        (6.0, 6.6, "raised metabolic power by 10.0 %"),
        (6.0, 6.01, "left metabolic power as it was"),
        (6.0, None, "does not show what assistance does"),
    ],
)
def test_the_summary_line_says_which_way_it_went(tmp_path, unassisted, assisted, words):
    powers = {"unassisted": unassisted, "assisted": assisted}
    strides = [
        {"condition": condition, "side": "r", "start": 30.0, "end": 31.0, "metabolic_power_per_mass": power}
        for condition, power in powers.items()
    ]
    folder = made_up.run_folder(tmp_path, walk=(CurveTable(), strides))
    assert words in one_line(load_run(folder.path))


def test_strides_of_a_fading_phase_do_not_count(tmp_path):
    run = load_run(made_up.run_folder(tmp_path).path)
    begins = {"unassisted": 4.0, "assisted": 24.0}
    assert run.strides and all(s["start"] >= begins[s["condition"]] for s in run.strides)


def test_the_command_makes_the_same_configuration():
    parser = cli.build_parser()
    for options in (
        RunOptions(),
        options_from_arguments(parser.parse_args(LONG_COMMAND.split())),
    ):
        words = command_line(options.configuration()).split()
        assert words[:2] == ["exo", "sim"]
        assert options_from_arguments(parser.parse_args(words[1:])).configuration() == options.configuration()


def test_runs_side_by_side_say_what_sets_them_apart(tmp_path):
    runs = [
        made_up.run_folder(tmp_path, name, subject=subject)
        for name, subject in (("first", "default"), ("second", "light"))
    ]
    output = write_comparison_page([folder.path for folder in runs], tmp_path / "comparison.html")
    page = output.read_text()
    assert "2 runs side by side" in page and "A default" in page and "B light" in page
    assert all(folder.path.name in page for folder in runs)
    assert page.count("Hip flexion</text>") == 2 and output.stat().st_size < 3_000_000


def test_runs_side_by_side_share_their_scales(tmp_path):
    phase = PHASE_PERCENT
    tables = [
        CurveTable([Curve("assisted", 1.25, "r", "knee_flexion", phase, np.full(101, level), np.zeros(101))])
        for level in (0.0, 90.0)
    ]
    runs = [load_run(made_up.run_folder(tmp_path, str(i), walk=(table, [])).path) for i, table in enumerate(tables)]
    low, high = stride_range(runs, "knee_flexion")
    assert low <= 0.0 and high >= 90.0
    assert stride_range(runs, "hip_rotation") is None and _conditions(runs) == ["assisted"]


def test_one_run_or_too_many_cannot_be_compared(tmp_path):
    folder = made_up.run_folder(tmp_path)
    for count in (1, 5):
        with pytest.raises(UserError, match="2 to 4"):
            write_comparison_page([folder.path] * count, tmp_path / "x.html")


def test_equal_runs_get_a_letter(tmp_path):
    run = load_run(made_up.run_folder(tmp_path).path)
    assert [r.label for r in label_runs([run, dataclasses.replace(run)])] == ["A", "B"]


def test_a_place_that_cannot_be_written_is_one_line(tmp_path, undrawn):
    folders = [made_up.run_folder(tmp_path, name).path for name in "ab"]
    with pytest.raises(UserError, match="cannot write"):
        write_comparison_page(folders, tmp_path / "nowhere" / "x.html")


def test_unknown_subject_errors_are_those_that_load_run_catches():
    from exo_sim.body.subject import load_subject

    with pytest.raises(SimError):
        load_subject("/nowhere/person.yaml")
