# SPDX-License-Identifier: Apache-2.0
"""Tables of published muscle parameters; every file states its source."""
