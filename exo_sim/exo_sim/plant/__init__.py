# SPDX-License-Identifier: Apache-2.0
"""The simulated world as a device and a laboratory see it: motors, IMU, force plates, metabolic cart."""
