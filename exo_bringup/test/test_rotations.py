# SPDX-License-Identifier: Apache-2.0
"""Rotations in ROS's order, whichever library computes them."""

import numpy as np
import pytest

from exo_bringup import rotations


def test_a_quarter_about_z_turns_x_to_y():
    turn = rotations.from_roll_pitch_yaw([0, 0, np.pi / 2])
    assert turn == pytest.approx([0, 0, np.sqrt(0.5), np.sqrt(0.5)])
    assert rotations.to_matrix(turn) @ [1, 0, 0] == pytest.approx([0, 1, 0])


def test_the_second_factor_turns_first():
    about_x = rotations.from_roll_pitch_yaw([np.pi / 2, 0, 0])
    about_z = rotations.from_roll_pitch_yaw([0, 0, np.pi / 2])
    assert rotations.to_matrix(rotations.multiply(about_z, about_x)) @ [0, 1, 0] == pytest.approx([0, 0, 1])


def test_angles_are_about_fixed_axes_and_come_back():
    angles = (0.3, -0.4, 0.5)
    quaternion = rotations.from_roll_pitch_yaw(angles)
    by_axis = [rotations.from_roll_pitch_yaw(angle * axis) for angle, axis in zip(angles, np.eye(3))]
    expected = rotations.multiply(by_axis[2], rotations.multiply(by_axis[1], by_axis[0]))
    assert rotations.to_matrix(quaternion) == pytest.approx(rotations.to_matrix(expected))
    assert rotations.to_roll_pitch_yaw(quaternion) == pytest.approx(angles)
