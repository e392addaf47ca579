# SPDX-License-Identifier: Apache-2.0
"""Published profiles pass their nodes, and are periodic and smooth."""

import numpy as np
import pytest

from exo_policy.profiles import ANKLE_GENERIC, ANKLE_PREFERENCE, HIP, PROFILES, TorqueProfile, joint_sign

PHASE = np.arange(100) / 100.0


@pytest.mark.parametrize(
    "profile, zeros, peaks",
    [
        (ANKLE_GENERIC, (0.0, 0.1, 0.267, 0.627, 0.8), {0.529: 1.0}),
        (ANKLE_PREFERENCE, (0.0, 0.1, 0.254, 0.633, 0.8), {0.533: 1.0}),
        (HIP, (0.318, 0.33, 0.334, 0.906, 0.92, 0.938), {0.102: -1.0, 0.659: 1.0}),
    ],
)
def test_profiles_pass_their_published_nodes(profile, zeros, peaks):
    np.testing.assert_allclose(profile(np.array(zeros)), 0.0, atol=1e-12)
    for phase, value in peaks.items():
        assert profile(phase) == pytest.approx(value)
    fine = profile(np.linspace(0.0, 1.0, 2001))
    assert np.abs(fine).max() == pytest.approx(1.0, abs=1e-4)
    for lobe in (1.0, -1.0):  # monotone on both sides of a peak: no ringing between nodes
        rising = np.flatnonzero(np.diff(np.sign(np.diff(np.maximum(lobe * fine, 0.0)))) < 0)
        assert len(rising) <= 1


def test_profiles_are_periodic_and_smooth_across_heel_strike():
    for profile in PROFILES.values():
        np.testing.assert_allclose(profile(PHASE), profile(PHASE + 1.0), atol=1e-12)
        np.testing.assert_allclose(profile(PHASE), profile(PHASE - 2.0), atol=1e-12)
    around = HIP(np.linspace(-0.02, 0.02, 41))
    assert np.abs(np.diff(around, 2)).max() < 1e-3


def test_nodes_out_of_order_are_refused():
    with pytest.raises(ValueError, match="increase"):
        TorqueProfile("bad", "hip_flexion", ((50.0, 0.0), (20.0, 1.0)), "none")


def test_plantarflexion_is_negative_on_the_ankle_joint():
    assert joint_sign("ankle_angle_l") == -1.0
    assert joint_sign("hip_flexion_r") == 1.0
