# SPDX-License-Identifier: Apache-2.0
"""Report of an evaluation of an exoskeleton policy: one figure as in a paper, tables, a model card."""
