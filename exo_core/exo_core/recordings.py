# SPDX-License-Identifier: Apache-2.0
"""The one reader of recordings: MCAP files, folders of rosbag2 with split files, run folders. Needs no ROS.

Whatever is wrong with a file is one line that says what it is: empty, cut off, no MCAP, another storage, a message that
cannot be decoded. A recording whose recorder was killed is read up to where it breaks off.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from exo_core.errors import UserError
from exo_core.yaml_file import read_mapping

if TYPE_CHECKING:  # only where recordings are read
    from mcap.records import Channel, Chunk, Schema

#: What `exo sim` calls the recording in its run folder, and rosbag2 its list of files.
RECORDING_NAME, BAG_LIST = "recording.mcap", "metadata.yaml"
MAGIC = b"\x89MCAP0\r\n"
#: No chunk that a recorder writes is larger than this when unpacked (bytes); one that is would fill the memory.
LARGEST_CHUNK_BYTES = 1 << 28
#: Nor one that unpacks to more than so many times its size, beyond the first MiB: what is measured varies.
LARGEST_RATIO, FREE_BYTES = 200, 1 << 20

_TIME = "builtin_interfaces/Time stamp\nstring frame_id\n"
_SEPARATOR = "=" * 80
_HEADER = (
    f"{_SEPARATOR}\nMSG: std_msgs/Header\n{_TIME}"
    f"{_SEPARATOR}\nMSG: builtin_interfaces/Time\nint32 sec\nuint32 nanosec\n"
)
_VECTOR = "float64 x\nfloat64 y\nfloat64 z\n"
#: Definitions of the messages that a device cannot do without, for recordings that only name them. They are fixed in
#: common_interfaces since ROS 2 began.
KNOWN_DEFINITIONS = {
    "sensor_msgs/msg/JointState": "std_msgs/Header header\nstring[] name\nfloat64[] position\nfloat64[] velocity\n"
    f"float64[] effort\n{_HEADER}",
    "sensor_msgs/msg/Imu": "std_msgs/Header header\ngeometry_msgs/Quaternion orientation\n"
    "float64[9] orientation_covariance\n"
    "geometry_msgs/Vector3 angular_velocity\nfloat64[9] angular_velocity_covariance\n"
    f"geometry_msgs/Vector3 linear_acceleration\nfloat64[9] linear_acceleration_covariance\n{_HEADER}"
    f"{_SEPARATOR}\nMSG: geometry_msgs/Quaternion\n{_VECTOR}float64 w\n"
    f"{_SEPARATOR}\nMSG: geometry_msgs/Vector3\n{_VECTOR}",
}


class RecordingError(UserError):
    """A recording cannot be used; one line that says why."""


class UndecodableError(RecordingError):
    """Messages of a topic cannot be read; one line with topic, encoding and what is missing."""


@dataclass(frozen=True)
class Recorded:
    """One message as it lies in the file. Times are wall times of arrival and of sending (ns)."""

    topic: str
    #: ROS type such as "sensor_msgs/msg/Imu"; empty where the recording does not say.
    type_name: str
    log_time_ns: int
    sent_ns: int
    data: bytes
    _decode: Callable[[bytes], Any]

    def decode(self) -> Any:
        """The message, with ROS's fields as attributes. Raises UndecodableError."""
        try:
            return self._decode(self.data)
        except UndecodableError:
            raise
        except (
            struct.error,
            ValueError,
            IndexError,
            KeyError,
            TypeError,
            OverflowError,
            EOFError,
            MemoryError,
            RecursionError,
            AttributeError,
        ) as error:
            kind = self.type_name or "its type"
            raise UndecodableError(
                f"{self.topic}: a message of {len(self.data)} bytes is no {kind}: it is cut, or of another definition"
            ) from error


def recording_files(path: str | Path) -> list[Path]:
    """MCAP files of a recording, in the order of time.

    Args:
        path: a file, a run folder (recording.mcap), or a folder of rosbag2 (metadata.yaml, or split files NAME_0.mcap,
            NAME_1.mcap and so on).

    Raises:
        RecordingError: there is none, or it is stored otherwise.
    """
    path = Path(path)
    if not path.exists():
        raise RecordingError(f"{path}: No such file or folder")
    if not path.is_dir():
        _require_mcap(path, path.parent)
        return [path]
    if (path / RECORDING_NAME).is_file():
        return [path / RECORDING_NAME]
    if (path / BAG_LIST).is_file():
        return _listed(path)
    files = sorted((file for file in path.iterdir() if file.suffix == ".mcap"), key=_number_in_name)
    if not files:
        for file in path.iterdir():
            _require_mcap(file, path)
        raise RecordingError(
            f"{path}: neither a run folder with {RECORDING_NAME} nor a rosbag2 folder with {BAG_LIST} or .mcap files"
        )
    if len({re.sub(r"_\d+$", "", file.stem) for file in files}) > 1:
        raise RecordingError(f"{path}: several recordings lie here; name one of {', '.join(f.name for f in files[:5])}")
    return files


