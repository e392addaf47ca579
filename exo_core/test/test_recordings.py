# SPDX-License-Identifier: Apache-2.0
"""Recordings as recorders leave them: whole, split, cut off, of other storages, with types that are not described."""

import struct
import tracemalloc

import numpy as np
import pytest

mcap_writer = pytest.importorskip("mcap.writer")
from mcap_ros2._dynamic import serialize_dynamic  # noqa: E402

from exo_core.recordings import (  # noqa: E402
    KNOWN_DEFINITIONS,
    RecordingError,
    RecordingReader,
    UndecodableError,
    recording_files,
)

JOINT_STATE = "sensor_msgs/msg/JointState"
ENCODE = serialize_dynamic(JOINT_STATE, KNOWN_DEFINITIONS[JOINT_STATE])[JOINT_STATE]
TOPIC = "/exo/joint_states"


def joints(value: float) -> bytes:
    stamp = {"sec": 1, "nanosec": 5}
    return ENCODE({"header": {"stamp": stamp, "frame_id": "f"}, "name": ["hip_flexion_r"], "position": [value],
                   "velocity": [], "effort": []})  # fmt: skip


def write(path, values=(0.5,), schema=("ros2msg", KNOWN_DEFINITIONS[JOINT_STATE]), encoding="cdr", data=None, start=0):
    """A recording; schema: encoding and text, None for none; data: instead of the messages' bytes."""
    with path.open("wb") as stream:
        writer = mcap_writer.Writer(stream, chunk_size=200)
        writer.start(profile="ros2", library="test")
        number = 0 if schema is None else writer.register_schema(JOINT_STATE, schema[0], schema[1].encode())
        channel = writer.register_channel(TOPIC, encoding, number)
        for index, value in enumerate(values, start=start):
            writer.add_message(channel, index, joints(value) if data is None else data, index)
        writer.finish()
    return path


def positions(path) -> list[float]:
    return [message.decode().position[0] for message in RecordingReader(path).messages()]


@pytest.mark.parametrize(
    "schema",
    [("ros2msg", KNOWN_DEFINITIONS[JOINT_STATE]), ("ros2msg", ""), ("", ""), ("ros2idl", "module sensor_msgs {};")],
)
def test_known_types_are_read_whatever_text_the_recording_holds_of_them(tmp_path, schema):
    path = write(tmp_path / "r.mcap", (0.25, 0.5), schema)
    (first, second) = RecordingReader(path).messages()
    message = first.decode()
    assert (message.header.stamp.sec, message.header.stamp.nanosec, message.header.frame_id) == (1, 5, "f")
    assert (message.name, message.position, message.effort) == (["hip_flexion_r"], [0.25], [])
    assert second.decode().position == [0.5] and second.type_name == JOINT_STATE


@pytest.mark.parametrize(
    "options, words",
    [
        ({"schema": None}, ("cdr", "holds no schema")),
        ({"encoding": "json", "schema": ("jsonschema", "{}")}, ("encoding 'json'", "cdr")),
        ({"data": b"\x00\x01\x00\x00\x01"}, ("a message of 5 bytes", JOINT_STATE)),
        ({"data": b""}, ("a message of 0 bytes",)),
        ({"data": b"\x00\x01\x00\x00" + b"\xff" * 12}, ("a message of 16 bytes",)),
        ({"schema": ("ros2msg", "nothing that means anything [")}, ("definition cannot be read",)),
    ],
)
def test_what_cannot_be_decoded_is_one_line_with_topic_and_reason(tmp_path, options, words):
    path = write(tmp_path / "r.mcap", **options)
    (message,) = RecordingReader(path).messages()
    with pytest.raises(UndecodableError) as caught:
        message.decode()
    said = str(caught.value)
    assert "\n" not in said and all(word in said for word in (TOPIC, *words)), said


def test_a_bag_of_several_files_is_read_in_its_order(tmp_path):
    for number, value in enumerate((0.1, 0.2, 0.3)):
        write(tmp_path / f"walk_{(9, 10, 11)[number]}.mcap", (value,), start=number)
    assert positions(tmp_path) == [0.1, 0.2, 0.3]  # by number, not by letter
    listed = "\n".join(f"  - walk/walk_{number}.mcap" for number in (11, 9))
    (tmp_path / "metadata.yaml").write_text(f"rosbag2_bagfile_information:\n  relative_file_paths:\n{listed}\n")
    assert positions(tmp_path) == [0.3, 0.1]
    (tmp_path / "walk_9.mcap").unlink()
    with pytest.raises(RecordingError, match="lists walk_9.mcap, which is not there"):
        recording_files(tmp_path)


def test_a_run_folder_means_its_recording(tmp_path):
    write(tmp_path / "recording.mcap", (0.7,))
    write(tmp_path / "other.mcap", (0.8,))
    assert positions(tmp_path) == [0.7]
    (tmp_path / "recording.mcap").rename(tmp_path / "mine.mcap")
    with pytest.raises(RecordingError, match="several recordings lie here; name one of mine.mcap, other.mcap"):
        recording_files(tmp_path)


