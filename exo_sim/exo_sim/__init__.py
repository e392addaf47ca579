# SPDX-License-Identifier: Apache-2.0
"""The simulated side of exo_gait: a muscle-driven human that walks in an exoskeleton."""
