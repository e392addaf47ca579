# SPDX-License-Identifier: Apache-2.0
"""Starts, records, shows and reports the exo_gait graph."""
