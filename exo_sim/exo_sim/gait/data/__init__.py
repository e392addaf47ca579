# SPDX-License-Identifier: Apache-2.0
"""Tables derived from published gait data; every file states its source and licence."""
