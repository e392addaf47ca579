# SPDX-License-Identifier: Apache-2.0
"""Gait: the reference to imitate, events and strides measured from signals, curves and normative data.

``reference`` is what a human imitates, and what people were measured to do. ``strides.StrideRecorder`` turns
``sample.GaitSample`` after sample into ``stride_metrics.StrideMetrics`` and ``curves.CurveTable``; ``scores`` compares
those with the reference.
"""
