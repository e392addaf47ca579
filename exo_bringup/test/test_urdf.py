# SPDX-License-Identifier: Apache-2.0
"""The URDF is the MuJoCo model in other words: same joints, same axes, same masses, same places."""

import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import mujoco
import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from exo_bringup import urdf_export
from exo_bringup.shown_body import RobotState, ShownBody
from exo_core.errors import UserError
from exo_device.description import load_device
from exo_device.devices import device_file
from exo_sim.body.device_geoms import DEVICE_GROUP
from exo_sim.body.model import build_body
from exo_sim.body.subject import Subject, make_subject
from exo_sim.gait.reference import JOINTS
from exo_sim.subjects import subject_file

ROOT = Path(__file__).resolve().parents[1]
#: Roll, pitch and yaw lose digits near a pitch of 90 degrees, where some of the fixed links are (rad).
RPY_LOSS = 5e-5
COMMITTED = ROOT / "urdf" / "exo_human.urdf"


@pytest.fixture(scope="module")
def body():
    return build_body(Subject(), load_device(device_file("hip_ankle")), 500.0)


@pytest.fixture(scope="module")
def urdf():
    return COMMITTED.read_text()


@pytest.fixture(scope="module")
def robot(urdf):
    return ElementTree.fromstring(urdf.encode())


def test_the_committed_file_is_what_the_exporter_writes(urdf):
    device = device_file("hip_ankle")
    subject = subject_file("default")
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
    parents = {joint.find("child").get("link"): joint.find("parent").get("link") for joint in robot.iter("joint")}
    assert links - set(parents) == {"base_link"}
    for link in parents:
        seen = set()
        while link != "base_link":
            assert link not in seen
            seen.add(link)
            link = parents[link]


def inertias(robot):
    """Mass, centre of mass and inertia tensor in the link's axes, by link."""
    found = {}
    for link in robot.iter("link"):
        inertial = link.find("inertial")
        if inertial is not None:
            origin, moments = inertial.find("origin"), inertial.find("inertia")
            turn = Rotation.from_euler("xyz", numbers(origin.get("rpy"))).as_matrix()
            principal = np.diag([float(moments.get(key)) for key in ("ixx", "iyy", "izz")])
            mass = float(inertial.find("mass").get("value"))
            found[link.get("name")] = (mass, numbers(origin.get("xyz")), turn @ principal @ turn.T)
    return found


def numbers(text):
    return np.array([float(word) for word in text.split()])


def test_mass_centre_and_inertia_of_every_link_are_the_models(body, robot):
    model, found = body.model, inertias(robot)
    heavy = {model.body(i).name for i in range(1, model.nbody) if model.body_mass[i] > urdf_export.LIGHTEST_KG}
    assert set(found) == heavy
    assert sum(mass for mass, _, _ in found.values()) == pytest.approx(body.total_mass, abs=1e-3)
    for name, (mass, centre, tensor) in found.items():
        index = model.body(name).id
        turn = Rotation.from_quat(model.body_iquat[index][[1, 2, 3, 0]]).as_matrix()
        assert mass == pytest.approx(model.body_mass[index], rel=1e-6), name
        assert centre == pytest.approx(model.body_ipos[index], abs=1e-6), name
        expected = turn @ np.diag(model.body_inertia[index]) @ turn.T
        assert np.allclose(tensor, expected, atol=RPY_LOSS * model.body_inertia[index].max()), name
        moments = np.sort(np.linalg.eigvalsh(tensor))
        assert 0.0 < moments[0] and moments[2] <= moments[0] + moments[1] + 1e-9, f"{name}: no body has these"


