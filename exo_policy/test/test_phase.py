# SPDX-License-Identifier: Apache-2.0
"""The phase estimator on the average gait, where the true phase is known."""

import numpy as np
import pytest

from exo_core.joints import JointNameError
from exo_policy.gait_template import GaitTemplate, normalised_speed, stride_rate_hz
from exo_policy.phase import GaitPhaseEstimator
from exo_policy.synthetic_gait import synthetic_walk

DEVICES = {
    "hip_ankle": ("hip_flexion_r", "ankle_angle_r", "hip_flexion_l", "ankle_angle_l"),
    "hip": ("hip_flexion_r", "hip_flexion_l"),
    "ankle": ("ankle_angle_r", "ankle_angle_l"),
    "hip_ankle_right": ("hip_flexion_r", "ankle_angle_r"),
    "hip_left": ("hip_flexion_l",),
    "ankle_right": ("ankle_angle_r",),
    "ankle_left": ("ankle_angle_l",),
}
NOISE = {"angle_noise_rad": np.deg2rad(0.5), "velocity_noise_rad_s": 0.05}
SETTLED_STRIDES = 3


def wrap(phase):
    return (phase + 0.5) % 1.0 - 0.5


def estimate(estimator, walk, force=True):
    """Return phases (N, 2) right, left and confidence (N,)."""
    rows = [
        estimator.update(
            walk.stamp_s[i],
            walk.position[i],
            walk.velocity[i],
            walk.linear_acceleration[i] if force else None,
        )
        for i in range(len(walk))
    ]
    return np.array([(g.right, g.left) for g in rows]), np.array([g.confidence for g in rows])


def errors(phases, walk):
    return wrap(phases - np.stack([walk.phase("r"), walk.phase("l")], 1))


def rms(values):
    return float(np.sqrt(np.mean(np.square(values))))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("speed, start", [(0.75, 0.15), (1.25, 0.5), (1.75, 0.85)])
def test_converges_within_three_strides_and_stays_within_three_percent(device, speed, start):
    walk = synthetic_walk(DEVICES[device], speed, 8.0, start_phase=start, seed=3, **NOISE)
    phases, confidence = estimate(GaitPhaseEstimator(walk.joint_names), walk)
    settled = walk.stamp_s > SETTLED_STRIDES / walk.stride_rate_hz[0]
    assert settled.sum() > 250
    assert rms(errors(phases, walk)[settled]) < 0.01
    assert confidence[settled].min() > 0.8
    assert confidence[walk.stamp_s < 0.5 / walk.stride_rate_hz[0]].max() < 0.05


@pytest.mark.parametrize("device", DEVICES)
def test_delay_of_20_ms_costs_its_share_of_the_stride(device):
    walk = synthetic_walk(DEVICES[device], 1.25, 7.0, start_phase=0.3, delay_s=0.02, **NOISE)
    settled = walk.stamp_s > SETTLED_STRIDES / walk.stride_rate_hz[0]
    error = errors(estimate(GaitPhaseEstimator(walk.joint_names), walk)[0], walk)[settled]
    assert rms(error) < 0.03
    led = errors(estimate(GaitPhaseEstimator(walk.joint_names, lead_s=0.02), walk)[0], walk)[settled]
    assert rms(led) < 0.01


@pytest.mark.parametrize("device", ["hip_ankle", "hip", "ankle"])
def test_a_walker_who_is_not_average(device):
    names = DEVICES[device]
    rng = np.random.default_rng(5)
    walk = synthetic_walk(
        names,
        1.1,
        9.0,
        start_phase=0.6,
        cadence=1.1,
        offset_rad=rng.uniform(-0.09, 0.09, len(names)),
        gain=rng.uniform(0.75, 1.3, len(names)),
        **NOISE,
    )
    phases, confidence = estimate(GaitPhaseEstimator(names), walk)
    settled = walk.stamp_s > SETTLED_STRIDES / walk.stride_rate_hz[0]
    assert rms(errors(phases, walk)[settled]) < 0.03
    assert confidence[settled].min() > 0.5


