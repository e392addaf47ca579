# SPDX-License-Identifier: Apache-2.0
"""`exo inspect`: a recording as one page in the terminal."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from exo_bringup.run_inspection import DeviceInspection, RunInspection, inspect_recording
from exo_bringup.topics import TOPICS
from exo_core.errors import UserError

NANOSECONDS = 1e9


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