def _listed(folder: Path) -> list[Path]:
    """Files that a bag's metadata.yaml lists."""
    content = read_mapping(folder / BAG_LIST, "rosbag2_bagfile_information")
    information = content.get("rosbag2_bagfile_information")
    names = information.get("relative_file_paths") if isinstance(information, dict) else None
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise RecordingError(f"{folder / BAG_LIST}: no relative_file_paths, so not the list of a rosbag2 recording")
    files = [folder / Path(name).name for name in names]  # older versions put the folder's name before it
    for file in files:
        _require_mcap(file, folder)
        if not file.is_file():
            raise RecordingError(f"{folder}: {BAG_LIST} lists {file.name}, which is not there")
    return files


def _require_mcap(file: Path, folder: Path) -> None:
    if file.suffix == ".db3":
        raise RecordingError(
            f"{file}: rosbag2's SQLite storage, and only MCAP is read; `ros2 bag convert -i {folder} -o FILE.yaml` "
            "with storage_id: mcap makes it one"
        )
    if file.suffix in (".zstd", ".zst"):
        raise RecordingError(f"{file}: compressed as a whole; unpack it first: zstd -d {file.name}")


def _number_in_name(file: Path) -> tuple[str, int]:
    found = re.search(r"_(\d+)$", file.stem)
    return (file.stem[: found.start()], int(found[1])) if found else (file.stem, -1)


class RecordingReader:
    """Messages of a recording in the order of the file.

    Attributes:
        path: as given.
        is_complete: after reading: every file has its end; else one was cut off.
    """

    def __init__(self, path: str | Path) -> None:
        """Raises RecordingError as ``recording_files`` does."""
        self.path, self.is_complete = Path(path), True
        self._files = recording_files(path)

    def messages(self, wanted: Callable[[str], bool] = lambda topic: True) -> Iterator[Recorded]:
        """Every message of the topics that are wanted.

        Raises:
            RecordingError: no MCAP, empty, or cut off before its first message.
        """
        self.is_complete = True
        found = False
        reasons: list[str] = []
        for file in self._files:
            for message in self._of(file, wanted, reasons):
                found = True
                if message is not None:
                    yield message
        if not found and reasons:
            raise RecordingError(reasons[0])

    def _of(self, file: Path, wanted: Callable[[str], bool], reasons: list[str]) -> Iterator[Recorded | None]:
        """Messages of a file, None for one that is not wanted; what cut it off goes to the reasons."""
        try:
            from mcap.exceptions import McapError
            from mcap.records import Channel, Chunk, Footer, Message, Schema
            from mcap.stream_reader import StreamReader
            from zstandard import ZstdError
        except ModuleNotFoundError as error:
            raise RecordingError(
                "recordings need mcap and mcap-ros2-support: pip install -r requirements.txt"
            ) from error
        schemas: dict[int, Schema] = {}
        channels: dict[int, tuple[Channel, str, Callable[[bytes], Any]] | None] = {}
        is_complete = False
        try:
            with file.open("rb") as stream:
                _require_magic(file, stream)
                for outer in StreamReader(stream, emit_chunks=True, record_size_limit=2 * LARGEST_CHUNK_BYTES).records:
                    is_complete = isinstance(outer, Footer)
                    for record in _unpacked(file, outer) if isinstance(outer, Chunk) else (outer,):
                        if isinstance(record, Schema):
                            schemas[record.id] = record
                        elif isinstance(record, Channel):
                            channels[record.id] = _channel(record, schemas, wanted)
                        elif isinstance(record, Message) and record.channel_id in channels:
                            channel = channels[record.channel_id]
                            if channel is None:
                                yield None
                                continue
                            described, type_name, decode = channel
                            yield Recorded(
                                described.topic, type_name, record.log_time, record.publish_time, record.data, decode
                            )
        except OSError as error:
            raise RecordingError(f"{file}: cannot read the recording: {error.strerror or error}") from error
        except (
            McapError,
            EOFError,
            struct.error,
            ZstdError,
            RuntimeError,
            UnicodeDecodeError,
            MemoryError,  # a length that no file has
            OverflowError,
        ) as error:
            # the file ends, or is damaged, within a record
            is_complete = False
            what = " ".join(str(error).split())
            reasons.append(
                f"{file}: a recording in MCAP that was cut off or damaged before its first whole chunk "
                f"({file.stat().st_size} bytes{f'; {what}' if what else ''}): nothing can be read of it"
            )
        self.is_complete = self.is_complete and is_complete


