# SPDX-License-Identifier: Apache-2.0
"""Muscle paths, coupled joints and markers."""

import numpy as np
import pytest

from exo_bringup.body_pose import BodyPose
from exo_device.description import load_device
from exo_device.devices import device_file
from exo_sim.body.model import build_body
from exo_sim.body.subject import Subject

DEVICE = device_file("hip_ankle")


@pytest.fixture(scope="module")
def body():
    return build_body(Subject(), load_device(DEVICE), 500.0)


@pytest.fixture
def pose(body):
    return BodyPose(body)


def length(path):
    return np.linalg.norm(np.diff(path, axis=0), axis=1).sum()


def test_every_muscle_has_a_path_in_the_body(body, pose):
    paths = pose.muscle_paths()
    assert set(paths) == set(body.muscles) and len(paths) == 80
    for path in paths.values():
        assert len(path) >= 2 and np.isfinite(path).all() and np.abs(path).max() < 1.2


def test_the_right_muscles_lie_to_the_right_and_the_calf_below(pose):
    """base_link: x forward, y left, z up."""
    paths = pose.muscle_paths()
    assert paths["soleus_r"][:, 1].max() < 0.0 < paths["soleus_l"][:, 1].min()
    assert paths["soleus_r"][:, 2].max() < -0.4
    assert paths["tibant_r"][:, 0].mean() > paths["soleus_r"][:, 0].mean()


def test_dorsiflexion_lengthens_the_soleus(pose):
    before = length(pose.muscle_paths()["soleus_r"])
    pose.set_positions({"ankle_angle_r": 0.3})
    assert length(pose.muscle_paths()["soleus_r"]) > before + 0.005


def test_the_knees_followers_move_with_it_and_unknown_names_are_left_aside(body, pose):
    before = pose.positions()
    pose.set_positions({"knee_angle_r": 1.0, "elbow": 1.0})
    after = pose.positions()
    moved = {name for name in after if abs(after[name] - before[name]) > 1e-9}
    assert moved >= {"knee_angle_r", "knee_angle_translation1_r", "knee_angle_beta_rotation1_r"}
    assert all(name.endswith("_r") for name in moved) and "elbow" not in after


def test_a_driven_joints_arrow_stands_on_the_link_that_it_moves(pose):
    link, axis = pose.joint_axis("ankle_angle_r")
    assert link == "talus_r" and axis == pytest.approx([-0.105, -0.174, 0.979], abs=1e-3)


def test_markers_show_activation_and_leave_out_what_is_not_there(pose):
    markers = pytest.importorskip("exo_bringup.markers")
    from builtin_interfaces.msg import Time

    builder = markers.MarkerBuilder()
    stamp = Time(sec=3)
    paths = pose.muscle_paths()
    builder.muscles(paths, {"soleus_r": 1.0}, stamp)
    builder.force(0, np.array([0.1, 0.0, 0.0]), np.array([0.0, 0.0, 735.0]), stamp)
    builder.force(1, np.full(3, np.nan), np.zeros(3), stamp)
    builder.torque(0, "talus_r", np.array([0.0, 0.0, 1.0]), -37.0, stamp)
    by_name = {marker.text: marker for marker in builder.array.markers if marker.ns == "muscles"}
    assert by_name["soleus_r"].color.r > by_name["soleus_l"].color.r
    assert len(by_name["soleus_r"].points) == len(paths["soleus_r"])
    arrows = {(marker.ns, marker.id): marker for marker in builder.array.markers if marker.ns != "muscles"}
    force = arrows["ground_reaction_force", 0]
    assert force.header.frame_id == "odom" and force.points[1].z == pytest.approx(0.9)
    assert arrows["ground_reaction_force", 1].action == force.DELETE
    assert arrows["device_torque", 0].points[1].z == pytest.approx(-0.3)
    count = len(builder.array.markers)
    builder.muscles(paths, {}, stamp)
    assert len(builder.array.markers) == count
    assert len({(marker.ns, marker.id) for marker in builder.array.markers}) == count
