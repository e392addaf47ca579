# SPDX-License-Identifier: Apache-2.0
"""Training of a human whose network drives the muscles: imitation of the one who sets joint targets, then reinforcement."""
