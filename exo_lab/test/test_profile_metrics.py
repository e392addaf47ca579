# SPDX-License-Identifier: Apache-2.0
"""The comparison of torque curves, against known shifts and scales."""

import numpy as np
import pytest

from exo_lab.evaluate.profile_metrics import best_cosine, compare_profiles
from exo_policy.profiles import ANKLE_GENERIC, HIP, PROFILES

PHASE = np.arange(100) / 100.0


@pytest.mark.parametrize("shift", [-0.06, -0.03, 0.0, 0.03, 0.06])
@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_a_known_shift_is_found_in_every_timing(profile, shift):
    figures = compare_profiles(0.4 * profile(PHASE - shift), 0.4 * profile(PHASE)).curve
    assert figures.best_lag_percent == pytest.approx(100 * shift, abs=0.15)
    assert figures.r_at_best_lag == pytest.approx(1.0, abs=1e-3)
    assert figures.positive.peak_error == pytest.approx(100 * shift, abs=0.3)
    assert figures.positive.onset_error == pytest.approx(100 * shift, abs=0.3)
    assert figures.positive.offset_error == pytest.approx(100 * shift, abs=0.3)
    assert (figures.negative is not None) == (profile is HIP)
    if profile is HIP:
        assert figures.negative.peak_error == pytest.approx(100 * shift, abs=0.3)


def test_r_alone_hides_a_shift():
    """The published warning: 3 % of stride still leaves r 0.93 at the ankle and 0.97 at the hip."""
    ankle = compare_profiles(ANKLE_GENERIC(PHASE - 0.03), ANKLE_GENERIC(PHASE)).curve
    hip = compare_profiles(HIP(PHASE - 0.03), HIP(PHASE)).curve
    assert ankle.r == pytest.approx(0.93, abs=0.01)
    assert hip.r == pytest.approx(0.97, abs=0.01)


def test_scale_shows_in_rmse_and_not_in_r():
    reference = 0.4 * ANKLE_GENERIC(PHASE)
    figures = compare_profiles(0.5 * reference, reference).curve
    assert figures.r == pytest.approx(1.0)
    assert figures.rmse == pytest.approx(np.sqrt(np.mean((0.5 * reference) ** 2)), rel=1e-2)
    assert figures.rmse_scaled == pytest.approx(0.0, abs=1e-9)


def test_the_cosine_stands_beside():
    """A fitting cosine scores at least the 0.95 that a plain one does against the hip curve, far less at the
    ankle."""
    reference = HIP(PHASE)
    comparison = compare_profiles(reference, reference)
    assert comparison.curve.r == pytest.approx(1.0)
    assert comparison.cosine.r == pytest.approx(0.966, abs=0.005)
    assert abs(comparison.cosine.positive.peak_error) > 2.0
    assert compare_profiles(ANKLE_GENERIC(PHASE), ANKLE_GENERIC(PHASE)).cosine.r < 0.8
    angle = 2.0 * np.pi * PHASE
    np.testing.assert_allclose(
        best_cosine(0.1 + np.cos(angle - 1.0) + np.sin(3 * angle)), 0.1 + np.cos(angle - 1.0), atol=1e-12
    )


def test_a_curve_without_the_lobe_has_no_timing():
    figures = compare_profiles(-ANKLE_GENERIC(PHASE), ANKLE_GENERIC(PHASE)).curve
    assert figures.positive is None
    assert figures.r < -0.99


@pytest.mark.parametrize(
    "bad, needle", [(np.zeros(100), "constant"), (np.full(100, np.nan), "NaN"), (np.arange(5.0), "20 points")]
)
def test_curves_that_cannot_be_compared(bad, needle):
    with pytest.raises(ValueError, match=needle):
        compare_profiles(bad, HIP(PHASE))
