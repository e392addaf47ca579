# SPDX-License-Identifier: Apache-2.0
"""What drivers on a CAN bus share: the port, the thread that runs the bus, its cycle, and their common settings."""
