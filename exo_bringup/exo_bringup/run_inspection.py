# SPDX-License-Identifier: Apache-2.0
"""What a recording holds: topics with rates and gaps, what the device did, faults and stops, torques. No ROS."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import zstandard
from mcap.exceptions import McapError
from mcap.reader import NonSeekingReader
from mcap_ros2.decoder import DecoderFactory

from exo_bringup.telemetry import FAULT_MODE, MODE_NAMES
from exo_core.errors import UserError

NANOSECONDS = 1e9
#: An interval this many times longer than the usual one is a gap.
GAP_FACTOR = 3.0
#: Fewer messages than this have no rate.
LEAST_FOR_RATE = 3
#: What reading says where a file ends in the middle of something.
CUT_OFF = (McapError, EOFError, struct.error, zstandard.ZstdError)
RECORDING_NAME = "recording.mcap"
STATUS, COMMAND, MOTORS, JOINTS = "exo/status", "exo/command", "sim/motor_command", "exo/joint_states"


@dataclass
class TopicFigures:
    """One topic. Times are wall times of sending (s since the recording's first message)."""

    name: str
    type_name: str
    count: int = 0
    bytes: int = 0
    times_s: list[float] = field(default_factory=list)

    @property
    def rate_hz(self) -> float:
        """One over the median interval; NaN for too few messages."""
        if self.count < LEAST_FOR_RATE:
            return math.nan
        median = float(np.median(np.diff(self.times_s)))
        return 1.0 / median if median > 0.0 else math.nan

    @property
    def longest_gap_s(self) -> float:
        """Longest time between two messages; NaN with fewer than two."""
        return float(np.max(np.diff(self.times_s))) if self.count > 1 else math.nan

    @property
    def gaps(self) -> int:
        """Intervals over GAP_FACTOR times the usual one."""
        rate = self.rate_hz
        return 0 if math.isnan(rate) else int(np.sum(np.diff(self.times_s) > GAP_FACTOR / rate))


@dataclass(frozen=True)
class ModeChange:
    """The device changed its mode, or latched one more fault."""

    time_s: float
    mode: str
    faults: tuple[str, ...]
    cause: str


@dataclass(frozen=True)
class JointFigures:
    """Torque of one joint: what the policy asked for and what the device gave (Nm)."""

    name: str
    asked_peak: float
    given_peak: float
    given_rms: float
    #: Largest mechanical power, either direction (W); NaN without joint states.
    peak_power_w: float


@dataclass(frozen=True)
class RunInspection:
    """What a recording holds."""

    path: Path
    #: The file has its end and index; else it was cut off, and this is what can be read.
    is_complete: bool
    started_ns: int
    duration_s: float
    topics: tuple[TopicFigures, ...]
    changes: tuple[ModeChange, ...]
    joints: tuple[JointFigures, ...]
    #: Time with torque allowed (mode ACTIVE, s).
    active_s: float

    @property
    def stops(self) -> tuple[ModeChange, ...]:
        """Every latched fault with its cause."""
        return tuple(change for change in self.changes if change.mode == MODE_NAMES[FAULT_MODE])


def find_recording(run: str | Path) -> Path:
    """A run's recording: the folder of a run, or the file itself. Raises UserError."""
    path = Path(run)
    file = path / RECORDING_NAME if path.is_dir() else path
    if not file.is_file():
        raise UserError(f"{run}: neither a run folder with {RECORDING_NAME} nor a recording")
    return file


class _Torques:
    """Torques by joint over the whole recording."""

    def __init__(self) -> None:
        self._asked: dict[str, float] = {}
        self._given: dict[str, list[float]] = {}
        self._power: dict[str, float] = {}

    def command(self, message) -> None:
        for name, torque in zip(message.names, message.torque):
            self._asked[name] = max(self._asked.get(name, 0.0), abs(torque))

    def joints(self, message) -> None:
        for name, velocity, torque in zip(message.name, message.velocity, message.effort):
            self._given.setdefault(name, []).append(torque)
            self._power[name] = max(self._power.get(name, 0.0), abs(torque * velocity))

    def figures(self) -> tuple[JointFigures, ...]:
        rows = []
        for name in self._given or self._asked:
            given = np.array(self._given.get(name, [math.nan]))
            rows.append(
                JointFigures(
                    name,
                    self._asked.get(name, math.nan),
                    float(np.abs(given).max()),
                    float(np.sqrt(np.mean(given**2))),
                    self._power.get(name, math.nan),
                )
            )
        return tuple(rows)


class _Modes:
    """The device's modes over time."""

    def __init__(self) -> None:
        self.changes: list[ModeChange] = []
        self.active_s = 0.0
        self._last_s = math.nan

    def status(self, message, time_s: float) -> None:
        mode, faults = MODE_NAMES[message.mode], tuple(message.fault_names)
        before = self.changes[-1] if self.changes else None
        if before and before.mode == "ACTIVE":
            self.active_s += max(0.0, time_s - self._last_s)
        self._last_s = time_s
        if before is None or (before.mode, before.faults) != (mode, faults):
            self.changes.append(ModeChange(time_s, mode, faults, message.cause))


def inspect_recording(run: str | Path) -> RunInspection:
    """Reads a whole recording, as far as it goes. Raises UserError for a file that is no MCAP recording."""
    path = find_recording(run)
    decoder, topics, torques, modes = DecoderFactory(), {}, _Torques(), _Modes()
    decoders: dict[int, object] = {}
    first_ns, is_complete = 0, False
    with path.open("rb") as stream:
        for record in _messages(stream, path):
            if record is None:
                is_complete = True
                break
            schema, channel, message = record
            first_ns = first_ns or message.publish_time
            time_s = (message.publish_time - first_ns) / NANOSECONDS
            figures = topics.setdefault(channel.topic, TopicFigures(channel.topic, schema.name))
            figures.count += 1
            figures.bytes += len(message.data)
            figures.times_s.append(time_s)
            take = _reader_of(channel.topic, torques, modes, time_s)
            if take is not None:
                if schema.id not in decoders:
                    decoders[schema.id] = decoder.decoder_for(channel.message_encoding, schema)
                take(decoders[schema.id](message.data))
    if not topics:
        raise UserError(f"{path}: an MCAP file without messages")
    for figures in topics.values():
        figures.times_s.sort()
    duration_s = max(figures.times_s[-1] for figures in topics.values())
    return RunInspection(
        path,
        is_complete,
        first_ns,
        duration_s,
        tuple(topics[name] for name in sorted(topics)),
        tuple(modes.changes),
        torques.figures(),
        modes.active_s,
    )


def _reader_of(topic: str, torques: _Torques, modes: _Modes, time_s: float):
    """What is to be done with a message of this topic, None for nothing. Namespaces do not matter."""
    for name, take in (
        (STATUS, lambda message: modes.status(message, time_s)),
        (COMMAND, torques.command),
        (JOINTS, torques.joints),
    ):
        if topic == f"/{name}" or topic.endswith(f"/{name}"):
            return take
    return None


def _messages(stream, path: Path) -> Iterator[tuple | None]:
    """Schema, channel and message one after the other; None at the end of a file that has one."""
    messages = NonSeekingReader(stream).iter_messages(log_time_order=False)
    seen = False
    while True:
        try:
            item = next(messages)
        except StopIteration:
            yield None
            return
        except CUT_OFF as error:
            if not seen:
                raise UserError(f"{path}: not an MCAP recording ({type(error).__name__})") from error
            return
        seen = True
        yield item
