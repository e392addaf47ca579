# SPDX-License-Identifier: Apache-2.0
"""Gait: the reference to imitate, events and strides measured from signals, curves and normative data."""