@pytest.mark.parametrize("device", ["hip_ankle", "hip_left", "ankle_right"])
def test_follows_changes_of_speed(device):
    def speed(t):  # 0.75 to 1.75 m/s and back at 0.2 m/s^2
        return 0.75 + 0.2 * (np.clip(t - 5.0, 0.0, 5.0) - np.clip(t - 12.0, 0.0, 5.0))

    walk = synthetic_walk(DEVICES[device], speed, 18.0, start_phase=0.4, **NOISE)
    phases, confidence = estimate(GaitPhaseEstimator(walk.joint_names), walk)
    late = walk.stamp_s > 4.5
    assert rms(errors(phases, walk)[late]) < 0.03
    assert np.abs(errors(phases, walk)[late]).max() < 0.06
    assert confidence[late].min() > 0.8


@pytest.mark.parametrize("device", DEVICES)
def test_standing_still_has_no_confidence(device):
    rng = np.random.default_rng(0)
    estimator = GaitPhaseEstimator(DEVICES[device])
    joints = len(DEVICES[device])
    for i in range(400):
        phase = estimator.update(
            0.01 * i,
            rng.normal(0.0, 0.0087, joints),
            rng.normal(0.0, 0.05, joints),
            np.array([0.0, 0.0, 9.81]),
        )
        assert phase.confidence == 0.0
    assert phase.stride_rate_hz == 0.0


@pytest.mark.parametrize("device", ["hip_ankle", "hip", "ankle_right"])
def test_stopping_ends_confidence_and_walking_on_brings_it_back(device):
    walk = synthetic_walk(DEVICES[device], 1.25, 13.0, **NOISE)
    stop, go = 600, 800
    walk.position[stop:go], walk.velocity[stop:go] = walk.position[stop], 0.0
    walk.linear_acceleration[stop:go] = [0.0, 0.0, 9.81]
    phases, confidence = estimate(GaitPhaseEstimator(walk.joint_names), walk)
    assert confidence[stop - 1] > 0.9
    assert confidence[stop + 60 : go].max() < 0.02
    again = walk.stamp_s > walk.stamp_s[go] + SETTLED_STRIDES / walk.stride_rate_hz[go]
    assert confidence[again].min() > 0.8
    assert rms(errors(phases, walk)[again]) < 0.03


@pytest.mark.parametrize("device", ["hip_ankle", "hip", "ankle"])
def test_squats_are_not_walking(device):
    estimator = GaitPhaseEstimator(DEVICES[device])
    depth = np.array([0.6 if name.startswith("hip") else 0.17 for name in DEVICES[device]])
    omega = 2.0 * np.pi * 0.5
    for i in range(1000):
        t = 0.01 * i
        phase = estimator.update(t, depth * (1.0 - np.cos(omega * t)), depth * omega * np.sin(omega * t))
        assert phase.confidence < 0.3


def test_leg_swinging_with_a_still_pelvis_is_not_walking():
    walk = synthetic_walk(DEVICES["hip_left"], 1.25, 6.0)
    still = np.array([0.0, 0.0, 9.81])
    estimator = GaitPhaseEstimator(walk.joint_names)
    confidence = [
        estimator.update(t, q, v, still).confidence
        for t, q, v in zip(walk.stamp_s, walk.position, walk.velocity, strict=True)
    ]
    assert max(confidence) == 0.0


def test_an_asymmetric_gait_has_its_own_phase_on_each_side():
    names, late = DEVICES["hip_ankle"], 0.06
    walk = synthetic_walk(names, 1.1, 9.0)
    shifted = synthetic_walk(names, 1.1, 9.0, start_phase=-late)
    position, velocity = walk.position.copy(), walk.velocity.copy()
    position[:, 2:], velocity[:, 2:] = shifted.position[:, 2:], shifted.velocity[:, 2:]
    estimator = GaitPhaseEstimator(names)
    rows = [estimator.update(t, q, v) for t, q, v in zip(walk.stamp_s, position, velocity, strict=True)]
    truth = np.stack([walk.phase("r"), (walk.phase("l") - late) % 1.0], 1)
    error = wrap(np.array([(g.right, g.left) for g in rows]) - truth)[500:]
    assert rms(error) < 0.02


