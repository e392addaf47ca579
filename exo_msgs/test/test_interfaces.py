# SPDX-License-Identifier: Apache-2.0
"""What the messages and services promise to those who read and write them."""

import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1]
INTERFACES = sorted([*PACKAGE.glob("msg/*.msg"), *PACKAGE.glob("srv/*.srv")])


def test_cmake_builds_every_interface_file():
    listed = set(re.findall(r"(?:msg|srv)/\w+\.(?:msg|srv)", (PACKAGE / "CMakeLists.txt").read_text()))
    assert listed == {path.relative_to(PACKAGE).as_posix() for path in INTERFACES}


@pytest.mark.parametrize("path", INTERFACES, ids=lambda path: path.name)
def test_every_field_line_says_what_it_holds(path):
    fields = [line for line in path.read_text().splitlines() if line.strip(" -") and not line.startswith("#")]
    bare = [line for line in fields if not re.search(r"\S\s+#\s*\S.*\w", line)]
    assert fields
    assert not bare, f"no comment on: {bare}"


def test_fault_bits_are_distinct_single_bits():
    message = pytest.importorskip("exo_msgs.msg").DeviceStatus
    bits = [getattr(message, name) for name in dir(message) if name.startswith("FAULT_")]
    declared = re.findall(r"^uint32 FAULT_\w+=", (PACKAGE / "msg" / "DeviceStatus.msg").read_text(), flags=re.MULTILINE)
    assert len(bits) == len(declared) > 0
    assert sum(bits) == 2 ** len(bits) - 1  # each bit once, without a gap


def test_modes_count_from_disarmed_which_is_the_default():
    message = pytest.importorskip("exo_msgs.msg").DeviceStatus
    modes = [message.DISARMED, message.ARMING, message.ACTIVE, message.STOPPING, message.FAULT]
    assert modes == [0, 1, 2, 3, 4]
    assert message().mode == message.DISARMED


def test_command_survives_the_wire():
    serialization = pytest.importorskip("rclpy.serialization")
    from builtin_interfaces.msg import Time

    from exo_msgs.msg import TorqueCommand

    sent = TorqueCommand(
        state_stamp=Time(sec=7, nanosec=20_000_000),
        sequence=2**32 - 1,
        names=["hip_flexion_r", "ankle_angle_r"],
        torque=[12.5, -30.0],
    )
    got = serialization.deserialize_message(serialization.serialize_message(sent), TorqueCommand)
    assert got == sent
    assert list(got.torque) == [12.5, -30.0]


@pytest.mark.parametrize("path", INTERFACES, ids=lambda path: path.name)
def test_every_string_and_every_array_has_a_bound(path):
    types = [line.split()[0] for line in path.read_text().splitlines() if line.strip(" -") and not line.startswith("#")]
    assert not [name for name in types if name == "string" or name.endswith("[]") or name.startswith("string[")]


def test_recordings_of_before_the_bounds_and_of_now_are_read():
    decoder = pytest.importorskip("mcap_ros2.decoder")
    from mcap.records import Schema
    from rclpy.serialization import serialize_message

    from exo_core.message_schema import assemble_schema
    from exo_msgs.msg import TorqueCommand

    data = serialize_message(TorqueCommand(sequence=3, names=["hip_flexion_r"], torque=[12.5]))
    now = assemble_schema("exo_msgs/msg/TorqueCommand")
    before = now.replace("string<=64[<=16]", "string[]").replace("float64[<=16]", "float64[]")
    assert before != now
    for text in (before, now):
        schema = Schema(id=1, name="exo_msgs/msg/TorqueCommand", encoding="ros2msg", data=text.encode())
        read = decoder.DecoderFactory().decoder_for("cdr", schema)(data)
        assert (read.sequence, list(read.names), list(read.torque)) == (3, ["hip_flexion_r"], [12.5])