def _unpacked(file: Path, chunk: Chunk) -> Iterator[Any]:
    """Schemas, channels and messages of a chunk, with bounds on memory and time whatever the chunk says of itself.

    Raises:
        RecordingError: it is no chunk that a recorder writes. EOFError, ZstdError, RuntimeError: it is damaged.
    """
    from mcap.data_stream import ReadDataStream
    from mcap.opcode import Opcode
    from mcap.records import Channel, Message, Schema

    size = chunk.uncompressed_size
    if size > min(LARGEST_CHUNK_BYTES, FREE_BYTES + LARGEST_RATIO * len(chunk.data)):
        raise RecordingError(
            f"{file}: a chunk of {len(chunk.data)} bytes says that it unpacks to {size >> 20} MB; no recorder "
            "writes that"
        )
    data = _decompressed(chunk)
    if len(data) != size:
        raise EOFError(f"a chunk does not unpack to the {size} bytes that it says")
    stream = ReadDataStream(BytesIO(data))
    while stream.count < size:
        opcode, length = stream.read1(), stream.read8()
        if length > size - stream.count:
            raise EOFError("a record is longer than its chunk")
        if opcode == Opcode.MESSAGE:
            yield Message.read(stream, length)
        elif opcode == Opcode.SCHEMA:
            yield Schema.read(stream)
        elif opcode == Opcode.CHANNEL:
            yield Channel.read(stream)
        else:  # https://mcap.dev/spec: a chunk holds these three alone
            raise RecordingError(f"{file}: a chunk holds a record of kind {opcode}, which no recorder writes there")


def _decompressed(chunk: Chunk) -> bytes:
    """Unpacks at most one byte more than the chunk says."""
    most = chunk.uncompressed_size + 1
    if chunk.compression == "zstd":
        import zstandard

        return zstandard.ZstdDecompressor().stream_reader(chunk.data).read(most)
    if chunk.compression == "lz4":
        import lz4.frame

        return lz4.frame.LZ4FrameDecompressor().decompress(chunk.data, max_length=most)
    return chunk.data


def _require_magic(file: Path, stream: BinaryIO) -> None:
    start = stream.read(len(MAGIC))
    if not start:
        raise RecordingError(f"{file}: empty: its recorder was killed before it wrote, or the disk was full")
    if start != MAGIC:
        kind = "cut off within its first bytes" if MAGIC.startswith(start) else "it does not begin as one"
        raise RecordingError(f"{file}: not a recording in MCAP: {kind}")
    stream.seek(0)


def _channel(
    channel: Channel, schemas: Mapping[int, Schema], wanted: Callable[[str], bool]
) -> tuple[Channel, str, Callable[[bytes], Any]] | None:
    if not wanted(channel.topic):
        return None
    schema = schemas.get(channel.schema_id)
    type_name = schema.name if schema is not None else ""
    parts = type_name.split("/")
    if len(parts) == 2:  # as in ROS 1
        type_name = f"{parts[0]}/msg/{parts[1]}"
    decoder: list[Callable[[bytes], Any]] = []

    def decode(data: bytes) -> Any:
        if not decoder:
            decoder.append(_decoder(channel, schema, type_name))
        return decoder[0](data)

    return channel, type_name, decode


def _decoder(channel: Channel, schema: Schema | None, type_name: str) -> Callable[[bytes], Any]:
    """Returns what turns a channel's bytes into messages. Raises UndecodableError."""
    from mcap_ros2._dynamic import generate_dynamic

    where = f"{channel.topic} ({type_name or 'unknown type'}, encoding '{channel.message_encoding}'"
    if channel.message_encoding != "cdr":
        raise UndecodableError(f"{where}): only ROS 2's messages in cdr can be read")
    if schema is None:
        raise UndecodableError(f"{where}): the recording holds no schema for it, so that its type is not known")
    text = schema.data.decode("utf-8", "replace") if schema.encoding == "ros2msg" else ""
    if not text.strip():
        text = _definition(type_name)
    if not text:
        raise UndecodableError(
            f"{where}, schema '{schema.encoding}'): its definition is missing or not in ros2msg, and the type is not "
            "installed"
        )
    try:
        return generate_dynamic(type_name, text)[type_name]
    except Exception as error:  # the parser of definitions raises whatever its parts raise
        reason = " ".join(str(error).split())[:100]
        raise UndecodableError(
            f"{where}, schema '{schema.encoding}'): its definition cannot be read ({reason})"
        ) from error


def _definition(type_name: str) -> str:
    """Text of a definition that the recording only names; empty where it is not known here."""
    if type_name in KNOWN_DEFINITIONS:
        return KNOWN_DEFINITIONS[type_name]
    from exo_core.message_schema import assemble_schema

    try:
        return assemble_schema(type_name)
    except (ImportError, UserError, ValueError):  # no ROS here, or not that package
        return ""
