# SPDX-License-Identifier: Apache-2.0
"""The repository as a colcon workspace: packages found, dependencies declared and pinned."""

import ast
import hashlib
import os
import re
import shutil
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


@pytest.mark.parametrize("package", [".", *sorted(NESTED)])
def test_every_licence_has_its_file_and_data_of_another_licence_is_declared_in(package):
    """REP 149: one element for each licence, with the file that holds its text."""
    declared = {element.text: element.get("file") for element in manifest(package).findall("license")}
    for licence, file in declared.items():
        text = (ROOT / package / file).read_text()
        assert licence in text or (licence == "Apache-2.0" and "Apache License" in text), file
    assert (ROOT / package / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    sources = [] if package == "." else (ROOT / package / package).rglob("*")
    shared = [path for path in sources if path.suffix in (".csv", ".json") and "CC BY-SA" in path.read_text()[:1500]]
    assert bool(shared) == ("CC-BY-SA-4.0" in declared), shared


@pytest.mark.parametrize("package", [".", *sorted(NESTED)])
def test_what_a_release_asks_for_is_there_in(package):
    root, folder = manifest(package), ROOT / package
    assert "<?xml-model " in (folder / "package.xml").read_text()
    assert root.findtext("author")
    name = root.findtext("name")
    title, changes = f"Changelog for package {name}", (folder / "CHANGELOG.rst").read_text()
    assert changes.startswith(f"{'^' * len(title)}\n{title}\n{'^' * len(title)}\n\nForthcoming\n-----------\n* ")


def test_no_address_is_made_up():
    """Until somebody releases the packages, the maintainer's is one that belongs to nobody, and there is no URL."""
    folders = (*sorted(NESTED), ".", "tools/overlay/tf2_msgs")
    addresses = {manifest(folder).find("maintainer").get("email") for folder in folders}
    assert len(addresses) == 1, "the same in every package.xml"
    if addresses == {"maintainers@example.org"}:
        assert not [folder for folder in folders if manifest(folder).findall("url")]
    else:
        for folder in folders[:-1]:  # what a release asks for
            kinds = {element.get("type") for element in manifest(folder).findall("url")}
            assert kinds == {"website", "repository", "bugtracker"}, folder


#: rosdep keys of the modules that have one in a version that works.
KEYS = {
    "PIL": "python3-pil",
    "can": "python3-can",
    "hypothesis": "python3-hypothesis",
    "jinja2": "python3-jinja2",
    "launch": "launch",
    "launch_ros": "launch_ros",
    "matplotlib": "python3-matplotlib",
    "numpy": "python3-numpy",
    "pydantic": "python3-pydantic",
    "pydantic_core": "python3-pydantic",
    "pytest": "python3-pytest",
    "rich": "python3-rich",
    "scipy": "python3-scipy",
    "yaml": "python3-yaml",
}
#: Modules that have none, and the line of requirements.txt that brings them.
FROM_PIP = {
    **{
        name: name
        for name in ("cma", "mcap", "mujoco", "numba", "pyarrow", "safetensors", "tensordict", "torch", "viser")
    },
    "cantools": "cantools",
    "llvmlite": "numba",
    "lz4": "mcap",
    "mcap_ros2": "mcap-ros2-support",
    "msgspec": "viser",
    "myo_sim": "myo-sim",
    "odrive_can": "odrive-can",
    "playwright": "playwright",
    "rsl_rl": "rsl-rl-lib",
    "tensorboard": "tensorboard",
    "trimesh": "viser",
    "websockets": "viser",
    "zstandard": "mcap",
}


def imported(folder: Path) -> set[str]:
    """Names of the modules that the code in a folder imports, also inside of functions."""
    names = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    own = {path.stem for path in folder.rglob("*.py")}
    return names - set(sys.stdlib_module_names) - own - {"endurance", "benchmarks"}


@pytest.mark.parametrize("package", sorted(NESTED))
def test_what_is_imported_is_declared_in(package):
    in_code = imported(ROOT / package / package) - {package}
    # a test may look from above, at a package that depends on its own; to declare that would be a circle
    in_tests = imported(ROOT / package / "test") - {package, "test"} - NESTED
    tags = {tag: {element.text for element in manifest(package).findall(tag)} for tag in DEPENDENCY_TAGS}
    at_run = tags["depend"] | tags["exec_depend"]
    requirements = {re.split(r"[\[=]", line)[0] for line in requirement_lines("requirements.txt")}
    for names, declared in ((in_code, at_run), (in_tests - in_code, at_run | tags["test_depend"])):
        missing = {KEYS.get(name, name) for name in names - set(FROM_PIP)} - declared
        assert not missing, f"add to {package}/package.xml: {sorted(missing)}"
    assert {FROM_PIP[name] for name in (in_code | in_tests) & set(FROM_PIP)} <= requirements


@pytest.mark.parametrize("package", sorted(NESTED - {"exo_msgs"}))
def test_colcon_test_takes_pytest_for(package):
    """colcon asks setup.py whether a package's tests are pytest's."""
    done = subprocess.run(
        [sys.executable, "setup.py", "--version"], cwd=ROOT / package, capture_output=True, text=True, check=True
    )
    assert done.stderr == "", "setuptools complains, and so does every colcon build"
    text = (ROOT / package / "setup.py").read_text()
    assert re.search(r'extras_require=\{"test": \["pytest"', text)
    assert list((ROOT / package / "test").glob("test_*.py"))


@pytest.mark.parametrize("package", [".", "exo_msgs"])
def test_cmake_registers_the_tests_of(package):
    text = (ROOT / package / "CMakeLists.txt").read_text()
    assert re.search(
        r"if\(BUILD_TESTING\)\n(.*\n)?  find_package\(ament_cmake_pytest REQUIRED\)\n  ament_add_pytest_test", text
    )


def colcon(folder, *words):
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}  # it would warn
    return subprocess.run(
        [sys.executable, "-m", "colcon", "--log-base", os.devnull, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        env=environment,
    )


@pytest.fixture
def larger_workspace(tmp_path):
    """A workspace whose src/ holds the clone beside other things."""
    pytest.importorskip("colcon_core")
    (tmp_path / "src").mkdir()
    clone = tmp_path / "src" / "exo_gait"
    ignored = shutil.ignore_patterns(".venv", "build", "install", "log", "runs", ".git", "*.stl", "*.safetensors")
    shutil.copytree(ROOT, clone, ignore=ignored, symlinks=True)
    return tmp_path


def test_a_larger_workspace_finds_every_package_as_the_readme_says(larger_workspace):
    (line,) = set(re.findall(r"colcon build (--base-paths src .*)", (ROOT / "README.md").read_text()))
    words = [
        word
        for part in line.split()
        for word in (
            [part] if "*" not in part else [str(path) for path in sorted(larger_workspace.glob(part)) if path.is_dir()]
        )
    ]
    listed = colcon(larger_workspace, "list", "--names-only", *words)
    assert set(listed.stdout.split()) == NESTED | {"exo_gait"}, listed.stderr
    built = colcon(
        larger_workspace, "build", *words, "--packages-up-to", "exo_core", "--event-handlers", "console_cohesion+"
    )
    assert built.returncode == 0 and "1 package finished" in built.stdout and "stderr" not in built.stdout, built.stdout


def test_an_empty_package_is_no_build_and_says_what_to_type(larger_workspace):
    environment = {**os.environ, "AMENT_PREFIX_PATH": sys.prefix, "CMAKE_PREFIX_PATH": sys.prefix}
    done = subprocess.run(
        ["cmake", "-S", "src/exo_gait", "-B", "build", "-G", "Ninja", f"-DPython3_EXECUTABLE={sys.executable}"],
        cwd=larger_workspace,
        capture_output=True,
        text=True,
        env=environment,
    )
    if "ament_cmake" in done.stderr and "exo_gait:" not in done.stderr:
        pytest.skip("ament_cmake is not beside this Python")
    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if "exo_gait: the packages" in line]
    assert len(said) == 1 and "colcon build --base-paths src" in said[0]


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


