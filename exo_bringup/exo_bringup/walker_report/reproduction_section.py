# SPDX-License-Identifier: Apache-2.0
"""Section of how to measure the same again."""

from __future__ import annotations

import shlex
from html import escape

from exo_bringup.html_report import svg
from exo_bringup.html_report.parts import Cell, Section, paragraph, table
from exo_bringup.walker_report.data import WalkerData
from exo_sim.evaluation.evaluate_human import COMMAND

#: Options of the command by the configuration's key.
OPTIONS = {"human": "--checkpoint", "subject": "--subject", "seeds": "--seeds", "duration": "--duration",
           "pushes": "--pushes", "seed": "--seed", "physics_rate": "--physics-rate"}  # fmt: skip


def command_line(data: WalkerData) -> str:
    """The command with everything that the configuration says; empty values are the defaults and left out."""
    words = [*COMMAND.split(), "--speeds", *(f"{speed:g}" for speed in data.speeds)]
    for key, option in OPTIONS.items():
        value = data.configuration.get(key)
        if value not in (None, ""):
            words += [option, f"{value:g}" if isinstance(value, float) else str(value)]
    return shlex.join(words)


def reproduction(data: WalkerData) -> Section:
    """Command, versions, revision, machine."""
    summary, record = data.summary, data.record
    rows = [
        ["Git revision", summary.get("git_revision", "")],
        *([f"Version of {name}", version] for name, version in (summary.get("versions") or {}).items()),
        ["Platform", record.get("platform", "")],
        ["Processors", str(record.get("cpu_count", ""))],
        ["Finished", record.get("finished", "")],
        ["Wall time of the last call (s)", svg.shown(record.get("wall_time_s"), 1)],
    ]
    content = (
        f"<pre>{escape(command_line(data))}</pre>"
        + paragraph("The same code, checkpoint and seeds give the same figures to the last digit.", faint=True)
        + table(["Made with", ""], [[name, Cell(value, "text")] for name, value in rows])
    )
    return Section("reproduction", "How to reproduce it", content)
