# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from exo_sim.human.pace import FASTEST_WALK_MPS, LARGEST_CORRECTION_MPS, SLOWEST_WALK_MPS, Pace

PERIOD_S = 0.01


def walk(pace, target, carries, seconds, velocity=None):
    """Lets one person go on whose velocity is what they intend times or plus what `carries` makes of it."""
    velocity = target if velocity is None else velocity
    for _ in range(round(seconds / PERIOD_S)):
        intended = pace.advance(target, np.array([velocity]), PERIOD_S)
        velocity = carries(float(intended[0]))
    return velocity, float(intended[0])


@pytest.mark.parametrize("carries", [lambda v: 1.06 * v, lambda v: v - 0.1, lambda v: v])
def test_a_missed_speed_is_made_good_within_seconds(carries):
    pace = Pace(1)
    pace.place(0, 1.2)
    first, _ = walk(pace, 1.2, carries, 0.01)
    velocity, _ = walk(pace, 1.2, carries, 20.0, first)
    assert velocity == pytest.approx(1.2, abs=0.003) and pace.asked[0] == 1.2


def test_who_cannot_keep_up_does_not_wind_up():
    pace = Pace(1)
    pace.place(0, 1.2)
    _, intended = walk(pace, 1.2, lambda v: 0.5, 60.0)
    assert intended == pytest.approx(1.2 + LARGEST_CORRECTION_MPS)
    _, intended = walk(pace, 1.2, lambda v: v, 20.0)
    assert intended == pytest.approx(1.2, abs=0.01)


def test_intention_stays_within_what_can_be_walked():
    pace = Pace(2)
    for i, speed in enumerate((SLOWEST_WALK_MPS, FASTEST_WALK_MPS)):
        pace.place(i, speed)
    for _ in range(2000):
        intended = pace.advance(np.array([SLOWEST_WALK_MPS, FASTEST_WALK_MPS]), np.array([0.9, 1.2]), PERIOD_S)
    assert intended.tolist() == [SLOWEST_WALK_MPS, FASTEST_WALK_MPS]


def test_standing_is_standing_and_a_stop_forgets():
    pace = Pace(1)
    pace.place(0, 0.0)
    assert pace.advance(0.0, np.array([0.3]), PERIOD_S)[0] == 0.0
    pace.place(0, 1.0)
    walk(pace, 1.0, lambda v: v - 0.15, 20.0)
    _, intended = walk(pace, 0.0, lambda v: v, 6.0)
    assert intended == 0.0
    _, intended = walk(pace, 1.0, lambda v: v, 0.5, 0.0)
    assert intended == pytest.approx(float(pace.asked[0]), abs=1e-3)


def test_a_velocity_that_is_not_finite_changes_nothing():
    pace = Pace(1)
    pace.place(0, 1.0)
    assert pace.advance(1.0, np.array([np.nan]), PERIOD_S)[0] == 1.0
