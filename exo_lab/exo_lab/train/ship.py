# SPDX-License-Identifier: Apache-2.0
"""`exo ship`: puts what a training left into the packages, if it could be trained again from the repository."""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from exo_core.errors import ExitCode, UserError
from exo_core.files import whole_file
from exo_lab.conditions import RESULT_FILE
from exo_policy.checkpoint import CheckpointError, checkpoint_files, load_checkpoint, save_checkpoint
from exo_policy.manifest import Manifest

COMMAND = "exo ship"
EXO_FOLDER, HUMAN_FOLDER = Path("exo_policy/exo_policy/checkpoints"), Path("exo_sim/exo_sim/human/checkpoints")
#: Where a training's checkpoint goes in the repository, by --as; {device} is the name of the device.
PLACES = {
    "policy": EXO_FOLDER / "{device}",
    "patients": EXO_FOLDER / "patients" / "{device}",
    "patients_told": EXO_FOLDER / "patients_told" / "{device}",
    "walker": HUMAN_FOLDER / "walker",
    "impaired_walker": HUMAN_FOLDER / "impaired_walker",
    "nerves": HUMAN_FOLDER / "nerves",
}
#: Kind of a checkpoint by place, and where it lies in a run, best first; the others are policies of a device.
HUMANS = {
    "walker": ("human", ("best", "human")),
    "impaired_walker": ("human", ("best", "human")),
    "nerves": ("nerves", ("reinforcement/best", "imitation/best")),
}
#: Where every package's shipped manifests lie.
MANIFEST_FOLDERS = (EXO_FOLDER, HUMAN_FOLDER)
REVISION = re.compile(r"[0-9a-f]{40}")
CONFIG_FILE, SOURCES = "config.json", "sources"
#: What evaluations and model cards are called in an evaluation's folder.
CARD_FILE, SUMMARY_FILE = "model_card.md", "summary.json"
NOTES = (
    "Trained in simulation by `{command}`{card}. Measured on a simulated body alone: it must not be used on people "
    "without a safety case of its own."
)


def parser() -> argparse.ArgumentParser:
    """Command line of `exo ship`."""
    p = argparse.ArgumentParser(
        prog=COMMAND,
        description="Put a training's checkpoint, its manifest and its model card into the packages. Refused unless "
        "the repository is clean and holds revision, configuration and starting checkpoints of the training.",
    )
    p.add_argument("run", metavar="RUN", help="folder that `exo train` wrote")
    p.add_argument(
        "--as", dest="place", choices=tuple(PLACES), required=True, help="which shipped checkpoint it becomes"
    )
    p.add_argument(
        "--evaluation",
        metavar="DIR",
        help="folder that `exo evaluate exo` wrote for it; its model card goes beside the checkpoint of a policy",
    )
    p.add_argument("--checkpoint", default="", metavar="NAME", help="of a walker's folder (default: the best)")
    p.add_argument("--repository", default="", metavar="DIR", help="the source tree (default: that of this command)")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Ships; returns the exit code."""
    options = parser().parse_args(argv)
    try:
        for path in ship(options):
            print(path)
    except (UserError, CheckpointError, OSError) as error:
        print(f"{COMMAND}: {error}", file=sys.stderr)
        return ExitCode.BAD_INPUT
    return 0


def ship(options: argparse.Namespace) -> list[Path]:
    """Checks everything, then writes; returns what was written, for a commit.

    Raises:
        UserError, CheckpointError: what cannot be shipped, in one line that says what to do.
    """
    repository = Repository(Path(options.repository) if options.repository else Path(__file__).resolve().parent)
    repository.require_clean()
    run = Path(options.run)
    document = _document(run)
    checkpoint = _checkpoint(run, options.place, options.checkpoint)
    tensors, manifest = load_checkpoint(checkpoint, kind=HUMANS[options.place][0] if options.place in HUMANS else "exo")
    for revision in {str(document.get("git_revision")), str(manifest.training.git_revision)}:
        repository.require_revision(revision)
    sources = document.get(SOURCES)
    if sources is None:
        raise UserError(f"{run / CONFIG_FILE} does not name its configuration files; train again with this version")
    for name, digest in sources.items():
        repository.require_file(name, digest, str(document["git_revision"]))
    inputs = training_inputs(document)
    for who, digest in inputs.items():
        if digest not in repository.known_checkpoints():
            raise UserError(
                f"{run} began with a checkpoint ({who}, sha256 {digest[:12]}) that is not in the repository; "
                "ship that one first and train again"
            )
    card = _card(options.evaluation, manifest, repository) if manifest.kind == "exo" else None
    target = repository.root / str(PLACES[options.place]).format(device=_device(document))
    command = str(document.get("command", "exo train"))
    notes = NOTES.format(command=command, card=f", see {target.name}.md beside this file" if card else "")
    record = manifest.training.model_copy(update={"config": {**manifest.training.config, "inputs": inputs}})
    written = [save_checkpoint(target, tensors, manifest.model_copy(update={"training": record, "notes": notes}))]
    written.append(checkpoint_files(target)[0])
    if card is not None:
        written.append(target.with_suffix(".md"))
        with whole_file(written[-1]) as file:
            file.write(card)
    return written


def training_inputs(document: dict) -> dict[str, str]:
    """Digests of the checkpoints that a training began with, by who, from its config.json; none of one from nothing."""
    config = document.get("config", {})
    named = {who: config.get(f"{who}_sha256") for who in ("human", "init", "teacher", "impaired")}
    began = config.get("began_with_sha256")
    if isinstance(began, str):
        named["human"] = began
    return {who: digest for who, digest in named.items() if digest}


@dataclass(frozen=True)
class Repository:
    """The git repository that a path lies in.

    Raises:
        UserError: it lies in none.
    """

    path: Path

    @property
    def root(self) -> Path:
        """Its top folder."""
        return Path(self._git("rev-parse", "--show-toplevel").strip())

    def require_clean(self) -> None:
        """Raise UserError where tracked files differ from the commit."""
        changed = self._git("status", "--porcelain", "--untracked-files=no").split("\n")[0].strip()
        if changed:
            raise UserError(f"{self.root} has changes that are not committed ({changed}); commit or undo them")

    def holds(self, revision: str) -> bool:
        """Whether a revision is a full commit of this history."""
        return bool(REVISION.fullmatch(revision)) and self._ok("merge-base", "--is-ancestor", revision, "HEAD")

    def require_revision(self, revision: str) -> None:
        """Raise UserError unless a training's revision is a clean commit of this history."""
        if not self.holds(revision):
            raise UserError(
                f"the training ran on revision {revision}, which is no commit of this history; commit what it needs "
                "and train again from a clean tree"
            )

    def require_file(self, name: str, digest: str, revision: str) -> None:
        """Raise UserError unless a revision holds this file with this SHA-256."""
        try:
            content = self._git_bytes("show", f"{revision}:{name}")
        except UserError:
            content = b""
        if hashlib.sha256(content).hexdigest() != digest:
            raise UserError(
                f"the configuration {name} of the training is not in the repository at {revision[:12]}; commit it, "
                "give it to `exo train` from there and train again"
            )

    def known_checkpoints(self) -> set[str]:
        """SHA-256 of every checkpoint that is shipped, or was in some commit of this history."""
        folders = [str(folder) for folder in MANIFEST_FOLDERS]
        revisions = self._git("log", "--format=%H", "--", *folders).split()
        found = set(
            re.findall(
                r'"sha256": "([0-9a-f]{64})"',
                "".join(
                    path.read_text(encoding="utf-8")
                    for folder in folders
                    for path in (self.root / folder).rglob("*.json")
                ),
            )
        )
        for revision in revisions:
            lines = self._git("grep", "-hE", '"sha256": "[0-9a-f]{64}"', revision, "--", *folders, may_fail=True)
            found |= set(re.findall(r'"sha256": "([0-9a-f]{64})"', lines))
        return found

    def _git_bytes(self, *arguments: str, may_fail: bool = False) -> bytes:
        try:
            return subprocess.run(
                ["git", "-C", str(self.path), *arguments], capture_output=True, check=not may_fail
            ).stdout
        except (OSError, subprocess.CalledProcessError) as error:
            raise UserError(
                f"{self.path}: git {arguments[0]} fails there; give --repository, a git checkout"
            ) from error

    def _git(self, *arguments: str, may_fail: bool = False) -> str:
        return self._git_bytes(*arguments, may_fail=may_fail).decode()

    def _ok(self, *arguments: str) -> bool:
        return (
            subprocess.run(["git", "-C", str(self.path), *arguments], capture_output=True, check=False).returncode == 0
        )


