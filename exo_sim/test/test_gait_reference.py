# SPDX-License-Identifier: Apache-2.0
"""The reference gait against the published regressions, its own derivative, and bad input."""

import numpy as np
import pytest

from exo_sim.errors import GaitError
from exo_sim.gait.reference import JOINTS, KNEE_MINIMUM_RAD, ReferenceGait

PHASE = np.linspace(0.0, 1.0, 201)[:-1]


@pytest.mark.parametrize(
    "speed, stride_time, stance",
    [
        # Schwartz 2008 at L = 0.90 m: measured stride time (s) and stance (%), regression within 1 %
        (0.8623, 1.3313, 62),
        (1.2759, 1.0726, 59),
        (1.6635, 0.91474, 58),
    ],
)
def test_times_follow_the_measured_table(speed, stride_time, stance):
    gait = ReferenceGait(speed, 0.9)
    assert gait.stride_time_s == pytest.approx(stride_time, rel=0.01)
    assert 100 * gait.stance_fraction == pytest.approx(stance, abs=1.0)
    assert gait.step_length_m == pytest.approx(speed * stride_time / 2, rel=0.01)


@pytest.mark.parametrize("speed", [0.4, 0.75, 1.25, 1.75, 2.5])
def test_velocities_are_the_derivative_of_the_angles(speed):
    gait = ReferenceGait(speed)
    step = 0.0025  # one node of the table: finer steps only measure its linear interpolation
    difference = (gait.joint_angles(PHASE + step) - gait.joint_angles(PHASE - step)) / (2 * step * gait.stride_time_s)
    error = np.abs(difference - gait.joint_velocities(PHASE))
    knee = [JOINTS.index("knee_angle_r"), JOINTS.index("knee_angle_l")]
    at_corner = np.zeros_like(error, dtype=bool)  # the clipped knee has a kink: no derivative there
    angles = gait.joint_angles(PHASE)
    at_corner[:, knee] = angles[:, knee] < KNEE_MINIMUM_RAD + 0.01
    assert error[~at_corner].max() < 0.02 * np.abs(difference).max()


def test_left_leg_is_the_right_one_half_a_stride_later():
    gait = ReferenceGait(1.25)
    now, later = gait.joint_angles(PHASE), gait.joint_angles(PHASE + 0.5)
    np.testing.assert_allclose(now[:, 7:], later[:, :7], atol=1e-12)
    assert np.ptp(now[:, 0]) > 0.5  # and the leg does move


def test_periodic_for_any_real_phase():
    gait = ReferenceGait(1.25)
    phase = np.array([0.0, 1.0, -1.0, 17.0])
    np.testing.assert_allclose(gait.joint_angles(phase), np.repeat(gait.joint_angles(phase[:1]), 4, axis=0))
    below_one = np.nextafter(1.0, 0.0)
    np.testing.assert_allclose(
        gait.joint_angles(np.array([below_one, -1e-18])), gait.joint_angles(np.zeros(2)), atol=1e-9
    )


def test_walking_angles_are_those_of_walking():
    angles = np.rad2deg(ReferenceGait(1.25).joint_angles(PHASE))
    knee, ankle, hip = (angles[:, JOINTS.index(f"{name}_r")] for name in ("knee_angle", "ankle_angle", "hip_flexion"))
    assert 55 < knee.max() < 65 and 0.68 < PHASE[knee.argmax()] < 0.76
    assert knee.min() >= np.rad2deg(KNEE_MINIMUM_RAD) - 1e-9
    assert -20 < ankle.min() < -10 and 0.58 < PHASE[ankle.argmin()] < 0.68
    assert hip.argmin() in range(95, 115) and np.ptp(hip) == pytest.approx(42, abs=4)
    for still in ("hip_rotation_r", "subtalar_angle_l", "mtp_angle_r"):
        assert not angles[:, JOINTS.index(still)].any()


def test_speed_outside_the_data_is_clamped():
    slowest, still = ReferenceGait(0.505), ReferenceGait(0.0)
    np.testing.assert_allclose(still.joint_angles(PHASE), slowest.joint_angles(PHASE), atol=1e-9)
    assert still.step_length_m == 0.0 and np.isfinite(still.stride_time_s)
    assert ReferenceGait(3.0).normalised_speed == pytest.approx(0.69)


def test_longer_legs_stride_slower_at_the_same_speed():
    assert ReferenceGait(1.25, 1.0).stride_time_s > ReferenceGait(1.25, 0.8).stride_time_s


@pytest.mark.parametrize(
    "arguments, word",
    [
        ((float("nan"),), "speed_mps"),
        ((-1.0,), "speed_mps"),
        (("fast",), "speed_mps"),
        ((None,), "speed_mps"),
        ((1.25, 0.0), "leg_length_m"),
        ((1.25, 90.0), "leg_length_m"),
        ((4.5,), "speed_mps"),
    ],
)
def test_bad_input_names_the_argument(arguments, word):
    with pytest.raises(GaitError, match=word):
        ReferenceGait(*arguments)


def test_phase_must_be_one_dimensional():
    with pytest.raises(GaitError, match="one-dimensional"):
        ReferenceGait(1.25).joint_angles(np.zeros((2, 2)))
