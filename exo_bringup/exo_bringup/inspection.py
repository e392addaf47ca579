# SPDX-License-Identifier: Apache-2.0
"""`exo inspect`: topics with rates and gaps, what the device did, faults, stops and torques of a recording, as one page.

Reading needs no ROS.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from exo_bringup.telemetry import FAULT_MODE, MODE_NAMES, mode_name
from exo_bringup.topics import TOPICS
from exo_core.errors import UserError
from exo_core.recordings import RecordingReader, UndecodableError

NANOSECONDS = 1e9
#: An interval this many times longer than the usual one is a gap.
GAP_FACTOR = 3.0
#: Fewer messages than this have no rate.
LEAST_FOR_RATE = 3
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
class DeviceInspection:
    """What one device did: the topics exo/* of one namespace."""

    #: "/left_lab", empty for the root.
    namespace: str
    changes: tuple[ModeChange, ...]
    joints: tuple[JointFigures, ...]
    #: Time with torque allowed (mode ACTIVE, s).
    active_s: float

    @property
    def stops(self) -> tuple[ModeChange, ...]:
        """Every latched fault with its cause."""
        return tuple(change for change in self.changes if change.mode == MODE_NAMES[FAULT_MODE])


@dataclass(frozen=True)
class RunInspection:
    """What a recording holds."""

    path: Path
    #: Every file has its end and index; else it was cut off, and this is what can be read.
    is_complete: bool
    started_ns: int
    duration_s: float
    topics: tuple[TopicFigures, ...]
    #: One a namespace, in the order of their names.
    devices: tuple[DeviceInspection, ...]
    #: Why messages of some topics could not be read, one sentence each.
    unread: tuple[str, ...] = ()

    @property
    def device(self) -> DeviceInspection:
        """The only device. Raises UserError where there are several, or none."""
        if len(self.devices) != 1:
            named = ", ".join(device.namespace or "/" for device in self.devices)
            raise UserError(f"{self.path}: {len(self.devices)} devices ({named or 'no topics exo/*'}), not one")
        return self.devices[0]


class _Torques:
    """Torques by joint over the whole recording."""

    def __init__(self) -> None:
        self._asked: dict[str, float] = {}
        self._given: dict[str, list[float]] = {}
        self._power: dict[str, float] = {}

    def command(self, message) -> None:
        for name, torque in zip(message.names, message.torque, strict=False):
            self._asked[name] = max(self._asked.get(name, 0.0), abs(torque))

    def joints(self, message) -> None:
        for name, velocity, torque in zip(message.name, message.velocity, message.effort, strict=False):
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
        mode, faults = mode_name(message.mode), tuple(message.fault_names)
        before = self.changes[-1] if self.changes else None
        if before and before.mode == "ACTIVE":
            self.active_s += max(0.0, time_s - self._last_s)
        self._last_s = time_s
        if before is None or (before.mode, before.faults) != (mode, faults):
            self.changes.append(ModeChange(time_s, mode, faults, message.cause))


class _Device:
    """What is gathered of one namespace."""

    def __init__(self) -> None:
        self.torques, self.modes = _Torques(), _Modes()

    def reader(self, name: str, time_s: float):
        """What is to be done with a message of that topic."""
        readers = {
            STATUS: lambda message: self.modes.status(message, time_s),
            COMMAND: self.torques.command,
            JOINTS: self.torques.joints,
        }
        return readers[name]


def inspect_recording(run: str | Path) -> RunInspection:
    """Reads a whole recording, as far as it goes. Raises UserError for what is no MCAP recording.

    Args:
        run: a run folder, a folder of rosbag2 with MCAP files, or a file.
    """
    recording = RecordingReader(run)
    topics: dict[str, TopicFigures] = {}
    devices: dict[str, _Device] = {}
    unread: dict[str, list] = {}
    first_ns = 0
    for record in recording.messages():
        first_ns = first_ns or record.sent_ns
        time_s = (record.sent_ns - first_ns) / NANOSECONDS
        figures = topics.setdefault(record.topic, TopicFigures(record.topic, record.type_name or "unknown"))
        figures.count += 1
        figures.bytes += len(record.data)
        figures.times_s.append(time_s)
        namespace, name = _place(record.topic)
        if name is None:
            continue
        take = devices.setdefault(namespace, _Device()).reader(name, time_s)
        try:
            take(record.decode())
        except (UndecodableError, AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
            reason = (
                str(error)
                if isinstance(error, UndecodableError)
                else f"{record.topic}: not of the type that it has here"
            )
            unread.setdefault(record.topic, [reason, 0])[1] += 1
    if not topics:
        raise UserError(f"{run}: an MCAP file without messages")
    for figures in topics.values():
        figures.times_s.sort()
    return RunInspection(
        recording.path,
        recording.is_complete,
        first_ns,
        max(figures.times_s[-1] for figures in topics.values()),
        tuple(topics[name] for name in sorted(topics)),
        tuple(
            DeviceInspection(namespace, tuple(one.modes.changes), one.torques.figures(), one.modes.active_s)
            for namespace, one in sorted(devices.items())
        ),
        tuple(f"{reason} ({count} messages)" for reason, count in unread.values()),
    )


def _place(topic: str) -> tuple[str, str | None]:
    """Namespace of a topic, and which of the device's topics it is, None for another."""
    for name in (STATUS, COMMAND, JOINTS):
        if f"/{topic.lstrip('/')}".endswith(f"/{name}"):
            return topic[: -len(name)].rstrip("/"), name
    return "", None


def print_inspection(run: str, console: Console | None = None) -> None:
    """Prints the page. Raises UserError for what is no recording, and after the page where topics could not be read."""
    inspection = inspect_recording(run)
    (console or Console(highlight=False)).print(render(inspection))
    if inspection.unread:
        raise UserError(f"{inspection.path}: {'; '.join(inspection.unread)}")


def render(inspection: RunInspection) -> Group:
    """The page as a rich renderable: the topics, then a part for each namespace."""
    parts = [_head(inspection), Text(), _topics(inspection)]
    for device in inspection.devices:
        if device.changes or device.joints:
            parts += [Text(), _device(device), Text(), _torques(device)]
    return Group(*parts)


def _head(inspection: RunInspection) -> Text:
    started = datetime.fromtimestamp(inspection.started_ns / NANOSECONDS, UTC)
    count = sum(topic.count for topic in inspection.topics)
    text = Text()
    text.append(f"{inspection.path}\n", style="bold")
    text.append(
        f"{started:%Y-%m-%d %H:%M:%S} UTC, {inspection.duration_s:.1f} s of wall time, {count} messages "
        f"on {len(inspection.topics)} topics\n"
    )
    if inspection.is_complete:
        text.append("complete", style="green")
    else:
        text.append("cut off: the recorder was killed or the disk was full; this is what can be read", style="yellow")
    for namespace, missing in _missing(inspection).items():
        text.append(f"\nnot recorded{f' in {namespace}' if namespace else ''}: {', '.join(missing)}", style="yellow")
    for reason in inspection.unread:
        text.append(f"\n{reason}", style="yellow")
    return text


def _missing(inspection: RunInspection) -> dict[str, list[str]]:
    """By namespace, the device's topics that a recording without them cannot be replayed from."""
    there = {topic.name for topic in inspection.topics}
    needed = [topic.name for topic in TOPICS if topic.name.startswith("exo/")]
    namespaces = [device.namespace for device in inspection.devices] or [""]
    lacking = {space: [name for name in needed if f"{space}/{name}" not in there] for space in namespaces}
    return {space: names for space, names in lacking.items() if names}


def _topics(inspection: RunInspection) -> Table:
    table = _table("topics", "topic", "type", "messages", "kB", "rate (Hz)", "longest gap (ms)", "gaps")
    for topic in inspection.topics:
        gaps = Text(str(topic.gaps or "-"), style="yellow" if topic.gaps else "")
        table.add_row(
            topic.name,
            topic.type_name.split("/")[-1],
            str(topic.count),
            f"{topic.bytes / 1000:.0f}",
            _number(topic.rate_hz),
            _number(1e3 * topic.longest_gap_s, 0),
            gaps,
        )
    return table


def _named(what: str, device: DeviceInspection) -> str:
    return f"{what} in {device.namespace}" if device.namespace else what


def _device(inspection: DeviceInspection) -> Table:
    title = f"{_named('device', inspection)}: {len(inspection.stops)} faults, active for {inspection.active_s:.1f} s"
    table = _table(title, "at (s)", "mode", "faults", "cause", text_from=1)
    for change in inspection.changes:
        style = "red" if change.faults else "green" if change.mode == "ACTIVE" else ""
        table.add_row(
            f"{change.time_s:.2f}", Text(change.mode, style=style), ", ".join(change.faults), Text(change.cause)
        )
    return table


def _torques(inspection: DeviceInspection) -> Table:
    table = _table(
        _named("torque", inspection),
        "joint",
        "asked, peak (Nm)",
        "given, peak (Nm)",
        "given, RMS (Nm)",
        "power, peak (W)",
    )
    for joint in inspection.joints:
        table.add_row(
            joint.name,
            *(_number(value) for value in (joint.asked_peak, joint.given_peak, joint.given_rms, joint.peak_power_w)),
        )
    return table


def _table(title: str, *columns: str, text_from: int | None = None) -> Table:
    """Columns after the first are numbers, or text from this one on."""
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        is_text = index == 0 and text_from is None or text_from is not None and index >= text_from
        is_type = column == "type"
        table.add_column(column, justify="left" if is_text or is_type else "right", overflow="fold")
    return table


def _number(value: float, digits: int = 1) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"
