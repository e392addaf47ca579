# SPDX-License-Identifier: Apache-2.0
"""How human the walker is, as one self-contained HTML file: no scripts, no links, fit for print."""
