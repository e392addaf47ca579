# SPDX-License-Identifier: Apache-2.0
"""Makes `import exo_x` in the tests mean the installed package.

With --import-mode=importlib pytest takes the folder exo_x for the parent package of exo_x/test/test_y.py and puts
an empty module of that name in place, unless the real one is imported already. What is not installed, endurance
and benchmarks, is imported from here, after everything that is.
"""

import contextlib
import fcntl
import importlib
import os
import sys
import tempfile
from pathlib import Path

import pytest

# as the commands that train set it, before torch is imported
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.append(str(Path(__file__).parent))

for _package in ("exo_msgs", "exo_core", "exo_device", "exo_policy", "exo_sim", "exo_lab", "exo_bringup"):
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module(_package)

#: Domains that runs of the tests take in turn. Graphs of test/ and of test_runner.py have lower ones, behind GraphLock.
_TEST_DOMAINS = range(71, 101)


def pytest_configure(config):
    """Holds a ROS domain, EXO_TEST_DOMAIN, against every other run of tests on this machine.

    Drawn from the process id, two runs heard each other now and then. EXO_TEST_PORT is the first of ten
    ports for buses of the tests, below those that the system gives away and apart from DDS's in the tests' domains.
    """
    if "EXO_TEST_DOMAIN" in os.environ:
        return
    for number in _TEST_DOMAINS:
        with contextlib.suppress(OSError):  # held by another run, or another user's file
            lock = open(Path(tempfile.gettempdir()) / f"exo_gait_test_domain_{number}.lock", "a")  # noqa: SIM115
            config.add_cleanup(lock.close)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.environ.update(EXO_TEST_DOMAIN=str(number), EXO_TEST_PORT=str(10_000 + 10 * number))
            return
    raise pytest.UsageError("no free ROS domain between 71 and 100: are tests still running?")


#: Files and tests that start graphs of processes, wait for motors, walk for long, train, compile or draw whole studies.
_SLOW = (
    "test/test_exo_sim",
    "test/test_graph",
    "test/test_interchangeable",
    "test/test_mock",
    "test/test_recorder",
    "test/test_setup",
    "test/test_viewer",
    "test/test_visualization",
    "test_can_graph",
    "test_device_node",
    "test_policy_node",
    "test_supervisor_h",
    "test_supervisor_properties",
    "test_recording_trouble",
    "test_film",
    "test_processes",
    "test_runner",
    "test_viewer_page",
    "test_shipped",
    "test_train",
    "test_personalise",
    "test_motor_adaptation",
    "test_compensations",
    "test_evaluate",
    "test_human_measures",
    "test_benchmarks",
    "test_tools",
    "test_gait_does_not_depend_on_the_step_size",
    "test_exo_report",
    "test_impaired_report",
    "test_fault_matrix",
    "test_guardian",
    "test_converges_within_three_strides",
    "test_delay_of_20_ms_costs",
    "test_no_command_overheats_a_motor",
    "test_the_compiled_step_moves_people_of_any_size",
    "test_torque_in_training_is_what_the_supervisor",
)


def pytest_collection_modifyitems(items):
    """Marks by file what make test-quick leaves out."""
    for item in items:
        if any(part in item.nodeid for part in _SLOW):
            item.add_marker(pytest.mark.slow)
