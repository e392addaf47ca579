# SPDX-License-Identifier: Apache-2.0
"""Environments that train the human, and the commands that run them."""
