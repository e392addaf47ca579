# SPDX-License-Identifier: Apache-2.0
"""`exo sim` with stand-ins for the nodes: order of the run, signals, broken children, orphans, bad input."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from mcap.reader import make_reader

from exo_bringup import cli
from exo_bringup.processes import GraphLock, ros_domain_id
from exo_bringup.run_options import RunOptions
from exo_bringup.runner import GraphSession
from exo_bringup.telemetry import FAULT_MODE, Telemetry
from exo_core.errors import UserError
from exo_device.devices import device_file

FAKE_EXO = Path(__file__).with_name("fake_exo.py")
#: On a loaded machine a process that imports rclpy may take many seconds.
PATIENCE_S = 90.0
DISCOVERY_ATTEMPTS = 5
FILES = {
    "config.yaml",
    "curves.csv",
    "gait.png",
    "recording.mcap",
    "run.json",
    "strides.json",
    "summary.json",
}

pytest.importorskip("rclpy")


@pytest.fixture(scope="module")
def free_domain():
    """A domain of our own, held against other test runs on this machine."""
    for domain in range(60, 71):  # above it are those of conftest.py
        try:
            lock = GraphLock(domain, "test_runner")
        except UserError:
            continue
        yield domain
        lock.release()
        return
    pytest.fail("no free ROS domain")


class Exo:
    """One run of the command line with stand-ins."""

    def __init__(self, folder, domain, *words, command="sim", **environment):
        self.folder = folder
        output = ["--output", str(folder)] if command == "sim" else []
        self.process = subprocess.Popen(
            [sys.executable, str(FAKE_EXO), command, *output, "--domain-id", str(domain), *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **({"TMPDIR": str(folder)} if command == "graph" else {}), **environment},
        )

    def finish(self):
        output = self.process.communicate(timeout=PATIENCE_S)[0]
        return self.process.returncode, output

    def wait_until(self, condition):
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert self.process.poll() is None, self.process.stdout.read()
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.05)

    def walking(self):
        """The recorder has put out messages: the graph is up."""
        return any(path.stat().st_size > 200_000 for path in self.folder.glob("*/recording.mcap"))

    @property
    def run(self):
        return next(self.folder.glob("*-sim"))


def processes_of(folder):
    """Processes whose command line names this folder, the runner itself aside."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if str(folder) in words and "fake_exo" not in words:
                found.append(words)
    return found


def wait_for_node(name, domain):
    """Until a node of this name is seen in the domain."""
    import rclpy

    context = rclpy.Context()
    rclpy.init(args=[], context=context, domain_id=domain)
    node = rclpy.create_node("looking", context=context)
    deadline = time.monotonic() + PATIENCE_S
    while name not in node.get_node_names():
        assert time.monotonic() < deadline, f"{name} did not come up"
        time.sleep(0.05)
    node.destroy_node()
    rclpy.shutdown(context=context)


