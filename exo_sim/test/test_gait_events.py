# SPDX-License-Identifier: Apache-2.0
"""Heel strikes and toe offs of synthetic forces with known times."""

import math

import numpy as np
import pytest

from exo_sim.errors import GaitError
from exo_sim.gait.events import HEEL_STRIKE, TOE_OFF, StrideDetector

WEIGHT = 700.0
STRIDE, STANCE = 1.1, 0.66


def _force(t, ramp=0.02):
    """Trapezoid of one body weight: loads and unloads within ``ramp`` seconds, stance from 0 to STANCE."""
    inside = np.mod(t, STRIDE)
    return WEIGHT * np.clip(np.minimum(inside, STANCE - inside) / ramp, 0.0, 1.0)


def _run(times, forces, **options):
    detector = StrideDetector(WEIGHT, **options)
    return detector, [event for t, force in zip(times, forces, strict=False) for event in detector.update(t, force)]


def test_known_times_are_found_between_samples():
    times = np.arange(0.8, 5.0, 0.0097)  # a step that does not divide the stride
    _, events = _run(times, _force(times))
    strikes = [event.t for event in events if event.kind == HEEL_STRIKE]
    offs = [event.t for event in events if event.kind == TOE_OFF]
    np.testing.assert_allclose(strikes, STRIDE * np.arange(1, 5), atol=0.006)
    np.testing.assert_allclose(offs, STRIDE * np.arange(1, 4) + STANCE, atol=0.006)
    assert not set(strikes) & set(times)  # not bound to the sampling grid


def test_an_event_is_reported_when_certain():
    times = np.arange(0.8, 1.3, 0.01)
    detector = StrideDetector(WEIGHT)
    for t, force in zip(times, _force(times), strict=False):
        for event in detector.update(t, force):
            assert 0.03 <= t - event.t < 0.05
            return
    pytest.fail("no heel strike reported")


def test_noise_bounce_and_scuff_make_no_events():
    times = np.arange(0.8, 5.0, 0.005)
    force = _force(times) + np.random.default_rng(0).normal(0.0, 0.005 * WEIGHT, times.size)
    inside = np.mod(times, STRIDE)
    force[(inside > 0.025) & (inside < 0.045)] = 0.0  # the heel bounces for 20 ms
    scuff = (inside > 0.8) & (inside < 0.9)
    force[scuff] = 0.12 * WEIGHT  # the toe drags for 100 ms in swing
    _, events = _run(times, force)
    assert [event.kind for event in events] == [HEEL_STRIKE, TOE_OFF] * 3 + [HEEL_STRIKE]


def test_a_drag_that_turns_into_a_step_counts_once():
    times = np.arange(0.0, 2.0, 0.01)
    force = np.where(times < 1.0, 0.0, np.where(times < 1.1, 0.1, 0.9)) * WEIGHT
    _, events = _run(times, force)
    assert [event.kind for event in events] == [HEEL_STRIKE]
    assert events[0].t == pytest.approx(1.0, abs=0.011)


def test_phase_and_contact():
    times = np.arange(0.8, 3.6, 0.01)
    detector, _ = _run(times, _force(times))
    assert detector.stride_time == pytest.approx(STRIDE, abs=1e-6)
    assert detector.phase(3.3 + 0.5 * STRIDE) == pytest.approx(0.5, abs=0.01)
    assert detector.phase(99.0) < 1.0
    assert detector.contact is True
    fresh = StrideDetector(WEIGHT)
    assert math.isnan(fresh.phase(1.0)) and fresh.contact is None


def test_restart_forgets_time():
    detector, _ = _run(np.arange(0.8, 2.6, 0.01), _force(np.arange(0.8, 2.6, 0.01)))
    detector.restart()
    assert detector.update(0.0, 0.0) == [] and detector.stride_time is None


def test_bad_input():
    detector = StrideDetector(WEIGHT)
    detector.update(1.0, 0.0)
    with pytest.raises(GaitError, match="restart"):
        detector.update(1.0, 0.0)
    with pytest.raises(GaitError, match="not finite"):
        detector.update(2.0, math.nan)
    for options in ({"heel_strike": 0.01}, {"loaded": 0.03}, {"toe_off": 0.0}, {"debounce_s": -1.0}):
        with pytest.raises(GaitError):
            StrideDetector(WEIGHT, **options)
    for weight in (0.0, math.nan, -1.0):
        with pytest.raises(GaitError, match="weight"):
            StrideDetector(weight)
