# SPDX-License-Identifier: Apache-2.0
"""tools/setup.sh installs what the lock files say, from a folder of made-up wheels: no network."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LISTS = {
    "requirements.txt": "setuptools==79.0.1\ntorch==2.0\nmade-up==1.0\n",
    "requirements-ros.txt": "-r requirements.txt\nmade-up-ros==1.0\n",
}


def wheel(folder: Path, name: str, version: str, needs: str = "") -> Path:
    """A wheel without content."""
    info = f"{name}-{version}.dist-info"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            f"{info}/METADATA",
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs and f'Requires-Dist: {needs}'}\n",
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", f"{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Clone:
    """A clone that has made-up packages, and what `make setup` does in it."""

    def __init__(self, folder: Path) -> None:
        self.root, self.wheels = folder / "clone", folder / "wheels"
        shutil.copytree(ROOT / "tools", self.root / "tools", ignore=shutil.ignore_patterns("__pycache__"))
        self.restore()

    def restore(self) -> None:
        """As it was cloned, but for an environment that holds none of the packages: making one takes long."""
        shutil.rmtree(self.wheels, ignore_errors=True)
        self.wheels.mkdir()
        (self.root / ".venv" / "exo_gait_deps").unlink(missing_ok=True)
        for folder in self.root.glob(".venv/lib/python*/site-packages/*.dist-info"):
            if not folder.name.startswith("pip-"):
                shutil.rmtree(folder)
        for name, text in LISTS.items():
            (self.root / name).write_text(text)
        self.files = {
            name: wheel(self.wheels, name, version, needs)
            for name, version, needs in (
                ("setuptools", "79.0.1", ""),
                ("made_up", "1.0", ""),
                ("made_up_ros", "1.0", ""),
                ("made_up_cuda", "1.0", ""),
                ("torch", "2.0", "made_up_cuda"),
            )
        }
        self.cpu = wheel(self.wheels, "torch", "2.0+cpu")
        self.lock("requirements.lock", "setuptools==79.0.1", "made_up==1.0")
        self.lock("requirements-ros.lock", "made_up_ros==1.0")
        self.lock("requirements-cuda.lock", "torch===2.0", "made_up_cuda==1.0")
        self.write("requirements-cpu.lock", f"torch==2.0+cpu \\\n    --hash=sha256:{sha256(self.cpu)}\n")

    def lock(self, name: str, *pins: str) -> None:
        hashes = {pin: sha256(self.files[re.split("=+", pin)[0]]) for pin in pins}
        self.write(name, "".join(f"{pin} \\\n    --hash=sha256:{value}\n" for pin, value in hashes.items()))

    def write(self, name: str, entries: str) -> None:
        lists = LISTS["requirements.txt"] + (LISTS["requirements-ros.txt"] if "-ros" in name else "")
        (self.root / name).write_text(f"# made up\n# {hashlib.sha256(lists.encode()).hexdigest()}\n{entries}")

    def tamper(self, path: Path) -> None:
        """Another file under the same name, as a package index that was broken into would have."""
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("malice.py", "")

    def setup(self, **settings: str) -> str:
        """What it says. The build that follows the packages fails: there is nothing to build, and no colcon."""
        pip = {
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
            "PIP_CONFIG_FILE": os.devnull,
            "PYTHON": sys.executable,
        }
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "ROS_DISTRO"))}
        done = subprocess.run(
            [self.root / "tools" / "setup.sh"],
            env={**environment, **pip, **settings},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        return done.stdout + done.stderr

    def installed(self) -> dict[str, str]:
        command = "import importlib.metadata as m; print(*(f'{d.name}=={d.version}' for d in m.distributions()))"
        python = self.root / ".venv" / "bin" / "python"
        found = subprocess.run([python, "-c", command], capture_output=True, text=True, check=True).stdout
        return dict(word.split("==") for word in found.split())


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    return Clone(tmp_path_factory.mktemp("setup"))


@pytest.fixture
def clone(fresh):
    fresh.restore()
    return fresh


def test_packages_are_the_locked_ones_and_torch_that_for_cpus(clone):
    said = clone.setup()
    assert "Python packages are in place" in said
    have = clone.installed()
    assert have["torch"] == "2.0+cpu" and "made_up_cuda" not in have
    assert have["made_up"] == have["made_up_ros"] == "1.0"


def test_a_package_that_is_not_the_locked_one_is_refused(clone):
    clone.tamper(clone.files["made_up"])
    said = clone.setup()
    assert "DO NOT MATCH THE HASHES" in said and "made_up" in said
    assert "Python packages are in place" not in said and "made_up" not in clone.installed()
    # a person's own decision
    said = clone.setup(EXO_UNLOCKED="1")
    assert "without looking at their hashes" in said and clone.installed()["made_up"] == "1.0"


def test_a_torch_for_cpus_that_is_not_the_locked_one_is_not_taken(clone):
    clone.tamper(clone.cpu)
    said = clone.setup()
    assert "is not the locked one: taking the locked one with CUDA" in said
    assert clone.installed()["torch"] == "2.0" and "made_up_cuda" in clone.installed()


def test_without_a_torch_for_cpus_it_is_the_indexs_without_a_word(clone):
    clone.cpu.unlink()
    said = clone.setup()
    assert "the locked one" not in said and "Python packages are in place" in said
    assert clone.installed()["torch"] == "2.0"


def test_a_list_that_was_edited_without_its_lock_is_noticed(clone):
    (clone.root / "requirements.txt").write_text(LISTS["requirements.txt"].replace("made-up==1.0", "made-up==1.1"))
    assert "requirements.lock is not that of requirements.txt: run 'make lock'" in clone.setup()
