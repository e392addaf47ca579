# SPDX-License-Identifier: Apache-2.0
"""Running statistics against numpy, and symmetry."""

import math

import numpy as np
import pytest

from exo_sim.gait.stride_metrics import symmetry_index
from exo_sim.gait.strides import RunningStatistics


def test_running_statistics_equal_numpy_and_skip_nan():
    data = np.random.default_rng(1).normal(1e3, 0.1, (20, 4))  # large mean: cancellation would show
    data[3, 2] = np.nan
    data[:, 3] = np.nan
    data[7, 3] = 5.0
    first, second = RunningStatistics((4,)), RunningStatistics((4,))
    for row in data[:12]:
        first.add(row)
    for row in data[12:]:
        second.add(row)
    first.merge(second)
    np.testing.assert_allclose(first.mean, np.nanmean(data, axis=0), rtol=1e-12)
    np.testing.assert_allclose(first.sd[:3], np.nanstd(data[:, :3], axis=0, ddof=1), rtol=1e-6)
    assert math.isnan(first.sd[3]) and list(first.count) == [20, 20, 19, 1]
    empty = RunningStatistics(())
    assert math.isnan(empty.mean) and math.isnan(empty.sd)
    empty.merge(RunningStatistics(()))
    assert math.isnan(empty.mean)


@pytest.mark.parametrize(
    "right, left, percent", [(1.0, 1.0, 0.0), (1.0, 0.5, 66.6667), (0.5, 1.0, 66.6667), (1.0, 0.0, 200.0)]
)
def test_symmetry_index(right, left, percent):
    assert symmetry_index(right, left) == pytest.approx(percent, abs=1e-3)


def test_symmetry_index_without_meaning():
    for right, left in ((0.0, 0.0), (-1.0, 0.5), (math.nan, 1.0)):
        assert math.isnan(symmetry_index(right, left))
