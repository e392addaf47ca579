# SPDX-License-Identifier: Apache-2.0
"""python -m exo_device.emulator"""

import sys

from exo_device.emulator.command_line import main

if __name__ == "__main__":
    sys.exit(main())
