# SPDX-License-Identifier: Apache-2.0
"""What policy_node does, without ROS: zero when in doubt, swaps with a fade."""

import dataclasses

import numpy as np
import pytest

from exo_policy.checkpoint import CheckpointError
from exo_policy.controllers import ControllerError
from exo_policy.policy_runtime import Choice, Device, PolicyRuntime
from exo_policy.synthetic_gait import synthetic_walk

JOINTS = ("hip_flexion_r", "ankle_angle_r", "hip_flexion_l", "ankle_angle_l")
PARAMS = {"hip_peak_nm_per_kg": 0.2, "ankle_peak_nm_per_kg": 0.4, "rate_hz": 100.0}
SPLINE, ZERO = Choice("spline", "", PARAMS), Choice("zero", "", PARAMS)
DEVICE = Device(JOINTS, (22.5, 37.5, 22.5, 37.5), 75.0, active=True)


@pytest.fixture(scope="module")
def walk():
    return synthetic_walk(JOINTS, 1.25, 10.0)


def answers(runtime, walk, start, end):
    return np.array([runtime.answer(walk.observation(i)) for i in range(start, end)])


def test_zero_before_the_device_is_known_and_while_it_is_not_active(walk):
    runtime = PolicyRuntime(SPLINE)
    assert not answers(runtime, walk, 0, 50).any()
    runtime.set_device(dataclasses.replace(DEVICE, active=False))
    assert not answers(runtime, walk, 50, 500).any()
    runtime.set_device(DEVICE)  # the gait is known by now: torque at once, the device fades it in
    assert np.abs(answers(runtime, walk, 500, 600)).max() > 20.0
    assert runtime.error is None


def test_limits_of_an_unarmed_device_may_be_zero(walk):
    runtime = PolicyRuntime(SPLINE)
    runtime.set_device(dataclasses.replace(DEVICE, torque_limit=(0.0,) * 4))
    assert not answers(runtime, walk, 0, 400).any()
    runtime.set_device(DEVICE)
    assert np.abs(answers(runtime, walk, 400, 500)).max() > 20.0


def test_swap_fades_and_a_bad_one_changes_nothing(walk):
    runtime = PolicyRuntime(SPLINE)
    runtime.set_device(DEVICE)
    before = answers(runtime, walk, 0, 500)
    for bad, error in (
        (Choice("magic", "", PARAMS), ControllerError),
        (Choice("learned", "/nowhere/x.json", PARAMS), CheckpointError),
        (Choice("zero", "x.json", PARAMS), ControllerError),
    ):
        with pytest.raises(error):
            runtime.load(bad, 1.0)
    with pytest.raises(ControllerError, match="fade"):
        runtime.load(ZERO, -1.0)
    assert runtime.choice is SPLINE
    runtime.load(ZERO, 1.0)
    after = answers(runtime, walk, 500, 700)
    step = np.abs(np.diff(np.concatenate([before[300:], after]), axis=0))
    assert step.max() < 1.3 * step[:200].max()  # no jump larger than the profile's own slope
    assert not after[101:].any()


def test_a_sample_with_nan_is_answered_with_zero_and_named(walk):
    runtime = PolicyRuntime(SPLINE)
    runtime.set_device(DEVICE)
    answers(runtime, walk, 0, 500)
    bad = dataclasses.replace(walk.observation(500), velocity=np.full(4, np.nan))
    assert not runtime.answer(bad).any()
    assert "velocity holds NaN" in runtime.error
    assert np.abs(answers(runtime, walk, 501, 600)).max() > 20.0 and runtime.error is None


def test_a_repeated_stamp_repeats_the_answer(walk):
    runtime = PolicyRuntime(SPLINE)
    runtime.set_device(DEVICE)
    last = answers(runtime, walk, 0, 550)[-1]
    for _ in range(100):
        np.testing.assert_array_equal(runtime.answer(walk.observation(549)), last)


def test_time_that_runs_back_starts_anew(walk):
    runtime = PolicyRuntime(SPLINE)
    runtime.set_device(DEVICE)
    answers(runtime, walk, 0, 600)
    assert not answers(runtime, walk, 0, 80).any()


def test_a_controller_that_does_not_fit_the_device_gives_zero(walk):
    runtime = PolicyRuntime(Choice("learned", "", PARAMS))
    hip = Device(JOINTS[:1], (22.5,), 75.0, True)
    with pytest.raises(ControllerError, match="none is shipped for the joints hip_flexion_r"):
        runtime.set_device(hip)
    single = synthetic_walk(JOINTS[:1], 1.25, 1.0)
    assert not runtime.answer(single.observation(0)).any()
    assert "does not fit" in runtime.error
    runtime.set_device(DEVICE)  # another device: made again
    assert np.abs(answers(runtime, walk, 0, 100)).max() > 1.0


def test_a_bad_choice_is_refused_at_once():
    with pytest.raises(ControllerError, match="unknown controller"):
        PolicyRuntime(Choice("magic", "", PARAMS))
    with pytest.raises(CheckpointError, match="no such file"):
        PolicyRuntime(Choice("learned", "/nowhere/x", PARAMS))


def test_bad_mass_is_refused():
    with pytest.raises(ControllerError, match="wearer_mass"):
        PolicyRuntime(SPLINE).set_device(dataclasses.replace(DEVICE, wearer_mass=0.0))


def test_fades_within_fades_are_bounded(walk):
    runtime = PolicyRuntime(ZERO)
    runtime.set_device(DEVICE)
    with pytest.raises(ControllerError, match="wait until they end"):
        for _ in range(1200):
            runtime.load(SPLINE, 3600.0)
    answers(runtime, walk, 0, 3)
    assert runtime.error is None
