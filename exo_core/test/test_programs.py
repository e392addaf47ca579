# SPDX-License-Identifier: Apache-2.0
"""Programs start alike whatever the user's shell has set."""

import os
import stat
import subprocess
import sys

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
