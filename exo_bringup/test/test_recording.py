# SPDX-License-Identifier: Apache-2.0
"""What is recorded can be read back by an independent reader, schemas included."""

import pytest
import yaml
from mcap.reader import make_reader
from mcap_ros2._dynamic import serialize_dynamic
from mcap_ros2.decoder import DecoderFactory

from exo_bringup.recording import QOS_KEY, Recording
from exo_core.errors import UserError
from exo_core.message_schema import assemble_schema, used_types

DEFINITIONS = {
    (
        "box_msgs",
        "Box",
    ): "# a box, see geometry_msgs/Point\nuint8 SMALL=0\nstd_msgs/Header header\nLid[] lids\n"
    'float64[3] size\nstring<=5 label "x"\n',
    ("box_msgs", "Lid"): "float32 angle # rad\nbuiltin_interfaces/Time opened\n",
    ("std_msgs", "Header"): "builtin_interfaces/Time stamp\nstring frame_id\n",
    ("builtin_interfaces", "Time"): "int32 sec\nuint32 nanosec\n",
}
TYPE = "box_msgs/msg/Box"


def schema():
    return assemble_schema(TYPE, lambda package, name: DEFINITIONS[package, name])


def box(number):
    time = {"sec": number, "nanosec": 0}
    return {
        "header": {"stamp": time, "frame_id": "shelf"},
        "lids": [{"angle": 0.5, "opened": time}],
        "size": [1.0, 2.0, float(number)],
        "label": "abc",
    }


def record(path, count):
    recording = Recording(path)
    recording.add_topic("/a/box", TYPE, schema())
    encode = serialize_dynamic(TYPE, schema())[TYPE]
    for number in range(count):
        recording.write("/a/box", encode(box(number)), 1000 + number, 900 + number)
    return recording


def test_types_are_found_in_fields_only():
    assert used_types("box_msgs", DEFINITIONS["box_msgs", "Box"]) == [
        ("std_msgs", "Header"),
        ("box_msgs", "Lid"),
    ]


def test_every_used_type_is_in_the_schema_once():
    text = schema()
    assert text.startswith(DEFINITIONS["box_msgs", "Box"])
    for name in ("box_msgs/Lid", "std_msgs/Header", "builtin_interfaces/Time"):
        assert text.count(f"MSG: {name}\n") == 1


def test_messages_come_back_with_their_content_and_times(tmp_path):
    path = tmp_path / "r.mcap"
    recording = record(path, 3)
    recording.close()
    recording.close()
    with path.open("rb") as stream:
        reader = make_reader(stream, decoder_factories=[DecoderFactory()])
        assert reader.get_header().profile == "ros2"
        assert reader.get_summary().statistics.message_count == 3
        decoded = list(reader.iter_decoded_messages())
    assert [content.size[2] for _, _, _, content in decoded] == [0.0, 1.0, 2.0]
    assert decoded[2][3].lids[0].opened.sec == 2
    _, channel, message, _ = decoded[0]
    assert (channel.topic, message.log_time, message.publish_time) == ("/a/box", 1000, 900)
    assert recording.counts == {"/a/box": 3}


def test_a_player_is_told_what_late_subscribers_get(tmp_path):
    recording = Recording(tmp_path / "r.mcap")
    recording.add_topic("/a/box", TYPE, schema())
    recording.add_topic("/tf_static", TYPE, schema(), latched=True)
    recording.close()
    with (tmp_path / "r.mcap").open("rb") as stream:
        channels = make_reader(stream).get_summary().channels.values()
    profiles = {channel.topic: yaml.safe_load(channel.metadata[QOS_KEY]) for channel in channels}
    (box,), (static,) = profiles["/a/box"], profiles["/tf_static"]
    # rmw/types.h: reliable 1; transient local 1, volatile 2; keep last 1
    assert (box["reliability"], box["durability"], box["history"]) == (1, 2, 1)
    assert (static["reliability"], static["durability"], static["depth"]) == (1, 1, 1)
    assert (
        set(box)
        == set(static)
        == {
            *("history", "depth", "reliability", "durability", "deadline", "lifespan", "liveliness"),
            *("liveliness_lease_duration", "avoid_ros_namespace_conventions"),
        }
    )
    for period in ("deadline", "lifespan", "liveliness_lease_duration"):  # RMW_DURATION_INFINITE
        assert box[period]["sec"] * 10**9 + box[period]["nsec"] == 2**63 - 1


def test_a_folder_without_write_permission_is_one_clear_error(tmp_path):
    with pytest.raises(UserError, match="cannot be written"):
        Recording(tmp_path / "missing" / "r.mcap")
