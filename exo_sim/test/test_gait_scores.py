# SPDX-License-Identifier: Apache-2.0
"""Normative data and the scores against it."""

import math

import numpy as np
import pytest

from exo_sim.errors import GaitError
from exo_sim.gait.curves import PHASE_PERCENT, Curve
from exo_sim.gait.reference import JOINTS, NormativeGait, ReferenceGait
from exo_sim.gait.scores import (
    on_off_agreement,
    score_against_normative,
    score_against_reference,
    score_curve,
    waveform_r,
)
from exo_sim.gait.variables import EMG_MUSCLES

FREE = 0.42939 * math.sqrt(9.81 * 0.9)  # the third measured speed at a leg of 0.90 m
PHASE = np.linspace(0, 2 * np.pi, 101)


def test_normative_curves_at_a_measured_speed():
    gait = NormativeGait(FREE)
    knee = gait.curve("knee_flexion", np.array([0.0, 72.0]))
    np.testing.assert_allclose(knee.mean, [5.5537, 59.132], atol=1e-3)
    np.testing.assert_allclose(knee.sd[0], 5.6551, atol=1e-3)
    force = gait.curve("grf_vertical_BW")
    assert force.sd.min() >= 0.0 and force.mean.max() == pytest.approx(1.097, abs=1e-3)
    assert gait.curve("grf_fore_aft_BW").mean[52] > 0.15 and gait.curve("grf_fore_aft_BW").mean[10] < -0.15
    assert gait.curve("ankle_moment_Nm_kg").mean.max() == pytest.approx(1.226, abs=1e-3)
    assert (gait.stance_percent, gait.clamped) == (59.0, False)
    assert gait.stride_time_s == pytest.approx(1.0726, abs=1e-3)
    assert gait.step_length_m == pytest.approx(0.68364, abs=1e-3)
    assert set(EMG_MUSCLES) < set(gait.variables())


def test_normative_curves_between_and_beyond_the_measured_speeds():
    slow, free = 0.2902 * math.sqrt(9.81 * 0.9), FREE
    low, middle, high = (NormativeGait(speed).curve("hip_flexion").mean for speed in (slow, 0.5 * (slow + free), free))
    np.testing.assert_allclose(middle, 0.5 * (low + high), atol=1e-6)
    assert NormativeGait(2.5).clamped and NormativeGait(0.2).clamped
    np.testing.assert_array_equal(
        NormativeGait(2.5).curve("hip_flexion").mean, NormativeGait(2.07).curve("hip_flexion").mean
    )
    # longer legs: the same speed is a slower walk
    assert np.ptp(NormativeGait(1.25, 1.0).curve("hip_flexion").mean) < np.ptp(
        NormativeGait(1.25, 0.8).curve("hip_flexion").mean
    )


def test_normative_curves_agree_with_the_reference_gait():
    angles = np.rad2deg(ReferenceGait(FREE).joint_angles(PHASE_PERCENT / 100))
    # not hip adduction: the reference has it against the vertical, the normative curve against the pelvis
    for variable, joint in (
        ("hip_flexion", "hip_flexion_r"),
        ("knee_flexion", "knee_angle_r"),
        ("ankle_dorsiflexion", "ankle_angle_r"),
    ):
        score = score_curve(angles[:, JOINTS.index(joint)], NormativeGait(FREE).curve(variable).mean)
        assert score.rmse_shape < 1.0 and score.r > 0.99


def test_scores_separate_offset_and_shape():
    score = score_curve(np.sin(PHASE) + 3.0, np.sin(PHASE), np.full(101, 1.0))
    assert (score.rmse, score.offset, score.rmse_shape) == pytest.approx((3.0, 3.0, 0.0))
    assert score.r == pytest.approx(1.0) and score.within_2sd == 0.0
    assert score_curve(np.sin(PHASE) + 1.9, np.sin(PHASE), np.full(101, 1.0)).within_2sd == 1.0
    assert waveform_r(np.sin(PHASE[:-1]), np.cos(PHASE[:-1])) == pytest.approx(0.0, abs=1e-12)
    assert waveform_r(np.sin(PHASE), -np.sin(PHASE)) == pytest.approx(-1.0)
    assert math.isnan(waveform_r(np.ones(10), np.arange(10.0)))
    assert math.isnan(score_curve(np.sin(PHASE), np.sin(PHASE)).within_2sd)


def _measured(variable, mean, speed=FREE):
    return Curve("a", speed, "r", variable, PHASE_PERCENT, mean, np.zeros(101))


def test_scores_of_measured_curves():
    normative = NormativeGait(FREE).curve("grf_vertical_BW").mean
    score = score_against_normative(_measured("grf_vertical_BW", normative + 0.1))
    assert (score.r, score.offset) == pytest.approx((1.0, 0.1))
    reference = np.rad2deg(ReferenceGait(1.25).joint_angles(PHASE_PERCENT / 100))
    hip = _measured("hip_flexion", reference[:, 0] + 5.87 + 2.0, speed=1.25)
    assert score_against_reference(hip).rmse == pytest.approx(2.0)
    knee = _measured("knee_flexion", reference[:, 3], speed=1.25)
    assert score_against_reference(knee).rmse == pytest.approx(0.0)
    with pytest.raises(GaitError, match="no pelvis_list"):
        score_against_reference(_measured("pelvis_list", normative))
    with pytest.raises(GaitError, match="no normative data"):
        score_against_normative(_measured("pelvis_list", normative))
    with pytest.raises(GaitError, match="gaps"):
        score_against_normative(_measured("hip_flexion", np.full(101, np.nan)))


def test_on_off_agreement():
    wave = np.sin(PHASE)
    assert on_off_agreement(wave, 0.3 * wave + 2.0) == 1.0
    assert on_off_agreement(wave, -wave) < 0.45
    shifted = on_off_agreement(wave, np.roll(wave, 5))
    assert shifted == pytest.approx(0.9, abs=0.02)
    with pytest.raises(GaitError, match="share"):
        on_off_agreement(wave, wave, 1.5)


@pytest.mark.parametrize(
    "call, word",
    [
        (lambda: NormativeGait(-1.0), "speed_mps"),
        (lambda: NormativeGait(1.25, 0.0), "leg_length_m"),
        (lambda: NormativeGait(1.25).curve("knee"), "knee_flexion"),
        (lambda: NormativeGait(1.25).curve("knee_flexion", np.array([101.0])), "phase_percent"),
        (lambda: score_curve(np.zeros(5), np.zeros(6)), "equally long"),
        (lambda: score_curve(np.full(5, np.inf), np.zeros(5)), "gaps"),
    ],
)
def test_bad_input(call, word):
    with pytest.raises(GaitError, match=word):
        call()
