# SPDX-License-Identifier: Apache-2.0
"""Programs start alike whatever the user's shell has set."""

import os
import signal
import stat
import subprocess
import sys

import pytest

from exo_core.programs import SIGNALS, start

PROGRAM = """
import os, sys, types
from exo_core import programs
module = types.ModuleType("tried")
def main():
    import mujoco
    open("written", "w").close()
    print(os.environ.get("MUJOCO_GL"), programs.graphics_wanted())
    return 0
module.main = main
sys.modules["tried"] = module
sys.exit(programs.start("tried"))
"""


def test_a_graphics_library_that_is_not_there_stops_no_program_that_draws_nothing(tmp_path):
    environment = {**os.environ, "MUJOCO_GL": "OSMesa", "PYOPENGL_PLATFORM": "osmesa"}
    run = subprocess.run([sys.executable, "-c", PROGRAM], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (run.stdout, run.returncode) == ("None osmesa\n", 0), run.stderr
    assert stat.S_IMODE((tmp_path / "written").stat().st_mode) == 0o600


PATIENCE_S = 30.0
SLOW = "import time\nprint('importing', flush=True)\ntime.sleep(60.0)\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_import_ends_a_program_quietly(tmp_path, number):
    (tmp_path / "slow_module.py").write_text(SLOW)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from exo_core.programs import start; start('slow_module')"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "importing\n"
        process.send_signal(number)
        said = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 128 + number and said == ("", "")


def test_start_returns_the_exit_code_of_main(tmp_path, monkeypatch):
    (tmp_path / "quick_module.py").write_text("def main():\n    return 7\n")
    monkeypatch.syspath_prepend(tmp_path)
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        assert start("quick_module") == 7
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def test_compiled_code_has_a_place_where_neither_installation_nor_home_can_be_written(tmp_path):
    home, runtime = tmp_path / "home", tmp_path / "runtime"
    home.write_text("no folder")
    runtime.mkdir(mode=0o700)
    environment = {**os.environ, "HOME": str(home), "XDG_RUNTIME_DIR": str(runtime)}
    for name in ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR"):
        environment.pop(name, None)
    program = "import os; os.access = lambda *_: {}; from exo_core import programs; programs.prepare(); "
    program += "print(os.environ.get('NUMBA_CACHE_DIR'))"
    for writable, expected in ((False, str(runtime / "exo_gait" / "numba")), (True, "None")):
        run = subprocess.run(
            [sys.executable, "-c", program.format(writable)], env=environment, capture_output=True, text=True
        )
        assert (run.stdout.strip(), run.returncode) == (expected, 0), run.stderr
