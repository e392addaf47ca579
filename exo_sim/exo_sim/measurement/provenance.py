# SPDX-License-Identifier: Apache-2.0
"""Which code made a result: package versions and git revision."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from pathlib import Path

GIT_TIMEOUT_S = 5.0


def package_version(distribution: str) -> str:
    """Version of an installed distribution, or "not installed"; imports nothing."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"


def versions() -> dict[str, str]:
    """Versions of what a result depends on: Python, MuJoCo, the musculoskeletal model, torch, numpy, this."""
    return {
        "python": platform.python_version(),
        "mujoco": package_version("mujoco"),
        "myo_sim": package_version("myo-sim"),
        "torch": package_version("torch"),
        "numpy": package_version("numpy"),
        "exo_gait": package_version("exo_sim"),
    }


def git_revision(directory: Path | None = None) -> str:
    """Commit hash of the checkout that holds ``directory`` (this file's if None), or "unknown".

    "-dirty" is appended when tracked files differ from the commit.
    """
    where = Path(__file__).resolve().parent if directory is None else Path(directory)
    revision = _git(where, "rev-parse", "HEAD")
    if not revision:
        return "unknown"
    changes = _git(where, "status", "--porcelain", "--untracked-files=no")
    return revision + ("-dirty" if changes else "")


def _git(directory: Path, *arguments: str) -> str:
    try:
        result = subprocess.run(
            ["git", "-C", str(directory), *arguments], capture_output=True, text=True, timeout=GIT_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):  # no git, no repository, not ours to read
        return ""
    return result.stdout.strip()
