# SPDX-License-Identifier: Apache-2.0
"""Makes `import exo_x` in the tests mean the installed package.

With --import-mode=importlib pytest takes the folder exo_x for the parent package of exo_x/test/test_y.py and puts
an empty module of that name in place, unless the real one is imported already. What is not installed, endurance,
is imported from here, after everything that is.
"""

import contextlib
import importlib
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))

for _package in ("exo_msgs", "exo_core", "exo_device", "exo_policy", "exo_sim", "exo_lab", "exo_bringup"):
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module(_package)