def test_order_of_joints_and_extra_joints_do_not_matter():
    walk = synthetic_walk(DEVICES["hip_ankle"], 1.25, 4.0, start_phase=0.2, **NOISE)
    plain, _ = estimate(GaitPhaseEstimator(walk.joint_names), walk)
    order = [3, 0, 2, 1]
    names = ("hip_rotation_r",) + tuple(walk.joint_names[i] for i in order)
    estimator = GaitPhaseEstimator(names)
    rows = [
        estimator.update(
            walk.stamp_s[i],
            np.append(9.0, walk.position[i][order]),
            np.append(9.0, walk.velocity[i][order]),
            walk.linear_acceleration[i],
        )
        for i in range(len(walk))
    ]
    np.testing.assert_allclose(wrap(np.array([(g.right, g.left) for g in rows]) - plain), 0.0, atol=1e-6)


def test_dropped_samples_and_jitter_are_tolerated_and_a_clock_jump_starts_anew():
    walk = synthetic_walk(DEVICES["hip_ankle"], 1.25, 8.0, **NOISE)
    keep = np.flatnonzero(np.random.default_rng(2).random(len(walk)) > 0.2)
    estimator = GaitPhaseEstimator(walk.joint_names)
    error = []
    for i in keep:
        phase = estimator.update(walk.stamp_s[i], walk.position[i], walk.velocity[i])
        error.append(wrap(phase.right - walk.phase("r")[i]))
    assert phase.confidence > 0.9 and rms(error[400:]) < 0.01
    assert estimator.update(walk.stamp_s[-1], walk.position[-1], walk.velocity[-1]) == phase  # repeated stamp
    assert estimator.update(0.0, walk.position[0], walk.velocity[0]).confidence == 0.0


def test_the_template_is_differentiated_correctly():
    template = GaitTemplate(["hip_flexion", "knee_angle", "ankle_angle"])
    phase, vn, step = np.linspace(0.0, 1.0, 17)[:, None] * np.ones(3), np.full(17, 0.4), 1e-5
    here = template(phase, vn)
    ahead, behind = template(phase + step, vn), template(phase - step, vn)
    faster, slower = template(phase, vn + step), template(phase, vn - step)
    for field, plus, minus, of in [
        ("by_phase", ahead, behind, "excursion"),
        ("by_phase_phase", ahead, behind, "by_phase"),
        ("by_speed", faster, slower, "excursion"),
        ("by_phase_speed", faster, slower, "by_phase"),
        ("mean_by_speed", faster, slower, "mean"),
    ]:
        slope = (getattr(plus, of) - getattr(minus, of)) / (2.0 * step)
        np.testing.assert_allclose(*np.broadcast_arrays(getattr(here, field), slope), atol=1e-6)
    rate, rate_slope = stride_rate_hz(np.array([0.3, 0.5]))
    difference = stride_rate_hz(np.array([0.3, 0.5]) + step)[0] - stride_rate_hz(np.array([0.3, 0.5]) - step)[0]
    np.testing.assert_allclose(rate_slope, difference / (2.0 * step), atol=1e-6)


def test_the_template_is_the_published_gait():
    """Landmarks of Schwartz 2008 at a comfortable speed: stride 1.08 s, hip extends most near 52 %, push-off
    plantarflexion near 62 %."""
    vn = normalised_speed(1.25)
    assert 1.0 / stride_rate_hz(np.float64(vn))[0] == pytest.approx(1.083, abs=0.005)
    phase = np.linspace(0.0, 1.0, 500, endpoint=False)
    hip, ankle = GaitTemplate(["hip_flexion", "ankle_angle"]).angles(phase[:, None] * np.ones(2), np.full(500, vn)).T
    assert phase[hip.argmin()] == pytest.approx(0.53, abs=0.02)
    assert phase[ankle.argmin()] == pytest.approx(0.635, abs=0.02)
    assert np.rad2deg(np.ptp(hip)) == pytest.approx(42.0, abs=4.0)


@pytest.mark.parametrize(
    "names, needle",
    [((), "no joints"), (("hip_flexion",), "_r or _l"), (("hip_rotation_r",), "none tells the gait phase")],
)
def test_joints_that_cannot_work(names, needle):
    with pytest.raises(JointNameError, match=needle):
        GaitPhaseEstimator(names)