def config_sources(paths: Sequence[str], package: Path) -> dict[str, str]:
    """SHA-256 of the configuration files that a training was given, by their path in the repository.

    One outside the repository keeps its path as it was given, which no commit holds: such a training is never shipped.

    Args:
        paths: files, or names of shipped ones.
        package: folder of the shipped ones.
    """
    sources = {}
    for given in paths:
        shipped = package / f"{given}.yaml"
        path = shipped if not Path(given).exists() and shipped.is_file() else Path(given)
        try:
            root = Repository(package).root
            name = str(path.resolve().relative_to(root))
        except (UserError, ValueError):
            name = str(given)
        sources[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return sources


def _document(run: Path) -> dict:
    try:
        return json.loads((run / CONFIG_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{run} holds no training that can be read ({error}); give a folder that `exo train` wrote"
        ) from error


def _checkpoint(run: Path, place: str, name: str) -> Path:
    if place in HUMANS:
        kind, usual = HUMANS[place]
        names = (name,) if name else usual
        for stem in names:
            if checkpoint_files(run / stem)[1].is_file():
                return run / stem
        raise UserError(f"{run} holds no checkpoint {' or '.join(names)}; let `exo train {kind}` go on")
    try:
        return run / json.loads((run / RESULT_FILE).read_text(encoding="utf-8"))["checkpoint"]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{run}: the training has no policy yet; `exo train exo --output {run}` goes on with it"
        ) from error


def _device(document: dict) -> str:
    device = document.get("config", {}).get("device")
    return device["name"] if isinstance(device, dict) else ""


def _card(evaluation: str | None, manifest: Manifest, repository: Repository) -> str:
    """The model card of a clean evaluation of exactly this policy."""
    if not evaluation:
        raise UserError("a policy is shipped with its model card; give --evaluation, the folder of `exo evaluate exo`")
    folder = Path(evaluation)
    try:
        summary = json.loads((folder / SUMMARY_FILE).read_text(encoding="utf-8"))
        measured = {policy["sha256"] for policy in summary["configuration"]["policies"]}
        card = (folder / CARD_FILE).read_text(encoding="utf-8")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder} is no evaluation with a model card ({error}); run `exo evaluate exo RUN`") from error
    if measured != {manifest.sha256}:
        raise UserError(f"{folder} measured other policies than this one; evaluate this one alone")
    repository.require_revision(str(summary.get("git_revision")))
    return card


if __name__ == "__main__":
    sys.exit(main())
