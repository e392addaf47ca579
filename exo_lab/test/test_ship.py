# SPDX-License-Identifier: Apache-2.0
"""`exo ship`: only what can be trained again from the repository gets into the packages; and what is there already."""

import hashlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from exo_lab.train.command_line import training_document
from exo_lab.train.ship import MANIFEST_FOLDERS, Repository, config_sources, main, training_inputs
from exo_lab.train.train_exo import parser
from exo_policy.checkpoint import load_checkpoint, save_checkpoint
from exo_policy.observation import exo_contract

ROOT = Path(__file__).resolve().parents[2]
#: Manifests of before `exo ship`, which nobody can train again: revisions with changes that are in no commit, inputs
#: that are not in the repository. A training that is shipped anew leaves this list; nothing may be added to it.
OLDER = {
    "exo_policy/exo_policy/checkpoints/ankle.json",
    "exo_policy/exo_policy/checkpoints/hip.json",
    "exo_policy/exo_policy/checkpoints/hip_ankle.json",
    "exo_sim/exo_sim/human/checkpoints/impaired_walker.json",
    "exo_sim/exo_sim/human/checkpoints/walker.json",
}
JOINTS = ("hip_flexion_r", "hip_flexion_l")
CONFIG = "config/soft.yaml"


def manifests():
    return sorted(str(p.relative_to(ROOT)) for folder in MANIFEST_FOLDERS for p in (ROOT / folder).rglob("*.json"))


def test_the_list_of_older_manifests_only_shrinks():
    assert set(manifests()) >= OLDER and len(OLDER) <= 5


@pytest.fixture(scope="module")
def known():
    """Checkpoints of this repository's history."""
    if not (ROOT / ".git").exists():
        pytest.skip("a source tree without its history")
    return Repository(ROOT).known_checkpoints()


@pytest.mark.parametrize("name", manifests())
def test_a_shipped_manifest_names_a_revision_and_inputs_that_exist(name, known):
    repository = Repository(ROOT)
    _, manifest = load_checkpoint(ROOT / name)
    config = manifest.training.config
    began = config.get("began_with_sha256") or {}
    inputs = config.get("inputs", {"human": began} if isinstance(began, str) else began)
    sound = (
        repository.holds(str(manifest.training.git_revision)) and set(inputs.values()) <= repository.known_checkpoints()
    )
    assert sound != (name in OLDER), "shipped anew: take it out of OLDER" if sound else "ship it with `exo ship`"


def git(folder, *arguments):
    identity = ["-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def checkpoint(path, kind="exo", seed=0, **training):
    random, contract = np.random.default_rng(seed), exo_contract(JOINTS, history=1)
    sizes = (contract.observation_size, 4, len(JOINTS))
    tensors = {"obs_mean": np.zeros(sizes[0], np.float32), "obs_std": np.ones(sizes[0], np.float32)}
    for i, (rows, columns) in enumerate(zip(sizes[1:], sizes[:-1], strict=True)):
        tensors[f"layer{i}.weight"] = random.normal(size=(rows, columns)).astype(np.float32)
        tensors[f"layer{i}.bias"] = np.zeros(rows, np.float32)
    manifest = {
        "kind": kind,
        "network": {"sizes": list(sizes)},
        "contract": contract.model_dump(),
        "training": training,
    }
    save_checkpoint(path, tensors, manifest)
    return load_checkpoint(path)[1].sha256


@dataclass
class Bench:
    """A repository with a shipped walker and a configuration, and a training and its evaluation outside it."""

    repository: Path
    run: Path
    evaluation: Path

    def ship(self, *more):
        return main(
            [
                str(self.run),
                "--as",
                "policy",
                "--evaluation",
                str(self.evaluation),
                "--repository",
                str(self.repository),
            ]
            + list(more)
        )

    def change(self, file, **changes):
        path = self.run / file if (self.run / file).exists() else self.evaluation / file
        document = json.loads(path.read_text())
        path.write_text(json.dumps({**document, **changes}))


@pytest.fixture
def bench(tmp_path):
    repository, run, evaluation = (tmp_path / name for name in ("repository", "run", "evaluation"))
    for folder in (repository / "config", run, evaluation):
        folder.mkdir(parents=True)
    git(repository, "init", "-q")
    walker = checkpoint(repository / MANIFEST_FOLDERS[1] / "walker", kind="human")
    (repository / CONFIG).write_text("reward: {torque: 1.0}\n")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "all")
    revision = git(repository, "rev-parse", "HEAD")
    document = {
        "config": {"device": {"name": "hip"}, "human_sha256": walker},
        "seed": 1,
        "git_revision": revision,
        "command": "exo train exo --config soft",
        "sources": config_sources([str(repository / CONFIG)], repository),
    }
    (run / "config.json").write_text(json.dumps(document))
    (run / "result.json").write_text(json.dumps({"checkpoint": "1_assistance/hip"}))
    policy = checkpoint(run / "1_assistance" / "hip", seed=2, git_revision=revision, samples=9)
    summary = {"configuration": {"policies": [{"sha256": policy}]}, "git_revision": revision}
    (evaluation / "summary.json").write_text(json.dumps(summary))
    (evaluation / "model_card.md").write_text("# Model card: hip\n")
    return Bench(repository, run, evaluation)


