# SPDX-License-Identifier: Apache-2.0
"""The command line hands training and evaluation on with all their options."""

import sys
import types

import pytest

from exo_bringup import cli, run_options
from exo_bringup.graph import describe_graph


@pytest.mark.parametrize("command, module", [("train", "exo_lab.train"), ("evaluate", "exo_lab.evaluate")])
@pytest.mark.parametrize("rest", [[], ["--help"], ["--seed", "3", "-v", "name", "--resume"]])
def test_the_rest_of_the_line_is_handed_on(monkeypatch, command, module, rest):
    seen = []
    monkeypatch.setattr(f"{module}.main", lambda argv, *report: seen.append(argv) or 4)
    assert cli.main([command, "human", *rest]) == 4
    assert seen == [rest]


def test_an_evaluation_of_the_walker_is_drawn_as_its_report(monkeypatch):
    from exo_lab.report.results import write_evaluation_report

    handed = []
    stub = types.ModuleType("exo_lab.evaluate")
    stub.main = lambda argv, report: handed.append(report) or 0
    monkeypatch.setitem(sys.modules, "exo_lab.evaluate", stub)
    assert cli.main(["evaluate", "human"]) == 0 and handed == [write_evaluation_report]


def test_the_device_s_policy_is_trained_by_the_same_command(monkeypatch):
    seen = []
    stub = types.ModuleType("exo_lab.train")
    stub.main = lambda argv, kind: seen.append((kind, argv)) or 0
    monkeypatch.setitem(sys.modules, "exo_lab.train", stub)
    assert cli.main(["train", "exo", "--seed", "1"]) == 0 and seen == [("exo", ["--seed", "1"])]


def test_the_emulator_gets_the_example_s_settings(monkeypatch):
    emulator = pytest.importorskip("exo_device.emulator")
    seen = []
    monkeypatch.setattr(emulator, "main", lambda argv, settings: seen.append((argv, settings)) or 0)
    assert cli.main(["emulate", "cubemars", "--fault", "dropped"]) == 0
    assert seen[0][0] == ["cubemars", "--fault", "dropped"] and seen[0][1].is_file()


def test_a_comparison_of_what_is_no_run_is_one_line(tmp_path, capsys):
    assert cli.main(["compare", str(tmp_path), "--output", str(tmp_path / "c.html")]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("words", [["film"], ["film", "--width", "1"]])
def test_a_film_of_what_is_no_run_is_one_line(tmp_path, capsys, words):
    assert cli.main([*words, str(tmp_path)]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("words", [[], ["fly"], ["train"], ["train", "dog"], ["report"]])
def test_what_is_not_a_command_exits_with_usage(words, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == 2 and "usage: exo" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["sim", "--help"],
        ["graph", "--help"],
        ["train", "--help"],
        ["evaluate", "--help"],
        ["report", "--help"],
    ],
)
def test_help_ends_well(words, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == 0 and "usage: exo" in capsys.readouterr().out


def test_an_error_of_any_package_is_one_line(monkeypatch, capsys):
    def fail(argv):
        raise ValueError("no such thing: choose another")

    stub = types.ModuleType("exo_lab.train")
    stub.main = fail
    monkeypatch.setitem(sys.modules, "exo_lab.train", stub)
    assert cli.main(["train", "human"]) == 1
    assert capsys.readouterr().err == "exo: no such thing: choose another\n"


def test_rviz_topics_are_left_out_where_the_viewer_shows_the_same():
    def visualization(*arguments):
        chosen = cli.build_parser().parse_args(arguments)
        nodes = describe_graph(run_options.graph_options_from_arguments(chosen))
        return "visualization_node" in {spec.name for spec in nodes}

    assert not visualization("sim") and visualization("sim", "--no-viewer")
    assert visualization("sim", "--visualization") and not visualization("sim", "--no-viewer", "--no-visualization")
    assert visualization("graph")
