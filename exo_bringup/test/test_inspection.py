# SPDX-License-Identifier: Apache-2.0
"""`exo inspect`: figures of a recording that is whole, cut off, or none."""

import io

import pytest

pytest.importorskip("rclpy", reason="needs the message definitions of ROS 2")

from mcap.writer import Writer as McapWriter
from rclpy.serialization import serialize_message
from rich.console import Console
from sensor_msgs.msg import JointState

from exo_bringup.cli import main
from exo_bringup.inspection import inspect_recording, render
from exo_bringup.recording import Recording
from exo_core.errors import UserError
from exo_core.message_schema import assemble_schema
from exo_msgs.msg import DeviceStatus, TorqueCommand

START_NS = 1_700_000_000_000_000_000
NAMES = ["hip_flexion_r", "ankle_angle_r"]


class Writer:
    """A recording of a device in a namespace, or of one in each of several, 100 Hz for five seconds."""

    def __init__(self, path, namespaces=("left",)) -> None:
        self.recording, self.namespaces = Recording(path, clock=lambda: 0.0), namespaces
        for namespace in namespaces:
            for name, kind in (
                ("exo/status", "exo_msgs/msg/DeviceStatus"),
                ("exo/command", "exo_msgs/msg/TorqueCommand"),
                ("exo/joint_states", "sensor_msgs/msg/JointState"),
            ):
                self.recording.add_topic(f"/{namespace}/{name}", kind, assemble_schema(kind))

    def put(self, topic: str, t: float, message) -> None:
        for late_s, namespace in enumerate(self.namespaces):
            stamp = START_NS + round(1e9 * (t + 0.5 * late_s))
            self.recording.write(f"/{namespace}/{topic}", serialize_message(message), stamp, stamp)

    def five_seconds(self) -> "Writer":
        for count in range(500):
            t = 0.01 * count
            if count % 10 == 0:
                self.put("exo/status", t, self.status(t))
            self.put("exo/command", t, TorqueCommand(names=NAMES, torque=[10.0, -30.0]))
            if not 3.0 <= t < 3.2:  # a gap
                self.put(
                    "exo/joint_states",
                    t,
                    JointState(name=NAMES, velocity=[2.0, -1.0], effort=[8.0, -25.0 if t > 2.0 else 0.0]),
                )
        return self

    @staticmethod
    def status(t: float) -> DeviceStatus:
        if t < 1.0:
            return DeviceStatus(mode=DeviceStatus.DISARMED, cause="not armed yet")
        if t < 4.0:
            return DeviceStatus(mode=DeviceStatus.ACTIVE)
        return DeviceStatus(
            mode=DeviceStatus.FAULT, faults=1, fault_names=["STALE_COMMAND"], cause="no command for 60 ms"
        )


@pytest.fixture
def run(tmp_path):
    writer = Writer(tmp_path / "recording.mcap").five_seconds()
    writer.recording.close()
    return tmp_path


def page(inspection) -> str:
    console = Console(file=io.StringIO(), width=100)
    console.print(render(inspection))
    return console.file.getvalue()


def test_topics_with_rates_and_gaps(run):
    inspection = inspect_recording(run)
    topics = {topic.name: topic for topic in inspection.topics}
    joints = topics["/left/exo/joint_states"]
    assert (joints.count, joints.type_name) == (480, "sensor_msgs/msg/JointState")
    assert joints.rate_hz == pytest.approx(100.0) and joints.gaps == 1
    assert joints.longest_gap_s == pytest.approx(0.21)
    assert topics["/left/exo/status"].rate_hz == pytest.approx(10.0)
    assert topics["/left/exo/command"].gaps == 0
    assert inspection.is_complete and inspection.duration_s == pytest.approx(4.99)


def test_modes_faults_and_torques(run):
    inspection = inspect_recording(run)
    assert [change.mode for change in inspection.device.changes] == ["DISARMED", "ACTIVE", "FAULT"]
    (stop,) = inspection.device.stops
    assert stop.faults == ("STALE_COMMAND",) and stop.cause == "no command for 60 ms"
    assert stop.time_s == pytest.approx(4.0) and inspection.device.active_s == pytest.approx(3.0)
    hip, ankle = inspection.device.joints
    assert (hip.name, hip.asked_peak, hip.given_peak) == ("hip_flexion_r", 10.0, 8.0)
    assert hip.peak_power_w == pytest.approx(16.0) and hip.given_rms == pytest.approx(8.0)
    assert ankle.given_peak == 25.0 and 15.0 < ankle.given_rms < 25.0


def test_a_mode_that_there_is_not_is_shown_by_its_number(tmp_path):
    writer = Writer(tmp_path / "recording.mcap")
    writer.put("exo/status", 0.0, DeviceStatus(mode=200))
    writer.put("exo/status", 1.0, DeviceStatus(mode=DeviceStatus.FAULT, cause="stopped"))
    writer.recording.close()
    inspection = inspect_recording(tmp_path)
    assert [change.mode for change in inspection.device.changes] == ["mode 200", "FAULT"]