def test_a_training_that_can_be_repeated_is_shipped_with_its_card(bench, capsys):
    assert bench.ship() == 0
    written = [Path(line) for line in capsys.readouterr().out.split()]
    folder = bench.repository / MANIFEST_FOLDERS[0]
    assert set(written) == {folder / "hip.json", folder / "hip.safetensors", folder / "hip.md"}
    assert (folder / "hip.md").read_text() == "# Model card: hip\n"
    before, (tensors, manifest) = load_checkpoint(bench.run / "1_assistance" / "hip"), load_checkpoint(folder / "hip")
    assert manifest.sha256 == before[1].sha256 and manifest.training.samples == 9
    assert all(np.array_equal(tensors[name], before[0][name]) for name in tensors)
    assert "must not be used on people" in manifest.notes and "exo train exo --config soft" in manifest.notes
    assert manifest.training.config["inputs"]["human"] in Repository(bench.repository).known_checkpoints()


def dirty(bench):
    (bench.repository / CONFIG).write_text("reward: {torque: 2.0}\n")


def dirty_revision(bench):
    revision = json.loads((bench.run / "config.json").read_text())["git_revision"]
    bench.change("config.json", git_revision=f"{revision}-dirty")


def other_history(bench):
    bench.change("config.json", git_revision="0" * 40)


def other_configuration(bench):
    bench.change("config.json", sources={CONFIG: hashlib.sha256(b"reward: {torque: 3.0}\n").hexdigest()})


def configuration_outside(bench):
    own = bench.run / "own.yaml"
    own.write_text("reward: {torque: 1.0}\n")
    bench.change("config.json", sources=config_sources([str(own)], bench.repository))


def no_sources(bench):
    bench.change("config.json", sources=None)


def other_start(bench):
    bench.change("config.json", config={"device": {"name": "hip"}, "human_sha256": "ab" * 32})


def other_policy_measured(bench):
    bench.change("summary.json", configuration={"policies": [{"sha256": "ab" * 32}]})


def no_card(bench):
    (bench.evaluation / "model_card.md").unlink()


def unfinished(bench):
    (bench.run / "result.json").unlink()


@pytest.mark.parametrize(
    "spoil, said",
    [
        (dirty, "not committed"),
        (dirty_revision, "train again from a clean tree"),
        (other_history, "no commit of this history"),
        (other_configuration, CONFIG),
        (configuration_outside, "own.yaml"),
        (no_sources, "does not name its configuration files"),
        (other_start, "sha256 abababababab"),
        (other_policy_measured, "measured other policies"),
        (no_card, "exo evaluate exo"),
        (unfinished, "has no policy yet"),
    ],
)
def test_what_cannot_be_repeated_is_refused_in_one_line_and_nothing_is_written(bench, capsys, spoil, said):
    spoil(bench)
    assert bench.ship() == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and said in lines[0]
    assert not (bench.repository / MANIFEST_FOLDERS[0]).exists()


def test_a_training_says_where_its_settings_came_from(tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text("episode_s: 9.0\n")
    options = parser().parse_args(["--config", "exo_impaired", str(own)])
    document = training_document("exo train exo", options, {"human_sha256": "ab" * 32})
    shipped = ROOT / "exo_lab/exo_lab/train/exo_impaired.yaml"
    assert document["sources"] == {
        "exo_lab/exo_lab/train/exo_impaired.yaml": hashlib.sha256(shipped.read_bytes()).hexdigest(),
        str(own): hashlib.sha256(own.read_bytes()).hexdigest(),
    }
    assert document["command"].startswith("exo train exo --config exo_impaired")
    assert training_inputs(document) == {"human": "ab" * 32}