def test_axes_kinds_and_limits_of_every_joint_are_the_models(body, robot):
    model = body.model
    joints = {joint.get("name"): joint for joint in robot.iter("joint") if joint.get("type") != "fixed"}
    assert set(joints) == {model.joint(i).name for i in range(1, model.njnt)}
    for index in range(1, model.njnt):
        joint = joints[model.joint(index).name]
        hinge = model.jnt_type[index] == mujoco.mjtJoint.mjJNT_HINGE
        assert joint.get("type") == ("revolute" if hinge else "prismatic")
        assert numbers(joint.find("axis").get("xyz")) == pytest.approx(model.jnt_axis[index], abs=1e-8)
        limit = joint.find("limit")
        assert (float(limit.get("lower")), float(limit.get("upper"))) == pytest.approx(
            tuple(model.jnt_range[index]), abs=1e-8
        )
    for name, spec in body.device.joints.items():
        effort = float(joints[name].find("limit").get("effort"))
        assert effort == pytest.approx(spec.torque_limit(body.subject.mass_kg))


def mesh_addresses(robot):
    return {mesh.get("filename") for mesh in robot.iter("mesh")}


def test_every_mesh_is_found_through_its_package(robot):
    packages = pytest.importorskip("ament_index_python.packages")
    addresses = mesh_addresses(robot)
    assert len(addresses) > 20
    for address in addresses:
        scheme, _, rest = address.partition("://")
        package, _, place = rest.partition("/")
        assert scheme == "package", f"{address}: RViz finds meshes of other machines by package:// only"
        file = Path(packages.get_package_share_directory(package)) / place
        triangles = trimesh.load_mesh(file).triangles
        assert file.stat().st_size == 84 + 50 * len(triangles), f"{file} is no binary STL"
        assert len(triangles) > 100 and np.isfinite(triangles).all()


def test_the_bones_lie_where_mujoco_has_them():
    model = build_body(Subject(), None, 500.0, visuals=True).model
    bones = urdf_export.bone_meshes(model)
    files = {path.stem for path in (ROOT / "meshes").glob("*.stl")}
    assert set(bones) == files, "run python -m exo_bringup.urdf_export --meshes exo_bringup/meshes"
    for name, exact in bones.items():
        written = trimesh.load_mesh(ROOT / "meshes" / f"{name}.stl")
        assert np.allclose(written.bounds, exact.bounds, atol=0.01), name  # merging moves a vertex by a cell at most


def test_simplifying_keeps_the_shape_and_the_number_asked_for():
    ball = trimesh.creation.icosphere(subdivisions=5, radius=0.1)
    fewer = urdf_export.simplify(ball, 2000)
    assert 500 < len(fewer.faces) <= 2000 < len(ball.faces)
    assert fewer.volume == pytest.approx(ball.volume, rel=0.1) and fewer.area == pytest.approx(ball.area, rel=0.1)
    assert urdf_export.simplify(ball, len(ball.faces)) is ball


def test_the_device_in_the_urdf_is_that_of_the_model(robot):
    """Every visual geom of the model once, in the link of its body, with its place, size and colour."""
    model = build_body(Subject(), load_device(device_file("hip_ankle")), 500.0, visuals=True).model
    colours = {m.get("name"): numbers(m.find("color").get("rgba")) for m in robot.findall("material")}
    links = {link.get("name"): link.findall("visual") for link in robot.iter("link")}
    count = 0
    for body in range(1, model.nbody):
        geoms = np.flatnonzero((model.geom_bodyid == body) & (model.geom_group == DEVICE_GROUP))
        shapes = [v for v in links.get(model.body(body).name, []) if v.find("geometry/mesh") is None]
        assert len(shapes) == len(geoms)
        for geom, visual in zip(geoms, shapes, strict=False):
            count += 1
            assert numbers(visual.find("origin").get("xyz")) == pytest.approx(model.geom_pos[geom], abs=1e-6)
            turn = Rotation.from_euler("xyz", numbers(visual.find("origin").get("rpy"))).as_matrix()
            exact = Rotation.from_quat(model.geom_quat[geom][[1, 2, 3, 0]]).as_matrix()
            assert np.allclose(turn, exact, atol=RPY_LOSS)
            box = visual.find("geometry/box")
            if box is None:
                cylinder = visual.find("geometry/cylinder")
                size = [float(cylinder.get("radius")), 0.5 * float(cylinder.get("length"))]
                assert size == pytest.approx(model.geom_size[geom, :2], abs=1e-6)
            else:
                assert 0.5 * numbers(box.get("size")) == pytest.approx(model.geom_size[geom], abs=1e-6)
            assert colours[visual.find("material").get("name")] == pytest.approx(model.geom_rgba[geom], abs=1e-6)
    assert count > 100


