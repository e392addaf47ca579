# SPDX-License-Identifier: Apache-2.0
"""Long trials of the device side, run by `pytest -m endurance endurance`. Nothing of it is installed."""
