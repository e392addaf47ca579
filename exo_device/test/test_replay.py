# SPDX-License-Identifier: Apache-2.0
"""Driver `replay`: recordings as the recorder writes them, whole, broken off and wrong."""

import time
from itertools import pairwise

import numpy as np
import pytest

from exo_core.time import to_ns
from exo_device.drivers import DriverError, make_driver
from exo_device.drivers.replay import ReplayConfig, load_tape
from exo_device.signals import MotorTorque

mcap_writer = pytest.importorskip("mcap.writer")
from mcap_ros2._dynamic import serialize_dynamic

TIME = (
    "builtin_interfaces/Time stamp\nstring frame_id\n"
    + "=" * 80
    + """
MSG: builtin_interfaces/Time
int32 sec
uint32 nanosec
"""
)
JOINT_STATE = (
    """std_msgs/Header header
string[] name
float64[] position
float64[] velocity
float64[] effort
"""
    + "=" * 80
    + "\nMSG: std_msgs/Header\n"
    + TIME
)
VECTOR = "float64 x\nfloat64 y\nfloat64 z\n"
IMU = (
    """std_msgs/Header header
geometry_msgs/Quaternion orientation
float64[9] orientation_covariance
geometry_msgs/Vector3 angular_velocity
float64[9] angular_velocity_covariance
geometry_msgs/Vector3 linear_acceleration
float64[9] linear_acceleration_covariance
"""
    + "=" * 80
    + f"\nMSG: geometry_msgs/Quaternion\n{VECTOR}float64 w\n"
    + "=" * 80
    + f"\nMSG: geometry_msgs/Vector3\n{VECTOR}"
    + "=" * 80
    + "\nMSG: std_msgs/Header\n"
    + TIME
)
JOINTS = ("ankle_angle_r", "hip_flexion_r")
PERIOD_NS = 10_000_000


