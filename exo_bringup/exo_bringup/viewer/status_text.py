# SPDX-License-Identifier: Apache-2.0
"""The few lines above the buttons: what the device and the simulation do."""

from __future__ import annotations

import math
import re

from exo_bringup.viewer.snapshot import Snapshot
from exo_core.errors import one_line

#: After this long without a message (s, wall time) a node counts as silent: a new body takes a second.
SILENT_S = 3.0
#: What Markdown gives a meaning; a cause or an answer may hold a stranger's text, and a link or picture in it.
MARKUP = re.compile(r"([\\`*_{}\[\]()<>#!|~$])")


def simulated(now: Snapshot, monotonic_s: float) -> bool:
    """Whether a simulator has been heard lately."""
    return monotonic_s - now.heard_simulator_s < SILENT_S


def device_heard(now: Snapshot, monotonic_s: float) -> bool:
    """Whether the device has been heard lately."""
    return monotonic_s - now.heard_device_s < SILENT_S


def status_text(now: Snapshot, monotonic_s: float, news: str) -> str:
    """Markdown; `news` is the last answer of a service."""
    simulator, device = simulated(now, monotonic_s), device_heard(now, monotonic_s)
    if not simulator and not device:
        lines = ["**waiting for the graph ...**"]
    else:
        mode = f"**{now.mode_name}**" if device else f"{now.mode_name}, silent"
        cause = f": {_plain(now.cause)}" if now.cause else ""
        lines = [f"Device {mode}{cause}"]
        if simulator:
            state = "fallen" if now.fallen else f"{_number(now.speed_mps)} m/s"
            pace = "paused" if now.paused else f"×{_number(now.real_time_factor)} real time"
            lines.append(
                f"{now.time_s:.1f} s, {pace}, {state}, {_number(now.metabolic_w_per_kg, 1)} W/kg"
                + (f", {now.falls} falls" if now.falls else "")
            )
        else:
            lines.append("no simulator: the wearer's joints without a sensor are drawn straight")
    if news:
        lines.append(f"*{_plain(news)}*")
    return "  \n".join(lines)


def _plain(text: str) -> str:
    return MARKUP.sub(r"\\\1", one_line(text))


def _number(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"
