# SPDX-License-Identifier: Apache-2.0
"""Children stop in steps, tell what they wrote, and never outlive their parent."""

import os
import signal
import subprocess
import sys
import time

import pytest

from exo_bringup import processes
from exo_bringup.processes import Children
from exo_core.errors import UserError

OBEDIENT = "import time\nprint('ready')\ntry:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    print('bye')\n"
STUBBORN = (
    "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('ready')\ntime.sleep(60)\n"
)


def wait_for(condition, within_s=15.0):
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def start(children, name, program):
    child = children.start(name, [sys.executable, "-u", "-c", program])
    wait_for(lambda: "ready" in child.log_file.read_text())
    return child


def test_sigint_ends_an_obedient_child_and_its_output_is_kept(tmp_path):
    children = Children(tmp_path)
    child = start(children, "node", OBEDIENT)
    assert children.stop() == {"node": 0}
    assert child.last_lines() == ["ready", "bye"]


def test_children_of_a_background_job_are_stopped_by_sigint_too(tmp_path):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell has it for `exo sim &`
    try:
        children = Children(tmp_path)
        start(children, "node", OBEDIENT)
        assert children.stop() == {"node": 0}
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_stubborn_child_is_killed_with_a_message(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "INTERRUPT_GRACE_S", 0.2)
    monkeypatch.setattr(processes, "TERMINATE_GRACE_S", 0.2)
    said = []
    children = Children(tmp_path, said.append)
    start(children, "mule", STUBBORN)
    assert children.stop() == {"mule": -signal.SIGKILL}
    assert len(said) == 1 and "mule" in said[0]


def test_only_problem_lines_are_passed_on_once(tmp_path):
    children = Children(tmp_path)
    program = "print('[INFO] [1] [a]: fine'); print('[ERROR] [1] [a]: broken'); print('ValueError: no')"
    child = children.start("a", [sys.executable, "-u", "-c", program])
    child.process.wait()
    assert children.problem_lines() == ["a: [ERROR] [1] [a]: broken", "a: ValueError: no"]
    assert children.problem_lines() == []
    assert [c.name for c in children.dead()] == ["a"]


def test_a_program_that_is_missing_is_one_clear_error(tmp_path):
    with pytest.raises(UserError, match="ghost"):
        Children(tmp_path).start("ghost", ["/no/such/program"])


def test_children_die_with_a_parent_that_was_killed(tmp_path):
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time\nfrom pathlib import Path\nfrom exo_bringup.processes import Children\n"
            f"children = Children(Path({str(tmp_path)!r}))\n"
            "child = children.start('c', [sys.executable, '-c', 'import time; time.sleep(60)'])\n"
            "print(child.process.pid, flush=True)\ntime.sleep(60)\n",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()

    def gone():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        # an orphan may be left as a zombie where nobody reaps it
        with open(f"/proc/{pid}/stat") as status:
            return status.read().rsplit(")", 1)[1].split()[0] == "Z"

    wait_for(gone)