def header(stamp_ns: int) -> dict:
    return {"stamp": {"sec": stamp_ns // 10**9, "nanosec": stamp_ns % 10**9}, "frame_id": ""}


def imu_message(stamp_ns: int, rate: float) -> dict:
    zero = {"x": 0.0, "y": 0.0, "z": 0.0}
    return {
        "header": header(stamp_ns),
        "orientation": {**zero, "w": 1.0},
        "orientation_covariance": [0.0] * 9,
        "angular_velocity": {**zero, "y": rate},
        "angular_velocity_covariance": [0.0] * 9,
        "linear_acceleration": {**zero, "z": 9.81},
        "linear_acceleration_covariance": [0.0] * 9,
    }


def joints_message(stamp_ns: int, value: float) -> dict:
    return {
        "header": header(stamp_ns),
        "name": list(JOINTS),
        "position": [value, -value],
        "velocity": [2.0 * value, 0.0],
        "effort": [0.0, 3.0 * value],
    }


def record(path, count=20, prefixes=("/",), first_ns=to_ns(7.0), imu=True, joints=True, change=None):
    """A recording of count samples; sample k has position k / 100.

    change: called with (type, sample, message); returns the message that is recorded instead, None for none.
    """
    encode_imu = serialize_dynamic("sensor_msgs/msg/Imu", IMU)["sensor_msgs/msg/Imu"]
    encode_joints = serialize_dynamic("sensor_msgs/msg/JointState", JOINT_STATE)["sensor_msgs/msg/JointState"]
    with path.open("wb") as stream:
        writer = mcap_writer.Writer(stream, chunk_size=1024)
        writer.start(profile="ros2", library="test")
        kinds = [("exo/imu", "sensor_msgs/msg/Imu", IMU, encode_imu, imu_message, 0.1)] if imu else []
        if joints:
            kinds.append(
                ("exo/joint_states", "sensor_msgs/msg/JointState", JOINT_STATE, encode_joints, joints_message, 0.01)
            )
        channels = []
        for prefix in prefixes:
            for name, type_name, schema, encode, message, unit in kinds:
                schema_id = writer.register_schema(type_name, "ros2msg", schema.encode())
                channel = writer.register_channel(prefix + name, "cdr", schema_id)
                channels.append((channel, encode, message, unit))
        for index in range(count):
            stamp_ns = first_ns + index * PERIOD_NS
            for channel, encode, message, unit in channels:
                content = message(stamp_ns, unit * index)
                if change is not None:
                    content = change("imu" if message is imu_message else "joints", index, content)
                if content is not None:
                    writer.add_message(channel, stamp_ns, encode(content), stamp_ns)
        writer.finish()
    return path


def test_a_recording_becomes_states_with_the_imu_of_their_stamp(tmp_path):
    tape = load_tape(ReplayConfig(path=str(record(tmp_path / "run.mcap"))))
    assert len(tape.states) == 20
    state = tape.states[3]
    assert state.names == JOINTS and state.stamp_ns == to_ns(7.03)
    assert state.position == pytest.approx([0.03, -0.03]) and state.velocity == pytest.approx([0.06, 0.0])
    assert state.torque == pytest.approx([0.0, 0.09])
    assert state.imu.angular_velocity == pytest.approx([0.0, 0.3, 0.0])
    assert state.imu.orientation_xyzw.tolist() == [0.0, 0.0, 0.0, 1.0]
    assert np.isnan(state.temperature).all() and not state.error.any()


def test_an_imu_that_recorded_no_orientation_has_none(tmp_path, monkeypatch):
    recorded = imu_message
    unknown = {"orientation_covariance": [-1.0] + [0.0] * 8}
    monkeypatch.setitem(globals(), "imu_message", lambda *arguments: {**recorded(*arguments), **unknown})
    tape = load_tape(ReplayConfig(path=str(record(tmp_path / "run.mcap"))))
    assert not any(state.imu.has_orientation for state in tape.states)
    monkeypatch.undo()
    tape = load_tape(ReplayConfig(path=str(record(tmp_path / "run.mcap"))))
    assert all(state.imu.has_orientation for state in tape.states)


def test_topics_in_a_namespace_are_found_and_two_of_them_must_be_told_apart(tmp_path):
    path = record(tmp_path / "run.mcap", prefixes=("/left/",))
    assert len(load_tape(ReplayConfig(path=str(path))).states) == 20
    path = record(tmp_path / "both.mcap", prefixes=("/left/", "/right/"))
    with pytest.raises(DriverError, match="/left/exo/imu and /right/exo/imu"):
        load_tape(ReplayConfig(path=str(path)))
    named = ReplayConfig(path=str(path), joint_topic="/left/exo/joint_states", imu_topic="/left/exo/imu")
    assert len(load_tape(named).states) == 20


def test_a_recording_that_breaks_off_is_read_as_far_as_it_goes(tmp_path):
    whole = record(tmp_path / "whole.mcap", count=100)
    data, broken, counts = whole.read_bytes(), tmp_path / "broken.mcap", []
    for length in range(len(data) // 2, len(data) // 2 + 60):
        broken.write_bytes(data[:length])
        states = load_tape(ReplayConfig(path=str(broken))).states
        assert [round(state.position[0] * 100) for state in states] == list(range(len(states)))
        counts.append(len(states))
    assert 10 < min(counts) <= max(counts) < 100


@pytest.mark.parametrize(
    "make, word",
    [
        (lambda path: None, "No such file"),
        (lambda path: path.write_text("no recording"), "not a recording"),
        (lambda path: record(path, imu=False), "exo/imu"),
        (lambda path: record(path, joints=False), "exo/joint_states"),
    ],
)
def test_what_is_no_recording_is_answered_in_one_line(tmp_path, make, word):
    path = tmp_path / "run.mcap"
    make(path)
    with pytest.raises(DriverError, match=word) as caught:
        make_driver("replay", {"path": str(path)}).connect()
    assert "\n" not in str(caught.value) and "run.mcap" in str(caught.value)


def test_plays_at_its_speed_stamped_now_and_ends_with_a_lost_bus(tmp_path):
    path = record(tmp_path / "run.mcap", count=40)
    driver = make_driver("replay", {"path": str(path), "speed": 2.0})
    with driver:
        driver.configure(JOINTS[::-1])
        start, wall_ns, states = time.monotonic(), time.time_ns(), []
        with pytest.raises(DriverError, match="has ended"):
            while True:
                state = driver.read(0.05)
                if state is not None:
                    states.append(state)
        assert time.monotonic() - start >= 0.39 / 2.0
    assert states[0].names == JOINTS[::-1] and states[0].position.tolist() == [0.0, 0.0]
    assert states[-1].position[1] == pytest.approx(0.39)
    assert all(after.sequence > before.sequence for before, after in pairwise(states))
    assert states[-1].stamp_ns - states[0].stamp_ns == pytest.approx(0.39e9 / 2.0, abs=1e4)
    assert 0 <= states[0].stamp_ns - wall_ns < 5e9


def test_repeats_without_end_and_time_goes_on(tmp_path):
    path = record(tmp_path / "run.mcap", count=5)
    driver = make_driver("replay", {"path": str(path), "speed": 10.0, "repeat": True})
    with driver:
        driver.configure(JOINTS)
        states = [state for state in (driver.read(0.5) for _ in range(20)) if state is not None]
    assert len(states) >= 15
    steps = np.diff([state.stamp_ns for state in states])
    assert (steps > 0).all() and (steps % 1_000_000 == 0).all()
    assert max(state.position[0] for state in states) <= 0.04


def test_recorded_stamps_are_kept_where_they_are_asked_for(tmp_path):
    path = record(tmp_path / "run.mcap", count=5)
    driver = make_driver("replay", {"path": str(path), "stamps": "recorded"})
    with driver:
        driver.configure(JOINTS)
        assert driver.read(1.0).stamp_ns == to_ns(7.0)


def test_torque_goes_nowhere_and_is_remembered(tmp_path):
    driver = make_driver("replay", {"path": str(record(tmp_path / "run.mcap"))})
    with driver:
        driver.configure(JOINTS)
        command = MotorTorque(1, 2, True, JOINTS, np.array([1.0, 2.0]))
        assert driver.write(command) is command and driver.motor_torque is command
    assert not driver.motor_torque.enable


def test_a_joint_that_was_not_recorded_is_named(tmp_path):
    driver = make_driver("replay", {"path": str(record(tmp_path / "run.mcap"))})
    with driver, pytest.raises(DriverError, match="hip_flexion_l.*it has ankle_angle_r, hip_flexion_r"):
        driver.configure(("hip_flexion_l",))


def stamped(seconds: float, what: str):
    """Stamps of the IMU, of the joints or of both ("") are that much later."""

    def change(kind, index, content):
        if kind == what or not what:
            content["header"] = header(to_ns(7.0) + index * PERIOD_NS + to_ns(seconds))
        return content

    return change


def silent_imu(kind, index, content):
    return None if kind == "imu" and index >= 10 else content


def late_imu(kind, index, content):
    return None if kind == "imu" and index < 150 else content


def back(kind, index, content):
    if index >= 10:
        content["header"] = header(to_ns(7.0) + (index - 10) * PERIOD_NS)
    return content


def filled_in_late(kind, index, content):
    return content | {"header": header(0)} if index < 3 else content


def leaps(kind, index, content):
    return content | {"header": header(to_ns(1000.0) + index * PERIOD_NS)} if index >= 10 else content


def imu_back(kind, index, content):
    return back(kind, index, content) if kind == "imu" else content


def joint_twice(kind, index, content):
    if kind == "joints":
        content["name"] = [JOINTS[0], JOINTS[0]]
    return content


@pytest.mark.parametrize(
    "change, count, words",
    [
        (stamped(-1000.0, "imu"), 20, ("0.00 s after the first joint state", "exo/imu is 999.81 s old", "30 ms")),
        (stamped(-0.04, "imu"), 20, ("exo/imu is 40 ms old",)),
        (stamped(1000.0, "imu"), 20, ("exo/imu is still 1000.00 s in the future",)),
        (silent_imu, 20, ("0.13 s after the first joint state", "exo/imu is 40 ms old")),
        (late_imu, 200, ("exo/imu is still 1.50 s in the future",)),
        (back, 20, ("exo/joint_states go back by 0.090 s at message 11, 0.10 s after",)),
        (filled_in_late, 20, ("exo/joint_states leap ahead by 7.030 s at message 4, 0.03 s after", "not filled in")),
        (leaps, 20, ("exo/joint_states leap ahead by 993.010 s at message 11",)),
        (imu_back, 20, ("exo/imu go back by 0.090 s at message 11",)),
    ],
)
def test_a_recording_whose_samples_do_not_belong_together_is_refused_with_the_place(tmp_path, change, count, words):
    path = record(tmp_path / "run.mcap", count=count, change=change)
    with pytest.raises(DriverError) as caught:
        make_driver("replay", {"path": str(path)}).connect()
    assert all(word in str(caught.value) for word in ("run.mcap", *words)) and "\n" not in str(caught.value)


def test_a_recorder_that_heard_the_imu_a_little_later_is_none_the_worse(tmp_path):
    path = record(tmp_path / "run.mcap", change=lambda kind, k, content: None if kind == "imu" and k < 3 else content)
    assert len(load_tape(ReplayConfig(path=str(path))).states) == 17
    path = record(tmp_path / "run.mcap", change=stamped(-0.02, "imu"))  # 20 ms behind
    assert load_tape(ReplayConfig(path=str(path))).states[5].imu.angular_velocity[1] == pytest.approx(0.7)


@pytest.mark.parametrize("stamp", [0, to_ns(3.0)])
def test_stamps_never_filled_in_are_replaced_by_the_time_of_recording_and_that_is_said(tmp_path, capfd, stamp):
    def change(kind, index, content):
        content["header"] = header(stamp)
        return content

    path = record(tmp_path / "run.mcap", change=change)
    tape = load_tape(ReplayConfig(path=str(path)))
    assert [state.stamp_ns for state in tape.states] == [to_ns(7.0) + k * PERIOD_NS for k in range(20)]
    assert tape.states[3].imu.angular_velocity == pytest.approx([0.0, 0.3, 0.0])
    make_driver("replay", {"path": str(path)}).connect()
    assert "the times of recording are taken" in capfd.readouterr().err


def test_motors_that_measure_no_effort_can_be_replayed(tmp_path):
    def change(kind, index, content):
        return content | {"effort": []} if kind == "joints" else content

    driver = make_driver("replay", {"path": str(record(tmp_path / "run.mcap", change=change))})
    with driver:
        driver.configure(JOINTS)
        assert driver.read(1.0).torque.tolist() == [0.0, 0.0]


def test_a_joint_that_stands_twice_is_refused(tmp_path):
    driver = make_driver("replay", {"path": str(record(tmp_path / "run.mcap", change=joint_twice))})
    with driver, pytest.raises(DriverError, match="ankle_angle_r .it stands there twice"):
        driver.configure(JOINTS[:1])


def test_a_rosbag2_folder_can_be_replayed(tmp_path):
    record(tmp_path / "walk_0.mcap")
    record(tmp_path / "walk_1.mcap", first_ns=to_ns(7.2))
    assert len(load_tape(ReplayConfig(path=str(tmp_path))).states) == 40
