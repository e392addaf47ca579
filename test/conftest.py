# SPDX-License-Identifier: Apache-2.0
"""A ROS domain of our own for the tests, and graphs in it that are stopped whatever happens."""

import importlib.util
import sys
from pathlib import Path

import pytest


def _harness():
    # importlib mode puts no test folder on sys.path: load the helper by its file, once
    name = "graph_harness"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("graph_harness.py"))
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def domain():
    """A free ROS domain, held for the session against other runs on this machine."""
    from exo_bringup.processes import GraphLock
    from exo_core.errors import UserError

    for number in range(20, 60):
        try:
            lock = GraphLock(number, "tests")
        except UserError:
            continue
        yield number
        lock.release()
        return
    pytest.fail("no free ROS domain between 20 and 60")


@pytest.fixture(scope="module")
def ros(domain):
    """The tests' own context in that domain, gone again for the next module; returns the harness."""
    pytest.importorskip("rclpy", reason="needs ROS 2")
    import rclpy
    from rclpy.signals import SignalHandlerOptions

    rclpy.init(args=[], domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
    yield _harness()
    rclpy.try_shutdown()


@pytest.fixture
def make_graph(ros, domain, tmp_path):
    """Starts graphs that live as long as the test."""
    graphs = []

    def make(**options):
        folder = tmp_path / f"graph{len(graphs)}"
        folder.mkdir()
        # a namespace of its own: the module's graph walks in the same domain
        graphs.append(ros.Graph(folder, domain, **{"namespace": f"graph{len(graphs)}", **options}))
        return graphs[-1]

    yield make
    for graph in graphs:
        graph.close()


@pytest.fixture(scope="module")
def walking(ros, domain, tmp_path_factory):
    """One graph for the tests that leave it walking. In lockstep a busy machine is only slower."""
    graph = ros.Graph(tmp_path_factory.mktemp("walking"), domain, mode="lockstep", visualization=True)
    yield graph.ready()
    graph.close()
