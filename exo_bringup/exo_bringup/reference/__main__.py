# SPDX-License-Identifier: Apache-2.0
"""python -m exo_bringup.reference [--check]: as `exo docs`."""

import sys

from exo_bringup.cli import main

if __name__ == "__main__":
    sys.exit(main(["docs", *sys.argv[1:]]))