def test_the_page_shows_it_all(run, capsys):
    text = page(inspect_recording(run))
    for word in (
        "/left/exo/joint_states",
        "100.0",
        "210",
        "STALE_COMMAND",
        "no command for 60 ms",
        "complete",
        "hip_flexion_r",
        "1 faults",
        "not recorded in /left: exo/imu",
    ):
        assert word in text, word
    assert main(["inspect", str(run)]) == 0
    assert "STALE_COMMAND" in capsys.readouterr().out


def test_a_recording_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path):
    writer = Writer(tmp_path / "recording.mcap").five_seconds()
    writer.recording._writer.flush()
    whole = (tmp_path / "recording.mcap").read_bytes()
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(whole[:-50])
    writer.put("exo/command", 5.0, TorqueCommand())
    for file in (tmp_path / "recording.mcap", cut):
        inspection = inspect_recording(file)
        assert not inspection.is_complete
        assert "cut off" in page(inspection)
    assert {topic.count for topic in inspect_recording(tmp_path).topics} == {50, 480, 500}


@pytest.mark.parametrize("content", [None, b"", b"not a recording at all"])
def test_what_is_no_recording_is_answered_in_one_line(tmp_path, capsys, content):
    path = tmp_path / "r.mcap"
    if content is not None:
        path.write_bytes(content)
    assert main(["inspect", str(path)]) == 1
    said = capsys.readouterr().err
    assert "r.mcap" in said and said.count("\n") == 1


def test_two_devices_in_one_recording_are_a_part_each(tmp_path):
    writer = Writer(tmp_path / "recording.mcap", ("left_lab", "right_lab")).five_seconds()
    writer.recording.close()
    inspection = inspect_recording(tmp_path)
    assert [device.namespace for device in inspection.devices] == ["/left_lab", "/right_lab"]
    for late_s, device in enumerate(inspection.devices):
        assert [change.mode for change in device.changes] == ["DISARMED", "ACTIVE", "FAULT"]
        assert device.stops[0].time_s == pytest.approx(4.0 + 0.5 * late_s)
        assert device.active_s == pytest.approx(3.0) and device.joints[1].given_peak == 25.0
    text = page(inspection)
    assert "device in /left_lab: 1 faults" in text and "torque in /right_lab" in text
    with pytest.raises(UserError, match="2 devices.*/left_lab, /right_lab"):
        _ = inspection.device


@pytest.mark.parametrize(
    "topic, type_name, definition, data",
    [
        ("exo/status", "exo_msgs/msg/DeviceStatus", "uint8 mode\nint32 fault_names\nstring cause", "01000000 01000000 00"),
        ("exo/status", "exo_msgs/msg/DeviceStatus", "uint8 mode\nuint8[] fault_names\nstring cause", "c8000000 00"),
        ("exo/command", "exo_msgs/msg/TorqueCommand", "string[] names\nstring[] torque",
         "01000000 02000000 6100 0000 01000000 02000000 6200"),
        ("exo/joint_states", "sensor_msgs/msg/JointState", "float64 name\nfloat64 velocity\nfloat64 effort", "00" * 24),
    ],
)  # fmt: skip
def test_a_topic_of_another_type_than_it_has_here_is_named_and_the_rest_is_shown(
    tmp_path, capsys, topic, type_name, definition, data
):
    with (tmp_path / "recording.mcap").open("wb") as stream:
        writer = McapWriter(stream)
        writer.start("ros2", "test")
        schema = writer.register_schema(type_name, "ros2msg", definition.encode())
        writer.add_message(writer.register_channel(f"/{topic}", "cdr", schema), 1, bytes.fromhex("00010000" + data), 1)
        writer.finish()
    assert main(["inspect", str(tmp_path)]) == 1
    out, said = capsys.readouterr()
    assert f"/{topic}" in out and said.count("\n") == 1 and f"/{topic}" in said


def test_what_cannot_be_decoded_is_named_after_the_page(tmp_path, capsys):
    path = tmp_path / "recording.mcap"
    with path.open("wb") as stream:
        writer = McapWriter(stream)
        writer.start("ros2", "test")
        for topic, encoding in (("/exo/joint_states", "json"), ("/exo/status", "cdr")):
            channel = writer.register_channel(topic, encoding, 0)
            writer.add_message(channel, 1, b"{}", 1)
        writer.finish()
    assert main(["inspect", str(tmp_path)]) == 1
    out, said = capsys.readouterr()
    assert "/exo/joint_states" in out and said.count("\n") == 1
    assert "encoding 'json'" in said and "/exo/status (unknown type, encoding 'cdr'): " in said
