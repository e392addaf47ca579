# SPDX-License-Identifier: Apache-2.0
import csv
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml

from exo_lab.train.train_human import main
from exo_sim.human.checkpoint import load_human
from exo_sim.human.observation import OBSERVATION_SIZE, action_mirror_index, mirror_map

SMALL = {
    "envs_per_worker": 2,
    "workers": 1,
    "ppo": {"steps_per_iteration": 16, "epochs": 1, "mini_batches": 2, "hidden_layers": [16, 16]},
}


@pytest.fixture
def config_file(tmp_path):
    file = tmp_path / "small.yaml"
    file.write_text(yaml.safe_dump(SMALL))
    return file


def samples_logged(folder):
    with (folder / "metrics.csv").open() as stream:
        return [int(float(row["samples"])) for row in csv.DictReader(stream)]


def test_trains_writes_everything_and_resumes_where_it_was(tmp_path, config_file):
    run = tmp_path / "run"
    arguments = ["--config", str(config_file), "--output", str(run), "--seed", "3"]
    assert main([*arguments, "--samples", "64"]) == 0
    assert samples_logged(run) == [32, 64]
    assert main([*arguments, "--samples", "128"]) == 0
    assert samples_logged(run) == [32, 64, 96, 128]
    document = json.loads((run / "config.json").read_text())
    assert document["seed"] == 3 and document["config"]["envs_per_worker"] == 2 and document["git_revision"]
    assert list((run / "tensorboard").glob("events*"))
    manifest = json.loads((run / "human.json").read_text())
    assert manifest["kind"] == "human" and manifest["training"]["samples"] == 128
    policy = load_human(run / "human")
    index, sign = mirror_map()
    observation = np.random.default_rng(0).normal(size=(3, OBSERVATION_SIZE)).astype(np.float32)
    action, mirrored = policy(observation), policy(observation[:, index] * sign)
    assert mirrored == pytest.approx(action[:, action_mirror_index()], abs=1e-5)


def test_killed_training_resumes_and_sigint_saves(tmp_path, config_file):
    run = tmp_path / "run"
    command = [sys.executable, "-m", "exo_lab.train.train_human", "--config", str(config_file), "--output", str(run)]
    process = subprocess.Popen(
        [*command, "--samples", "1000000"], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 90.0
    while not ((run / "metrics.csv").exists() and len(samples_logged(run)) > 1):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C reaches trainer and workers alike
    assert process.wait(timeout=30) == 0
    done = samples_logged(run)[-1]
    assert (run / "state.safetensors").exists() and (run / "human.safetensors").exists()
    assert main(["--config", str(config_file), "--output", str(run), "--samples", str(done + 32)]) == 0
    assert samples_logged(run)[-1] == done + 32


def test_bad_input_is_one_line_and_exit_code_2(tmp_path, capsys, config_file):
    bad = tmp_path / "bad.yaml"
    bad.write_text("envs_per_worker: many")
    assert main(["--config", str(bad), "--output", str(tmp_path / "a")]) == 2
    assert main(["--config", str(config_file), "--output", str(tmp_path / "b"), "--init", "/nowhere/x"]) == 2
    broken = tmp_path / "c"
    broken.mkdir()
    (broken / "state.safetensors").write_bytes(b"not a state")
    assert main(["--config", str(config_file), "--output", str(broken), "--samples", "32"]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 3 and "envs_per_worker" in lines[0] and "resume" in lines[2]


def test_another_training_is_refused_and_leaves_the_folder_as_it_was(tmp_path, capsys, config_file):
    run, changed = tmp_path / "run", tmp_path / "changed.yaml"
    arguments = ["--output", str(run), "--samples"]
    assert main(["--config", str(config_file), "--seed", "1", *arguments, "32"]) == 0
    before = {file.name: file.read_bytes() for file in run.iterdir() if file.is_file()}
    trials = [
        ({"reward": {"pose": 3.0}}, ["--seed", "9"], ("seed", "config.reward")),
        ({"ppo": {**SMALL["ppo"], "hidden_layers": [8, 8]}}, ["--seed", "1"], ("config.ppo",)),
        ({}, ["--seed", "1", "--init", str(run / "human")], ("config.init_sha256",)),
    ]
    capsys.readouterr()
    for changes, more, words in trials:
        changed.write_text(yaml.safe_dump({**SMALL, **changes}))
        assert main(["--config", str(changed), *more, *arguments, "64"]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert "holds another training" in line and all(word in line for word in words), line
        assert {file.name: file.read_bytes() for file in run.iterdir() if file.is_file()} == before


def test_a_full_disk_is_one_line_and_the_state_of_before_stays_whole(tmp_path, config_file):
    run = tmp_path / "run"
    arguments = ["--config", str(config_file), "--output", str(run), "--seed", "3", "--samples"]
    assert main([*arguments, "32"]) == 0
    state = (run / "state.safetensors").read_bytes()
    script = (
        "import resource, sys; from exo_lab.train.train_human import main; "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({len(state) // 2},) * 2); sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run([sys.executable, "-c", script, *arguments, "64"], capture_output=True, text=True, timeout=180)
    said = [line for line in done.stderr.splitlines() if line.startswith("exo train human")]
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert len(said) == 1 and "make room" in said[0] and "goes on from it" in said[0]
    assert (run / "state.safetensors").read_bytes() == state
    assert not (run / "state.partial").exists()
    assert main([*arguments, "64"]) == 0
    assert samples_logged(run)[-1] == 64