@pytest.mark.parametrize(
    ("lock", "lists"),
    [
        ("requirements.lock", ["requirements.txt"]),
        ("requirements-cuda.lock", ["requirements.txt"]),
        ("requirements-cpu.lock", ["requirements.txt"]),
        ("requirements-ros.lock", ["requirements.txt", "requirements-ros.txt"]),
        ("requirements-dev.lock", ["requirements-dev.txt"]),
    ],
)
def test_a_lock_file_is_that_of_its_lists(lock, lists):
    """`make lock` after a change of requirements*.txt; every package has the hashes of its files."""
    content = (ROOT / lock).read_text()
    there = hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in lists)).hexdigest()
    assert content.splitlines()[1] == f"# {there}", "run `make lock`"
    entries = re.split(r"\n(?=[a-z])", content.strip())[1:]
    assert entries
    for entry in entries:
        pin, *hashes = (line.strip(" \\") for line in entry.splitlines())
        assert re.fullmatch(r"[a-z0-9-]+={2,3}[\w.+]+( ; [^;]+)?", pin)
        assert hashes and all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", line) for line in hashes), pin


def test_every_pin_is_locked_in_its_version():
    text = "".join(path.read_text() for path in ROOT.glob("*.lock")).replace("===", "==")
    locked = set(re.findall(r"^([a-z0-9-]+==[\w.]+)", text, re.MULTILINE))
    pins = [line for path in ROOT.glob("requirements*.txt") for line in requirement_lines(path.name)]
    wanted = {re.sub(r"\[\w+\]", "", pin).lower() for pin in pins}
    assert wanted and not wanted - locked


def test_what_is_left_out_of_the_quick_tests_is_there():
    """A name that means no test any more would bring its tests back unnoticed."""
    text = (ROOT / "conftest.py").read_text()
    marked = ast.literal_eval(re.search(r"^_SLOW = (\(.*?^\))", text, re.MULTILINE | re.DOTALL)[1])
    tests = [path for folder in (*sorted(NESTED), ".") for path in (ROOT / folder / "test").glob("test_*.py")]
    tests += [*ROOT.glob("benchmarks/test_*.py"), *ROOT.glob("endurance/test_*.py")]
    named = "\n".join(f"{path.relative_to(ROOT)}\n{path.read_text()}" for path in tests)
    assert marked and not [part for part in marked if part not in named]
