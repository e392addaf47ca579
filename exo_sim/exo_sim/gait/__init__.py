# SPDX-License-Identifier: Apache-2.0
"""Gait: the reference to imitate, events and strides measured from signals, curves and normative data.

``reference`` is what a walker imitates. ``strides.StrideRecorder`` turns ``sample.GaitSample`` after sample
into ``stride_metrics.StrideMetrics`` and ``curves.CurveTable``; ``normative`` and ``scores`` judge the
curves, ``profiles`` the assistance torque.
"""