@pytest.mark.parametrize("listed", [True, False])
def test_another_storage_says_how_to_convert_it(tmp_path, listed):
    (tmp_path / "bag_0.db3").write_bytes(b"SQLite format 3\0")
    if listed:
        (tmp_path / "metadata.yaml").write_text(
            "rosbag2_bagfile_information:\n  storage_identifier: sqlite3\n  relative_file_paths: [bag_0.db3]\n"
        )
    for path in (tmp_path, tmp_path / "bag_0.db3"):
        with pytest.raises(RecordingError, match="SQLite.*only MCAP is read.*ros2 bag convert") as caught:
            recording_files(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "make, word",
    [
        (lambda path: None, "No such file"),
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: path.write_bytes(b"\x89MCA"), "cut off within its first bytes"),
        (lambda path: path.write_text("no recording at all"), "not a recording in MCAP"),
        (
            lambda path: path.write_bytes(write(path).read_bytes()[:100]),
            "cut off or damaged before its first",
        ),
        (lambda path: path.mkdir(), "neither a run folder"),
    ],
)
def test_what_is_no_recording_says_what_it_is(tmp_path, make, word):
    path = tmp_path / "r.mcap"
    make(path)
    with pytest.raises(RecordingError, match=word) as caught:
        list(RecordingReader(path).messages())
    assert "r.mcap" in str(caught.value) and not str(caught.value).rstrip().endswith(":")


def test_a_recording_cut_off_anywhere_gives_what_lies_before(tmp_path):
    whole = write(tmp_path / "whole.mcap", [k / 100 for k in range(40)])
    reader, data, cut = RecordingReader(whole), whole.read_bytes(), tmp_path / "cut.mcap"
    assert len(list(reader.messages())) == 40 and reader.is_complete
    for length in range(len(data) // 2, len(data) // 2 + 40):
        cut.write_bytes(data[:length])
        reader = RecordingReader(cut)
        found = [message.decode().position[0] for message in reader.messages()]
        assert found == [k / 100 for k in range(len(found))] and 0 < len(found) < 40 and not reader.is_complete


def test_bytes_that_a_disk_has_changed_are_one_line_wherever_they_lie(tmp_path):
    whole = write(tmp_path / "r.mcap", [k / 100 for k in range(20)])
    data, random = whole.read_bytes(), np.random.default_rng(3)
    refused = 0
    for _ in range(400):
        changed = bytearray(data)
        for place in random.integers(len(data), size=random.integers(1, 5)):
            changed[place] = random.integers(256)
        whole.write_bytes(changed)
        try:
            for message in RecordingReader(whole).messages():
                message.decode()
        except RecordingError as error:
            refused += 1
            assert "\n" not in str(error) and len(str(error)) < 500
    assert 50 < refused < 400
    text = data.replace(b"hip", b"\xff\xfe\xfd").replace(b"/exo/joint", b"/\xff\xfe/joint")
    whole.write_bytes(text)
    with pytest.raises(RecordingError):
        [message.decode() for message in RecordingReader(whole).messages()]


def test_a_type_that_holds_itself_is_one_line(tmp_path):
    path = tmp_path / "r.mcap"
    with path.open("wb") as stream:
        writer = mcap_writer.Writer(stream)
        writer.start(profile="ros2", library="test")
        within = f"a/B b\n{'=' * 80}\nMSG: a/B\na/B b\n"
        channel = writer.register_channel(TOPIC, "cdr", writer.register_schema("a/msg/B", "ros2msg", within.encode()))
        writer.add_message(channel, 1, b"\x00\x01\x00\x00" + bytes(64), 1)
        writer.finish()
    (message,) = RecordingReader(path).messages()
    with pytest.raises(UndecodableError, match=TOPIC):
        message.decode()


def test_a_chunk_that_would_fill_the_memory_is_refused(tmp_path):
    path = write(tmp_path / "r.mcap")
    data = path.read_bytes()
    place = 17 + int.from_bytes(
        data[9:17], "little"
    )  # behind the header lies the chunk: opcode, length, two times, size
    assert data[place] == 6
    path.write_bytes(data[: place + 25] + (1 << 40).to_bytes(8, "little") + data[place + 33 :])
    with pytest.raises(RecordingError, match="unpacks to 1048576 MB"):
        list(RecordingReader(path).messages())


def bomb(path, compression, size, said, content=b"\0"):
    """One chunk of `size` equal bytes that says it has `said`."""
    import zstandard
    from lz4 import frame

    def record(opcode, body):
        return bytes([opcode]) + struct.pack("<Q", len(body)) + body

    def text(value):
        return struct.pack("<I", len(value)) + value.encode()

    plain = content * (size // len(content))
    data = {"zstd": zstandard.compress, "lz4": frame.compress}[compression](plain)
    head = struct.pack("<QQQI", 0, 0, said, 0) + text(compression) + struct.pack("<Q", len(data))
    magic = b"\x89MCAP0\r\n"
    path.write_bytes(
        magic + record(1, text("ros2") + text("x")) + record(6, head + data) + record(0x0F, b"\0" * 4)
        + record(2, b"\0" * 20) + magic
    )  # fmt: skip
    return path


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
@pytest.mark.parametrize(
    "size, said, content, words",
    [
        (64 << 20, 64 << 20, b"\0", "no recorder writes that"),  # honest
        (64 << 20, 1000, b"\0", "does not unpack to the 1000 bytes"),  # and not
        (900_000, 900_000, b"\0", "a record of kind 0"),  # small enough, and 100,000 empty records
        (900_000, 900_000, b"\x05" + b"\xff" * 8, "longer than its chunk"),
    ],
)
def test_a_chunk_that_unpacks_to_more_than_a_recorder_writes_costs_nothing(
    tmp_path, compression, size, said, content, words
):
    path = bomb(tmp_path / "bomb.mcap", compression, size, said, content)
    tracemalloc.start()
    try:
        with pytest.raises(RecordingError, match=words) as caught:
            list(RecordingReader(path).messages())
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)
