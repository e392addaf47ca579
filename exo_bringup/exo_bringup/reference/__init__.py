# SPDX-License-Identifier: Apache-2.0
"""The pages of docs/reference, written from the code: `exo docs`. A test compares them with what lies there."""

from exo_bringup.reference.pages import build_pages, write_pages

__all__ = ["build_pages", "write_pages"]
