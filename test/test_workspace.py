# SPDX-License-Identifier: Apache-2.0
"""The repository as a colcon workspace: packages found, dependencies declared and pinned."""

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NESTED = {"exo_msgs", "exo_core", "exo_device", "exo_policy", "exo_sim", "exo_lab", "exo_bringup"}
DEPENDENCY_TAGS = {
    "depend",
    "build_depend",
    "build_export_depend",
    "buildtool_depend",
    "buildtool_export_depend",
    "exec_depend",
    "test_depend",
}
MEMBERSHIP = "exo_gait_packages"
# What each package may depend on of the others: one way, without a circle.
ALLOWED = {
    "exo_msgs": set(),
    "exo_core": set(),
    "exo_device": {"exo_msgs", "exo_core"},
    "exo_policy": {"exo_msgs", "exo_core"},
    "exo_sim": {"exo_msgs", "exo_core", "exo_device", "exo_policy"},
    "exo_lab": {"exo_msgs", "exo_core", "exo_device", "exo_policy", "exo_sim"},
    "exo_bringup": {"exo_msgs", "exo_core", "exo_device", "exo_policy", "exo_sim", "exo_lab"},
}


def manifest(package: str) -> ElementTree.Element:
    return ElementTree.parse(ROOT / package / "package.xml").getroot()


def dependencies(package: str) -> set[str]:
    return {element.text.strip() for element in manifest(package) if element.tag in DEPENDENCY_TAGS}


def requirement_lines(name: str) -> list[str]:
    lines = (line.split("#")[0].strip() for line in (ROOT / name).read_text().splitlines())
    return [line for line in lines if line and not line.startswith("-r ")]


def test_colcon_finds_every_package_from_the_root():
    pytest.importorskip("colcon_core")
    listed = subprocess.run(
        [sys.executable, "-m", "colcon", "--log-base", os.devnull, "list", "--names-only"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(listed.stdout.split()) == NESTED | {"exo_gait"}


@pytest.mark.parametrize("package", sorted(NESTED))
def test_root_lists_the_external_dependencies_of(package):
    missing = dependencies(package) - NESTED - dependencies(".")
    assert not missing, f"add to the root package.xml, where rosdep looks: {sorted(missing)}"


@pytest.mark.parametrize("package", sorted(NESTED))
def test_metapackage_has_as_member(package):
    assert MEMBERSHIP in [element.text for element in manifest(package).findall("member_of_group")]


def test_root_names_no_package_of_its_own():
    assert [element.text for element in manifest(".").findall("group_depend")] == [MEMBERSHIP]
    assert not dependencies(".") & NESTED, "rosdep would look for system packages of these names"


@pytest.mark.parametrize("package", sorted(NESTED))
def test_dependencies_run_one_way_in(package):
    assert dependencies(package) & NESTED <= ALLOWED[package]


@pytest.mark.parametrize("package", sorted(NESTED))
def test_versions_and_licence_agree_in(package):
    assert manifest(package).findtext("version") == manifest(".").findtext("version")
    assert manifest(package).findtext("license") == "Apache-2.0"


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-ros.txt"])
def test_every_requirement_is_pinned(name):
    lines = requirement_lines(name)
    loose = [line for line in lines if not re.fullmatch(r"[\w.-]+(\[[\w,]+\])?==\d[\w.]*", line)]
    assert lines and not loose, f"pin with ==: {loose}"


def test_no_requirement_is_listed_twice():
    names = [
        re.split(r"[\[=]", line)[0].lower().replace("_", "-")
        for name in ("requirements.txt", "requirements-ros.txt")
        for line in requirement_lines(name)
    ]
    assert len(names) == len(set(names))


def test_ros_wheels_are_asked_for_by_their_distribution():
    bare = [
        line
        for line in requirement_lines("requirements-ros.txt")
        if line.startswith("ros-") and not line.startswith("ros-jazzy-")
    ]
    assert not bare, f"the bare names resolve to another distribution: {bare}"
    assert not [line for line in requirement_lines("requirements.txt") if line.startswith("ros-")], (
        "requirements.txt is also for machines that have ROS 2"
    )


def test_environment_says_what_to_do_where_nothing_is_set_up(tmp_path):
    (tmp_path / "tools").mkdir()
    script = tmp_path / "tools" / "env.sh"
    script.write_text((ROOT / "tools" / "env.sh").read_text())
    outcome = subprocess.run(["bash", "-c", f"source '{script}'"], capture_output=True, text=True)
    assert outcome.returncode != 0
    assert outcome.stderr.count("\n") == 1 and "make setup" in outcome.stderr


def test_an_environment_whose_python_is_gone_is_one_line(tmp_path):
    for folder in ("tools", "install", ".venv/bin"):
        (tmp_path / folder).mkdir(parents=True)
    script = tmp_path / "tools" / "env.sh"
    script.write_text((ROOT / "tools" / "env.sh").read_text())
    (tmp_path / "install" / "exo_gait_build").touch()
    distro = os.environ.get("ROS_DISTRO")
    (tmp_path / ".venv" / "exo_gait_venv").write_text(f"{f'ros-{distro}' if distro else 'wheels'} {tmp_path}\n")
    (tmp_path / ".venv" / "bin" / "python").symlink_to("/nowhere/python3.12")
    (tmp_path / ".venv" / "bin" / "activate").write_text("echo went on\n")
    outcome = subprocess.run(["bash", "-c", f"source '{script}'"], capture_output=True, text=True)
    assert outcome.returncode != 0 and not outcome.stdout
    assert outcome.stderr.count("\n") == 1 and "make setup" in outcome.stderr


@pytest.mark.skipif("ROS_DISTRO" in os.environ, reason="an installation of ROS 2 may have other middlewares")
def test_a_middleware_that_the_wheels_lack_is_replaced_and_named():
    outcome = subprocess.run(
        ["bash", "-c", f"source '{ROOT}/tools/env.sh' && echo $RMW_IMPLEMENTATION"],
        capture_output=True,
        text=True,
        env={**os.environ, "RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"},
    )
    assert outcome.stdout == "rmw_fastrtps_cpp\n"
    assert outcome.stderr.count("\n") == 1 and "rmw_cyclonedds_cpp" in outcome.stderr


def test_setup_refuses_another_python_in_one_line(tmp_path):
    other = tmp_path / "python"
    other.write_text("#!/bin/sh\nexit 1\n")
    other.chmod(0o755)
    (tmp_path / "tools").mkdir()
    for name in ("tools/setup.sh", "requirements.txt", "requirements-ros.txt"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    outcome = subprocess.run(
        ["bash", "tools/setup.sh"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHON": str(other)},
    )
    assert outcome.returncode != 0
    assert outcome.stderr.count("\n") == 1 and "3.11 or 3.12" in outcome.stderr
    assert not (tmp_path / ".venv").exists()
