# SPDX-License-Identifier: Apache-2.0
"""`exo inspect`: a recording as one page in the terminal."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from exo_bringup.run_inspection import RunInspection, inspect_recording
from exo_bringup.topics import TOPICS

NANOSECONDS = 1e9


def print_inspection(run: str, console: Console | None = None) -> None:
    """Prints the page. Raises UserError for what is no recording."""
    (console or Console(highlight=False)).print(render(inspect_recording(run)))


def render(inspection: RunInspection) -> Group:
    """The page as a rich renderable."""
    return Group(
        _head(inspection), Text(), _topics(inspection), Text(), _device(inspection), Text(), _torques(inspection)
    )


def _head(inspection: RunInspection) -> Text:
    started = datetime.fromtimestamp(inspection.started_ns / NANOSECONDS, UTC)
    count = sum(topic.count for topic in inspection.topics)
    text = Text()
    text.append(f"{inspection.path}\n", style="bold")
    text.append(
        f"{started:%Y-%m-%d %H:%M:%S} UTC, {inspection.duration_s:.1f} s of wall time, {count} messages "
        f"on {len(inspection.topics)} topics, active for {inspection.active_s:.1f} s\n"
    )
    if inspection.is_complete:
        text.append("complete", style="green")
    else:
        text.append("cut off: the recorder was killed or the disk was full; this is what can be read", style="yellow")
    missing = _missing(inspection)
    if missing:
        text.append(f"\nnot recorded: {', '.join(missing)}", style="yellow")
    return text


def _missing(inspection: RunInspection) -> list[str]:
    """Topics of the graph that a recording without them cannot be replayed from."""
    there = {topic.name for topic in inspection.topics}
    needed = [topic.name for topic in TOPICS if topic.name.startswith("exo/")]
    return [name for name in needed if not any(f"/{t.lstrip('/')}".endswith(f"/{name}") for t in there)]


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


def _device(inspection: RunInspection) -> Table:
    table = _table(f"device: {len(inspection.stops)} faults", "at (s)", "mode", "faults", "cause", text_from=1)
    for change in inspection.changes:
        style = "red" if change.faults else "green" if change.mode == "ACTIVE" else ""
        table.add_row(
            f"{change.time_s:.2f}", Text(change.mode, style=style), ", ".join(change.faults), Text(change.cause)
        )
    return table


def _torques(inspection: RunInspection) -> Table:
    table = _table("torque", "joint", "asked, peak (Nm)", "given, peak (Nm)", "given, RMS (Nm)", "power, peak (W)")
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
