# SPDX-License-Identifier: Apache-2.0
"""A parameter that cannot be used ends a node with one line that names it, whatever is wrong with it."""

import os
import subprocess

import pytest

from exo_bringup.processes import executable_path
from exo_core.errors import ExitCode

PATIENCE_S = 90.0


@pytest.mark.parametrize(
    "package, program, given, said",
    [
        ("exo_sim", "simulator_node", "speed_mps:=5", "a number with a decimal point from 0.6 to 1.8"),
        ("exo_device", "device_node", "loop_rate_hz:=quick", "a number with a decimal point"),
        ("exo_policy", "policy_node", "wearer_mass_kg:=[1, 2]", "a number with a decimal point"),
        ("exo_bringup", "visualization_node", "marker_rate_hz:=500.0", "a number with a decimal point"),
        ("exo_bringup", "viewer_node", "port:=70000", "a whole number from 0 to 65535"),
        ("exo_bringup", "recorder_node", "output:=3", "a text"),
    ],
)
def test_a_bad_parameter_is_one_line(domain, tmp_path, package, program, given, said):
    done = subprocess.run(
        [executable_path(package, program), "--ros-args", "-p", given],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env={**os.environ, "ROS_DOMAIN_ID": str(domain), "ROS_LOG_DIR": str(tmp_path)},
    )
    assert done.returncode == ExitCode.BAD_INPUT, done.stderr
    name = given.partition(":=")[0]
    assert done.stderr.count("\n") == 1 and done.stderr.startswith(f"{program}: parameter {name} must be {said}")
    assert not done.stdout
