# SPDX-License-Identifier: Apache-2.0
"""The policy that docs/how_to/policy.md shows, as it stands there: built outside of the repository, run and armed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from exo_bringup.processes import child_environment

PAGE = Path(__file__).resolve().parents[1] / "docs" / "how_to" / "policy.md"
#: A file's name in a sentence that a block of code follows.
LISTING = re.compile(r"`(hip_spring/[\w./]+)`[^\n]*:\n\n```\w+\n(.*?)```\n", re.DOTALL)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """Writes the page's package into a folder of its own and builds it with the page's command."""
    pytest.importorskip("colcon_core")
    workspace = tmp_path_factory.mktemp("mine")
    files = dict(LISTING.findall(PAGE.read_text()))
    assert set(files) == {"hip_spring/hip_spring.py", "hip_spring/setup.py", "hip_spring/package.xml"}
    files["hip_spring/resource/hip_spring"] = ""
    for name, text in files.items():
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).write_text(text)
    (command,) = re.findall(r"^colcon (build \S+ \S+) &&", PAGE.read_text(), flags=re.MULTILINE)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    built = subprocess.run(
        [sys.executable, "-m", "colcon", *command.split()],
        cwd=workspace,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return workspace / "install" / "hip_spring" / "lib" / "hip_spring" / "hip_spring"


def test_the_example_is_armed_and_its_torque_reaches_the_motors(program, make_graph, domain):
    graph = make_graph(mode="lockstep", policy=False)
    module = program.parents[1] / f"python3.{sys.version_info.minor}" / "site-packages"
    path = os.pathsep.join([str(module), os.environ.get("PYTHONPATH", "")])
    environment = child_environment(ROS_DOMAIN_ID=str(domain), PYTHONPATH=path)
    words = ["--ros-args", "-r", f"__ns:=/{graph.options.namespace}", "-p", "use_sim_time:=true"]
    graph.children.start("hip_spring", [str(program), *words], environment)
    graph.ready()
    commands, states = graph.listen("sim/motor_command"), graph.listen("exo/joint_states")
    graph.activate()
    graph.wait_until(
        lambda: any(max(map(abs, command.torque), default=0.0) > 1.0 for command in commands[-20:]),
        "torque at the motors",
    )
    by_joint = dict(zip(commands[-1].names, commands[-1].torque, strict=True))
    assert by_joint["ankle_angle_r"] == by_joint["ankle_angle_l"] == 0.0
    hips = [name for name in by_joint if name.startswith("hip_flexion")]
    angles = dict(zip(states[-1].name, states[-1].position, strict=True))
    assert len(hips) == 2 and all(abs(by_joint[name]) <= 8.0 * abs(angles[name]) + 2.0 for name in hips)
    assert not graph.status.fault_names
