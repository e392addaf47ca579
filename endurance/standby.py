# SPDX-License-Identifier: Apache-2.0
"""A process that has imported its module and waits: `python -m endurance.standby GO MODULE ...`.

It runs MODULE's main, with the further arguments, as soon as the file GO is there. A trial that restarts
processes hundreds of times starts the next one beforehand.
"""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path

#: Between two looks (s).
LOOK_S = 0.01
#: Said when it waits.
READY = "standby: ready"


def main(arguments: list[str]) -> int:
    """Returns what the module's main returns."""
    go_file, name, *rest = arguments
    module = importlib.import_module(name)
    print(READY, flush=True)
    while not Path(go_file).exists():
        time.sleep(LOOK_S)
    sys.argv = [name, *rest]
    return module.main()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
