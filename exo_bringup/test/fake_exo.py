# SPDX-License-Identifier: Apache-2.0
"""The `exo` command line with stand-ins for the nodes of the other packages (fake_node.py)."""

import dataclasses
import os
import sys
from pathlib import Path

from exo_bringup import cli, runner
from exo_bringup.processes import executable_path

FAKE_NODE = Path(__file__).with_name("fake_node.py")
#: FAKE_EXO_VIEWER=1: a stand-in for the viewer as well; otherwise there is none.
KINDS = ("simulator_node", "device_node", "policy_node", *["viewer_node"] * ("FAKE_EXO_VIEWER" in os.environ))
describe_graph = runner.describe_graph


def fake_graph(options):
    return [
        dataclasses.replace(spec, arguments=(str(FAKE_NODE), spec.name)) if spec.name in KINDS else spec
        for spec in describe_graph(options)
        if spec.name in (*KINDS, runner.RECORDER)
    ]


def fake_path(package, executable):
    return sys.executable if executable in KINDS else executable_path(package, executable)


if __name__ == "__main__":
    runner.describe_graph, runner.executable_path = fake_graph, fake_path
    sys.exit(cli.main())
