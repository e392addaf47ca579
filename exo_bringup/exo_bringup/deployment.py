# SPDX-License-Identifier: Apache-2.0
"""A trained policy over topics: `exo sim` as anybody would run it, and what it says about metabolic cost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from exo_core.errors import UserError
from exo_lab.evaluate.exo import LOCKSTEP, TopicWalk
from exo_sim.human.checkpoint import find_human

#: Figure of `exo sim`'s summary: metabolic power of the assisted half against the unpowered one (%).
CHANGE = "metabolic_power_change"
#: Wall time that a run may take beyond its simulated time on a busy machine.
PATIENCE = 20.0


def walk_over_topics(walk: TopicWalk) -> float:
    """Walks with simulator, device and policy as nodes; returns the change of metabolic power (%).

    Raises:
        UserError: the run failed, the device stopped or nothing was measured; says where to look.
    """
    name = f"{walk.policy.label}_{walk.speed_mps:g}"
    before = set(walk.folder.glob("*")) if walk.folder.is_dir() else set()
    try:
        done = subprocess.run(
            command(walk, name), capture_output=True, text=True, check=False, timeout=PATIENCE * walk.duration_s
        )
    except subprocess.TimeoutExpired as error:
        raise UserError(f"the walk over topics did not end within {error.timeout:g} s; see {walk.folder}") from error
    made = sorted(set(walk.folder.glob(f"*{name}")) - before)
    if done.returncode != 0 or not made:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise UserError(f"the walk over topics at {walk.speed_mps:g} m/s failed: {last}")
    return change_of(made[-1])


def command(walk: TopicWalk, name: str) -> list[str]:
    """The command line of a walk."""
    words = [
        sys.executable,
        "-P",  # a file of the working directory must not stand in for a module
        "-m",
        "exo_bringup.cli",
        "sim",
        "--quiet",
        "--no-record",
        "--no-table",
        "--no-visualization",
        "--controller",
        "learned",
        "--checkpoint",
        walk.policy.checkpoint,
        "--device",
        walk.policy.device,
        "--speed",
        f"{walk.speed_mps:g}",
        "--duration",
        f"{walk.duration_s:g}",
        "--seed",
        str(walk.seed),
        "--output",
        str(walk.folder),
        "--name",
        name,
    ]
    if walk.human:
        words += ["--human-checkpoint", str(find_human(walk.human).resolve())]
    if walk.subject:
        words += ["--subject", walk.subject]
    return words + (["--lockstep"] if walk.mode == LOCKSTEP else [])


def change_of(run: Path) -> float:
    """Change of metabolic power in a run's summary (%).

    Raises:
        UserError: the summary cannot be read, the person fell, or the device stopped.
    """
    try:
        summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
        figures = {figure["name"]: figure["value"] for figure in summary["figures"]}
        change, falls, faults = figures[CHANGE], figures["falls"], figures["device_faults"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{run}/summary.json cannot be used: {error}") from error
    if falls or faults or change is None:
        raise UserError(f"the walk over topics does not count: {falls:g} falls, {faults:g} device faults; see {run}")
    return float(change)
