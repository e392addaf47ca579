# SPDX-License-Identifier: Apache-2.0
"""A run, or several side by side, as one self-contained HTML file: no scripts, no links, fit for print."""
