# SPDX-License-Identifier: Apache-2.0
"""python -m exo_device.bench"""

import sys

from exo_device.bench.command_line import main

if __name__ == "__main__":
    sys.exit(main())
