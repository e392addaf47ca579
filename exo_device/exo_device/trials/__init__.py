# SPDX-License-Identifier: Apache-2.0
"""Trials of the device side that need no simulator: what is measured. `exo trial` runs and reports them."""