def test_a_whole_run(tmp_path, free_domain):
    code, output = Exo(tmp_path, free_domain, "--duration", "8", "--seed", "5").finish()
    assert code == 0, output
    run = next(tmp_path.glob("*-sim"))
    assert FILES <= {path.name for path in run.iterdir()}
    assert json.loads((run / "fake_log.json").read_text()) == [
        " until 1",
        "unassisted until 4",
        " until 5",
        "assisted until 8",
    ]
    assert yaml.safe_load((run / "config.yaml").read_text())["seed"] == 5
    assert json.loads((run / "run.json").read_text())["complete"] is True
    with (run / "recording.mcap").open("rb") as stream:
        summary = make_reader(stream).get_summary()
        counts = {summary.channels[key].topic: n for key, n in summary.statistics.channel_message_counts.items()}
    assert counts["/human/state"] > 100 and counts["/exo/status"] > 10
    assert "metabolic_power_change" in output
    assert not processes_of(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_with_a_complete_folder(tmp_path, free_domain, number):
    exo = Exo(tmp_path, free_domain, "--duration", "3600")
    exo.wait_until(exo.walking)
    exo.process.send_signal(number)
    code, output = exo.finish()
    assert code == 128 + number, output
    assert FILES <= {path.name for path in exo.run.iterdir()}, output
    assert json.loads((exo.run / "run.json").read_text())["complete"] is False
    assert "Traceback" not in output and not processes_of(tmp_path)


def test_a_killed_runner_leaves_no_orphan(tmp_path, free_domain):
    exo = Exo(tmp_path, free_domain, "--duration", "3600")
    exo.wait_until(exo.walking)
    assert len(processes_of(tmp_path)) == 4
    exo.process.kill()
    exo.process.wait()
    deadline = time.monotonic() + PATIENCE_S
    while processes_of(tmp_path):
        assert time.monotonic() < deadline, processes_of(tmp_path)
        time.sleep(0.05)


def test_a_child_that_dies_is_named_with_its_last_words(tmp_path, free_domain):
    exo = Exo(tmp_path, free_domain, "--duration", "3600", FAKE_NODE_CRASH="policy_node:4")
    code, output = exo.finish()
    assert code == 1
    assert "policy_node ended by itself with exit code 3" in output
    assert "the stand-in breaks down" in output
    assert "Traceback" not in output and not processes_of(tmp_path)


def test_the_viewer_is_announced_and_a_run_does_not_need_it(tmp_path, free_domain):
    options = ("--duration", "40", "--viewer-port", "8123")
    code, output = Exo(tmp_path, free_domain, *options, FAKE_EXO_VIEWER="1", FAKE_NODE_CRASH="viewer_node:2").finish()
    assert code == 0, output
    assert "watch it in a browser: http://127.0.0.1:8123/" in output
    assert output.count("viewer_node has ended, all else goes on: the stand-in breaks down") == 1
    assert not processes_of(tmp_path)


def test_without_a_viewer_nobody_speaks_of_it(tmp_path, free_domain):
    code, output = Exo(
        tmp_path, free_domain, "--duration", "4", "--no-record", "--no-viewer", FAKE_EXO_VIEWER="1"
    ).finish()
    assert code == 0, output
    assert "browser" not in output and "viewer_node" not in output


def test_a_domain_in_use_is_refused_before_anything_starts(tmp_path, free_domain):
    lock = GraphLock(free_domain, "")
    try:
        code, output = Exo(tmp_path, free_domain).finish()
    finally:
        lock.release()
    assert code == 1 and "--domain-id" in output and "--namespace" in output and "Traceback" not in output


def test_a_graph_that_something_else_started_is_found(tmp_path, free_domain):
    simulator = subprocess.Popen(
        [
            sys.executable,
            str(FAKE_EXO.with_name("fake_node.py")),
            "simulator_node",
            "--ros-args",
            "-r",
            "__node:=simulator_node",
            "-p",
            "run_until_s:=0.0",
        ],
        env={**os.environ, "ROS_DOMAIN_ID": str(free_domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"},
    )
    try:
        wait_for_node("simulator_node", free_domain)
        # discovery takes as long as it takes on a busy machine: a run that came too early is made once more
        for _ in range(DISCOVERY_ATTEMPTS):
            code, output = Exo(tmp_path, free_domain).finish()
            if code != 0:
                break
    finally:
        simulator.kill()
        simulator.wait()
    assert code == 1 and "another exo_gait graph runs" in output and not processes_of(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_bare_graph_stays_until_a_signal(tmp_path, free_domain, number):
    exo = Exo(tmp_path, free_domain, "--namespace", "bare", command="graph")
    line = exo.process.stdout.readline()
    assert "the graph runs" in line, line + exo.process.stdout.read()
    assert len(processes_of(tmp_path)) == 3
    exo.process.send_signal(number)
    code, output = exo.finish()
    assert code == 0, output
    assert not processes_of(tmp_path)


def test_another_namespace_of_the_domain_is_free(tmp_path):
    first, second = GraphLock(1, "left", tmp_path), GraphLock(1, "right", tmp_path)
    with pytest.raises(UserError, match="/left"):
        GraphLock(1, "left", tmp_path)
    first.release()
    second.release()
    GraphLock(1, "left", tmp_path).release()


BAD_INPUT = [
    (["--controller", "magic"], "magic"),
    (["--controller", "learned", "--checkpoint", "no/such/file.safetensors"], "no/such/file"),
    (["--device", "shoe"], "hip_ankle"),
    (["--subject", "nobody"], "default"),
    (["--duration", "1"], "--duration"),
    (["--duration", "nan"], "--duration"),
    (["--speed", "-1"], "--speed"),
    (["--speed", "nan"], "--speed"),
    (["--speed", "0.3"], "--speed must be 0.6 to 1.8 m/s, got 0.3"),
    (["--seed", "-1"], "--seed"),
    (["--domain-id", "999"], "domain"),
    (["--namespace", "1st"], "--namespace"),
    (["--name", "a/b"], "--name"),
    (["--viewer-port", "99999"], "--viewer-port"),
]


@pytest.mark.parametrize("words, text", BAD_INPUT, ids=[" ".join(words) for words, _ in BAD_INPUT])
def test_bad_input_is_one_clear_line(tmp_path, capsys, words, text):
    assert cli.main(["sim", "--output", str(tmp_path / "runs"), *words]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("exo: ") and text in lines[0], lines
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "content, text",
    [
        ("name: a\nmass_kg: -3\n", "mass_kg"),
        ("name: a\nshoe_size: 43\n", "shoe_size"),
        ("a: [", "someone.yaml:1: expected"),
        ("strengths: {elbow_r: 0.5}\n", "elbow_r"),
    ],
)
def test_bad_subject_files_are_one_clear_line(tmp_path, capsys, content, text):
    path = tmp_path / "someone.yaml"
    path.write_text(content)
    assert cli.main(["sim", "--output", str(tmp_path / "runs"), "--subject", str(path)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and "someone.yaml" in lines[0] and text in lines[0], lines


def test_a_device_file_with_a_negative_mass_is_one_clear_line(tmp_path, capsys):
    shipped = device_file("hip_ankle")
    path = tmp_path / "light.yaml"
    path.write_text(shipped.read_text().replace("mass_kg: ", "mass_kg: -", 1))
    assert cli.main(["sim", "--output", str(tmp_path / "runs"), "--device", str(path)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and "light.yaml" in lines[0] and "mass_kg" in lines[0], lines


def test_an_output_that_cannot_be_written_is_one_clear_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert cli.main(["sim", "--output", str(tmp_path / "file")]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and "--output" in lines[0], lines


def test_an_unknown_option_exits_with_usage(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["sim", "--warp"])
    assert caught.value.code == 2 and "--warp" in capsys.readouterr().err


def test_help_explains_without_importing_anything_heavy():
    code = (
        "import sys; from exo_bringup.cli import build_parser; text = build_parser().format_help(); "
        "assert 'exoskeleton' in text; print(sorted({'numpy', 'rclpy', 'mujoco', 'rich'} & set(sys.modules)))"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        ).stdout.strip()
        == "[]"
    )


def test_the_domain_comes_from_the_environment_unless_chosen(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", "17")
    assert ros_domain_id(None) == 17 and ros_domain_id(3) == 3
    monkeypatch.setenv("ROS_DOMAIN_ID", "")
    assert ros_domain_id(None) == 0
    monkeypatch.setenv("ROS_DOMAIN_ID", "many")
    with pytest.raises(UserError, match="many"):
        ros_domain_id(None)


def test_phases_cover_the_run_and_short_ones_still_measure():
    for duration in (4.0, 8.0, 40.0, 600.0):
        phases = RunOptions(duration_s=duration).phases()
        ends = [phase.until_s for phase in phases]
        assert ends == sorted(ends) and ends[-1] == duration and ends[1] == duration / 2.0
        assert [phase.assisted for phase in phases] == [False, False, True, True]


def test_the_configuration_says_nothing_about_where_it_ran():
    configuration = RunOptions(output="/somewhere", domain_id=3).configuration()
    assert "somewhere" not in json.dumps(configuration) and "namespace" not in configuration


@pytest.mark.parametrize("latched, called", [(("STALE_COMMAND",), ["disarm", "arm"]), (("USER_STOP",), [])])
def test_the_runner_takes_back_a_fault_but_no_persons_stop(latched, called):
    said, calls = [], []
    session = SimpleNamespace(
        telemetry=Telemetry(),
        display=SimpleNamespace(complain=said.append),
        node=SimpleNamespace(arm="arm", disarm="disarm"),
        call=lambda service, _: calls.append(service),
    )
    session.telemetry.device_status(FAULT_MODE, "why", latched, 100.0, 0.0)
    GraphSession.arm(session)
    assert calls == called and len(said) == 1
    assert ("exo/disarm" in said[0]) == (latched == ("USER_STOP",))
