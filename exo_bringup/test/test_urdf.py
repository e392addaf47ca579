# SPDX-License-Identifier: Apache-2.0
"""The URDF is the MuJoCo model in other words: same joints, same axes, same masses, same places."""

import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import mujoco
import numpy as np
import pytest
from exo_bringup import rotations, urdf_export
from exo_bringup.errors import BringupError
from exo_bringup.robot_state import RobotState
from exo_device.description import load_device
from exo_sim.body.model import build_body
from exo_sim.body.subject import Subject
from exo_sim.gait.reference import JOINTS

ROOT = Path(__file__).resolve().parents[1]
#: Roll, pitch and yaw lose digits near a pitch of 90 degrees, where some of the fixed links are (rad).
RPY_LOSS = 5e-5
COMMITTED = ROOT / "urdf" / "exo_human.urdf"


@pytest.fixture(scope="module")
def body():
    return build_body(Subject(), load_device(ROOT / "config" / "devices" / "hip_ankle.yaml"), 500.0)


@pytest.fixture(scope="module")
def urdf():
    return COMMITTED.read_text()


@pytest.fixture(scope="module")
def robot(urdf):
    return ElementTree.fromstring(urdf.encode())


def test_the_committed_file_is_what_the_exporter_writes(urdf):
    device = ROOT / "config" / "devices" / "hip_ankle.yaml"
    subject = ROOT / "config" / "subjects" / "default.yaml"
    assert urdf == urdf_export.build_urdf(str(subject), str(device))


def test_every_body_and_joint_is_there_once(body, robot):
    links = [link.get("name") for link in robot.iter("link")]
    joints = [joint.get("name") for joint in robot.iter("joint")]
    assert len(set(links)) == len(links) and len(set(joints)) == len(joints)
    bodies = {body.model.body(i).name for i in range(1, body.model.nbody)} - {"Full Body"}
    assert bodies <= set(links)
    assert {body.model.joint(i).name for i in range(1, body.model.njnt)} <= set(joints)
    assert set(JOINTS) <= set(RobotState(ElementTree.tostring(robot, encoding="unicode")).movable)


def test_links_form_one_tree_from_base_link(robot):
    links = {link.get("name") for link in robot.iter("link")}
    parents = {
        joint.find("child").get("link"): joint.find("parent").get("link") for joint in robot.iter("joint")
    }
    assert links - set(parents) == {"base_link"}
    for link in parents:
        seen = set()
        while link != "base_link":
            assert link not in seen
            seen.add(link)
            link = parents[link]


def test_masses_sum_to_the_models(body, robot):
    masses = [float(mass.get("value")) for mass in robot.iter("mass")]
    assert sum(masses) == pytest.approx(body.total_mass, rel=0.01)
    for link in robot.iter("inertia"):
        assert all(float(link.get(key)) > 0.0 for key in ("ixx", "iyy", "izz"))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_links_are_where_mujoco_has_them(body, urdf, seed):
    model = body.model
    data = mujoco.MjData(model)
    rng = np.random.default_rng(seed)
    positions = {}
    for index in range(1, model.njnt):
        low, high = model.jnt_range[index]
        value = rng.uniform(low, high)
        data.qpos[model.jnt_qposadr[index]] = value
        positions[model.joint(index).name] = value
    mujoco.mj_kinematics(model, data)

    # base_link has REP-103's axes: it is the root body turned a quarter about z
    root = model.body("Full Body").id
    turn = data.xmat[root].reshape(3, 3) @ rotations.to_matrix(
        rotations.from_roll_pitch_yaw((0.0, 0.0, -np.pi / 2))
    )
    places = {"base_link": (data.xpos[root], turn)}
    state = RobotState(urdf)
    waiting = state.static_transforms() + state.transforms(positions)
    while waiting:
        item = waiting.pop(0)
        if item.parent not in places:
            waiting.append(item)
            continue
        at, rotation = places[item.parent]
        places[item.child] = (at + rotation @ item.position, rotation @ rotations.to_matrix(item.quaternion))
    for index in range(1, model.nbody):
        name = model.body(index).name
        if name != "Full Body":
            assert np.allclose(places[name][0], data.xpos[index], atol=RPY_LOSS), name
            assert np.allclose(places[name][1], data.xmat[index].reshape(3, 3), atol=RPY_LOSS), name
    mujoco.mj_comPos(model, data)
    for index in range(1, model.njnt):
        name = model.joint(index).name
        joint = next(j for j in ElementTree.fromstring(urdf.encode()).iter("joint") if j.get("name") == name)
        axis = [float(word) for word in joint.find("axis").get("xyz").split()]
        in_world = places[joint.find("child").get("link")][1] @ axis
        assert np.allclose(in_world, data.xaxis[index], atol=RPY_LOSS), name


def test_base_link_points_forward_and_up(urdf):
    """At zero the thighs hang down (-z) and the toes point ahead (+x) of base_link."""
    state = RobotState(urdf)
    rotation, position, link = np.eye(3), np.zeros(3), "toes_r"
    items = {item.child: item for item in state.static_transforms() + state.transforms({})}
    while link != "base_link":
        item = items[link]
        rotation = rotations.to_matrix(item.quaternion) @ rotation
        position = item.position + rotations.to_matrix(item.quaternion) @ position
        link = item.parent
    assert position[2] < -0.8 and position[0] > 0.05 and position[1] < 0.0


def test_a_joint_off_its_body_is_refused(body):
    model = mujoco.MjModel.from_xml_string(
        "<mujoco><worldbody><body><joint name='odd' pos='0 0 1'/><geom size='1'/></body></worldbody></mujoco>"
    )
    with pytest.raises(BringupError, match="odd"):
        urdf_export.urdf_text(model)


def test_a_text_that_is_no_urdf_is_one_clear_error():
    with pytest.raises(BringupError, match="not XML"):
        RobotState("robot")
    with pytest.raises(BringupError, match="floating"):
        RobotState("<robot><joint name='j' type='floating'/></robot>")


@pytest.mark.skipif(
    shutil.which("check_urdf") is None, reason="check_urdf (liburdfdom-tools) is not installed"
)
def test_check_urdf_agrees():
    result = subprocess.run(["check_urdf", str(COMMITTED)], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