def test_a_taller_subject_gets_longer_bones(body):
    from exo_bringup.shown_body import ShownBody

    shown = ShownBody(Subject(), body.device)
    assert shown.resized(1.70, 75.0) is shown
    taller = shown.resized(1.87, 90.0)
    robot = ElementTree.fromstring(taller.description.encode())
    scales = {mesh.get("filename").split("/")[-1]: numbers(mesh.get("scale")) for mesh in robot.iter("mesh")}
    assert scales["femur_r.stl"] == pytest.approx([1.1] * 3)
    assert sum(mass for mass, _, _ in inertias(robot).values()) == pytest.approx(90.0 + body.device.mass_kg, abs=0.1)
    with pytest.raises(ValueError, match="height_m"):
        shown.resized(3.0, 75.0)


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
    turn = data.xmat[root].reshape(3, 3) @ Rotation.from_euler("z", -np.pi / 2).as_matrix()
    places = {"base_link": (data.xpos[root], turn)}
    state = RobotState(urdf)
    waiting = state.static_transforms() + state.transforms(positions)
    while waiting:
        item = waiting.pop(0)
        if item.parent not in places:
            waiting.append(item)
            continue
        at, rotation = places[item.parent]
        places[item.child] = (at + rotation @ item.position, rotation @ Rotation.from_quat(item.quaternion).as_matrix())
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
        rotation = Rotation.from_quat(item.quaternion).as_matrix() @ rotation
        position = item.position + Rotation.from_quat(item.quaternion).as_matrix() @ position
        link = item.parent
    assert position[2] < -0.8 and position[0] > 0.05 and position[1] < 0.0


def test_a_joint_off_its_body_is_refused(body):
    model = mujoco.MjModel.from_xml_string(
        "<mujoco><worldbody><body><joint name='odd' pos='0 0 1'/><geom size='1'/></body></worldbody></mujoco>"
    )
    with pytest.raises(UserError, match="odd"):
        urdf_export.urdf_text(model)


def test_a_text_that_is_no_urdf_is_one_clear_error():
    with pytest.raises(UserError, match="not XML"):
        RobotState("robot")
    with pytest.raises(UserError, match="floating"):
        RobotState("<robot><joint name='j' type='floating'/></robot>")


@pytest.mark.skipif(shutil.which("check_urdf") is None, reason="check_urdf (liburdfdom-tools) is not installed")
def test_check_urdf_agrees():
    result = subprocess.run(["check_urdf", str(COMMITTED)], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("height", [1.55, 1.9])
def test_the_imus_frame_is_where_the_device_has_it(height):
    """REP 145: a link of the frame's name, with x forward, y left, z up while the wearer stands upright."""
    device = load_device(device_file("hip"))
    shown = ShownBody(make_subject({"height_m": height}), device)
    items = {item.child: item for item in shown.state.static_transforms()}
    link, place, turn = device.imu.frame_id, np.zeros(3), np.eye(3)
    while link != "base_link":
        item = items[link]
        rotation = Rotation.from_quat(item.quaternion).as_matrix()
        place, turn, link = item.position + rotation @ place, rotation @ turn, item.parent
    # MyoLegs writes a quarter turn with three digits: 0.8 mrad
    assert np.allclose(turn, np.eye(3), atol=1e-3)
    x, y, z = device.imu.position_m  # of the segment: x forward, y up, z right
    assert np.allclose(place, [x, -z, y], atol=5e-4)
