# SPDX-License-Identifier: Apache-2.0
"""The live table in a terminal, and a plain line every few seconds where there is none."""

from __future__ import annotations

import math
import re
import time

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from exo_bringup.run_options import RunOptions
from exo_bringup.telemetry import FAULT_MODE, StrideMeans, Telemetry
from exo_core.errors import LONGEST_LINE_BYTES, one_line
from exo_core.files import read_limited

REFRESH_S = 0.25
PLAIN_LINE_S = 5.0
MEASURED = ("unassisted", "assisted")
#: A command older than this is stale for the device (s, its default), so show it as a warning.
COMMAND_AGE_WARNING_S = 0.03


class Display:
    """Shows telemetry: a table on a terminal, lines elsewhere, nothing when quiet."""

    def __init__(self, options: RunOptions, console: Console | None = None):
        self._options = options
        self.console = console or Console(highlight=False, soft_wrap=True)
        self._next_s = 0.0
        self._live: Live | None = None
        if options.table and not options.quiet and self.console.is_terminal:
            self._live = Live(console=self.console, auto_refresh=False, transient=False)

    def start(self) -> None:
        """Begin to show."""
        if self._live is not None:
            self._live.start()

    def stop(self) -> None:
        """Leave the last table on the screen."""
        if self._live is not None:
            self._live.stop()

    def say(self, text: str) -> None:
        """One line of news, above the table; not when quiet."""
        if not self._options.quiet:
            self.console.print(text, markup=False)

    def announce(self, text: str) -> None:
        """One line that is wanted even when quiet."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def announce_viewer(self, address: str) -> None:
        """Where the page is. The address with its token goes to a terminal alone, never into a log.

        Args:
            address: as published, without a token; from a topic, so that it may be anybody's.
        """
        from exo_bringup.viewer.access import link_file  # the viewer's libraries take time to import

        port = re.search(r":(\d{1,5})/$", address)
        path = link_file(port[1]) if port else None
        if path is not None and path.is_file() and self.console.is_terminal:
            self.announce(f"watch it in a browser: {read_limited(path, LONGEST_LINE_BYTES).decode().strip()}")
        else:
            where = f" (the address with its token stands in {path})" if path else ""
            self.announce(f"watch it in a browser: {one_line(address)}{where}")

    def complain(self, text: str) -> None:
        """One line about a problem, even when quiet."""
        self.console.print(text, markup=False, style="red")

    def update(self, telemetry: Telemetry) -> None:
        """Show what is known now; returns at once when it is too early for that."""
        now = time.monotonic()
        if self._options.quiet or now < self._next_s:
            return
        if self._live is not None:
            self._next_s = now + REFRESH_S
            self._live.update(render(telemetry, self._options), refresh=True)
        elif telemetry.condition:
            self._next_s = now + PLAIN_LINE_S
            self.console.print(telemetry.line(self._options.duration_s), markup=False)


def render(telemetry: Telemetry, options: RunOptions) -> Panel:
    """The table as a rich renderable."""
    table = Table(box=None, pad_edge=False, expand=False)
    table.add_column("")
    for name in ("now", *MEASURED):
        active = name == telemetry.condition
        table.add_column(name, justify="right", min_width=11, style="bold" if active else "")
    table.add_column("", style="dim")
    measured = [telemetry.conditions.get(name, StrideMeans()) for name in MEASURED]
    columns = [telemetry.last_stride, *measured]
    speeds = [telemetry.speed_mps, *(means.speed_mps for means in measured)]
    _row(table, "walking speed", speeds, "m/s", 2)
    _row(table, "stride time", [means.stride_time_s for means in columns], "s", 2)
    _row(table, "metabolic cost", [means.metabolic_w_per_kg for means in columns], "W/kg", 2)
    joints = sorted({joint for means in columns for joint in means.peak_torque})
    for joint in joints or ["hip_flexion"]:
        label = f"assistance peak, {joint.split('_')[0]}"
        _row(table, label, [means.peak_torque.get(joint, math.nan) for means in columns], "Nm/kg", 2)
    _row(table, "strides", [math.nan, *(means.count or math.nan for means in measured)], "", 0)
    return Panel(
        Group(table, Text(), _device_line(telemetry), _progress(telemetry, options)),
        title=f"exo_gait: {options.graph.speed_mps:g} m/s, {options.graph.device}, {options.graph.controller}",
        expand=False,
        width=76,
    )


def _row(table: Table, label: str, values: list[float], unit: str, digits: int) -> None:
    table.add_row(label, *("-" if math.isnan(value) else f"{value:.{digits}f}" for value in values), unit)


def _device_line(telemetry: Telemetry) -> Text:
    line = Text("device ")
    line.append(telemetry.mode_name, style="bold red" if telemetry.mode == FAULT_MODE else "bold green")
    if telemetry.cause:
        line.append(f" ({telemetry.cause})")
    line.append(f"   loop {_number(telemetry.loop_rate_hz, 0)} Hz   command age ")
    late = telemetry.command_age_s > COMMAND_AGE_WARNING_S
    line.append(f"{_number(1e3 * telemetry.command_age_s, 1)} ms", style="bold red" if late else "")
    line.append(f"   x{_number(telemetry.real_time_factor, 2)} real time")
    if telemetry.falls:
        line.append(f"   falls {telemetry.falls}", style="bold red")
    return line


def _progress(telemetry: Telemetry, options: RunOptions) -> Table:
    done = 0.0 if math.isnan(telemetry.time_s) else min(telemetry.time_s, options.duration_s)
    line = Table.grid(padding=(0, 1))
    line.add_row(
        Text(telemetry.condition or "starting", style="bold"),
        ProgressBar(total=options.duration_s, completed=done, width=36),
        Text(f"{done:.0f} of {options.duration_s:g} s"),
    )
    return line


def _number(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"
