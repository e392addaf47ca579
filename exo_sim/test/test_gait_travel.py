# SPDX-License-Identifier: Apache-2.0
"""Strides are measured along the direction of travel, wherever in the world that points."""

import dataclasses
import math

import numpy as np
import pytest

from exo_sim.gait.reference import GRAVITY_M_S2
from exo_sim.gait.sample import GaitSample
from exo_sim.gait.strides import StrideRecorder

MASS, STRIDE, SPEED, WIDTH, STANCE = 70.0, 1.1, 1.25, 0.16, 0.6
SIDE_FORCE_BW = 0.05  # inwards, as the ground pushes a person who walks with a width


def sample(t: float, heading: float) -> GaitSample:
    """Two feet on two lines, a stride of known forces, turned about the vertical by heading (rad)."""
    turn = np.array(
        [[math.cos(heading), -math.sin(heading), 0.0], [math.sin(heading), math.cos(heading), 0.0], [0.0, 0.0, 1.0]]
    )
    force, foot = {}, {}
    for side, shift, left in (("r", 0.0, -1.0), ("l", 0.5, 1.0)):
        stride, phase = divmod(t / STRIDE - shift, 1.0)
        load = min(max(min(phase, STANCE - phase) / 0.02, 0.0), 1.0)
        weight = MASS * GRAVITY_M_S2
        force[side] = turn @ (
            -0.2 * weight * load * math.cos(math.pi * phase / STANCE),
            -left * SIDE_FORCE_BW * weight * load,
            weight * load,
        )
        swing = max(phase - STANCE, 0.0) / (1.0 - STANCE)
        foot[side] = turn @ ((stride + shift + swing) * SPEED * STRIDE, 0.5 * left * WIDTH, 0.0)
    yaw = heading + 0.1 * math.sin(2.0 * math.pi * t / STRIDE)
    return GaitSample(
        t=t, grf=force, foot_position=foot, pelvis_orientation=(0.0, 0.0, math.sin(yaw / 2.0), math.cos(yaw / 2.0))
    )


def walked(heading: float) -> StrideRecorder:
    recorder = StrideRecorder(MASS)
    recorder.begin("straight", SPEED)
    strides = [stride for t in np.arange(0.4, 8.0, 0.01) for stride in recorder.feed(sample(t, heading))]
    assert len(strides) > 8
    return recorder


@pytest.mark.parametrize("heading", [0.4, -1.2, math.pi])
def test_a_turned_walk_measures_like_a_straight_one(heading):
    straight, turned = walked(0.0), walked(heading)
    for side in "rl":
        expected, measured = (recorder.figures("straight", SPEED, side) for recorder in (straight, turned))
        for name in ("speed", "stride_length", "step_length", "step_width"):
            assert measured[name][0] == pytest.approx(expected[name][0], abs=1e-6), name
        for variable in ("grf_fore_aft_BW", "pelvis_rotation"):
            a, b = (recorder.curve_table().get("straight", variable, side) for recorder in (straight, turned))
            assert b.mean == pytest.approx(a.mean, abs=1e-6), variable
    assert straight.figures("straight", SPEED, "r")["step_width"][0] == pytest.approx(WIDTH)
    fore_aft = straight.curve_table().get("straight", "grf_fore_aft_BW", "r").mean
    assert fore_aft.min() == pytest.approx(-0.2, abs=0.02) and fore_aft.max() == pytest.approx(0.2, abs=0.02)


def test_a_drifting_heading_is_followed_stride_by_stride():
    recorder = StrideRecorder(MASS)
    recorder.begin("drift", SPEED)
    for t in np.arange(0.4, 20.0, 0.01):  # 0.5 degrees to the left a second
        recorder.feed(sample(t, math.radians(0.5 * t)))
    fore_aft = recorder.curve_table().get("drift", "grf_fore_aft_BW", "r")
    straight = walked(0.0).curve_table().get("straight", "grf_fore_aft_BW", "r")
    assert np.abs(fore_aft.mean - straight.mean).max() < 0.01
    assert np.nanmax(fore_aft.sd) < 0.01


def test_marking_time_keeps_the_worlds_axes():
    recorder = StrideRecorder(MASS)
    recorder.begin("still", 0.0)
    for t in np.arange(0.4, 8.0, 0.01):
        feet = {"r": (0.0, -0.1, 0.0), "l": (0.0, 0.1, 0.0)}
        recorder.feed(dataclasses.replace(sample(t, 0.0), foot_position=feet))
    assert recorder.figures("still", 0.0, "l")["step_width"][0] == pytest.approx(0.2)
    assert recorder.curve_table().get("still", "grf_fore_aft_BW", "r").mean.min() < -0.15
