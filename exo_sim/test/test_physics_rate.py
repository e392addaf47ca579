# SPDX-License-Identifier: Apache-2.0
"""The gait is the body's and not the integrator's."""

import numpy as np

from exo_sim.body.model import build_body
from exo_sim.body.subject import Subject
from exo_sim.human.checkpoint import load_human
from exo_sim.human.observation import NOMINAL_SPEED_MPS
from exo_sim.human.walkers import Walkers

#: Time that trajectories are compared over (s): later, small differences grow as in any walk.
COMPARED_S = 0.3


def short_walk(rate_hz):
    walkers, policy = Walkers([build_body(Subject(), None, rate_hz)]), load_human()
    walkers.place(0, 0.2, NOMINAL_SPEED_MPS)
    angles = []
    for _ in range(round(0.5 * COMPARED_S / walkers.period_s)):
        walkers.set_action(policy(walkers.observe()))
        for _ in range(2):
            walkers.coordinate_and_step()
            angles.append(walkers.state().joint_angle[0])
    return np.rad2deg(angles)


def test_gait_does_not_depend_on_the_step_size_of_the_physics():
    finest = short_walk(1000.0)
    assert np.ptp(finest, axis=0).max() > 15.0  # it walks
    for rate_hz, largest_deg in ((300.0, 1.0), (500.0, 0.5)):
        assert np.sqrt(((short_walk(rate_hz) - finest) ** 2).mean()) < largest_deg
