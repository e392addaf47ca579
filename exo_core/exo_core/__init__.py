# SPDX-License-Identifier: Apache-2.0
"""What all packages share: joints and sides, time, files, errors, starting programs. Standard library alone."""
