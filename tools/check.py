# SPDX-License-Identifier: Apache-2.0
"""`make check`: lint, format and types. Exit code 1 when anything is worse than it was.

Type errors are counted by package and compared with tools/mypy_baseline.txt: more than there is an error, fewer ask for
a smaller number there (`python tools/check.py --update`).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BASELINE = ROOT / "tools" / "mypy_baseline.txt"
PACKAGES = ("exo_core", "exo_device", "exo_policy", "exo_sim", "exo_lab", "exo_bringup")


def type_errors() -> tuple[Counter[str], str]:
    """Errors by package, and what mypy said."""
    folders = [f"{package}/{package}" for package in PACKAGES]
    # nothing but what is in the repository decides: neither what is installed, built or cached, nor the shell
    shell = {name: value for name, value in os.environ.items() if name not in ("MYPYPATH", "MYPY_CACHE_DIR")}
    said = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", *folders],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=shell,
    )
    if said.returncode not in (0, 1):
        sys.exit(said.stdout + said.stderr)
    return Counter(re.findall(r"^(\w+)/[^:]+:\d+: error:", said.stdout, re.MULTILINE)), said.stdout


def main() -> int:
    """Runs all of it."""
    failed = False
    for words in (["check", "."], ["format", "--check", "."]):
        failed |= subprocess.run([sys.executable, "-m", "ruff", *words], cwd=ROOT).returncode != 0
    found, said = type_errors()
    if "--update" in sys.argv[1:]:
        BASELINE.write_text("".join(f"{package} {found[package]}\n" for package in PACKAGES))
    known = dict(line.split() for line in BASELINE.read_text().splitlines())
    for package in PACKAGES:
        before, now = int(known[package]), found[package]
        if now > before:
            failed = True
            print("\n".join(line for line in said.splitlines() if line.startswith(f"{package}/")))
            print(f"mypy: {package} has {now} errors, {before} are known: mend the new ones")
        elif now < before:
            print(f"mypy: {package} has {now} errors, {before} were known: python tools/check.py --update")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
